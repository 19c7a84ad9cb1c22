#include "common/process/watchdog.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/post.hpp>
#include <latch>

#include "common/process/health_keeper.h"
#include "tests/unit/common/process/fake_service.h"

namespace gateway::process {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

const absl::Time kStart = absl::FromUnixSeconds(1000);

// A loop that runs what was posted to it when told to.
struct ManualLoop {
  WatchedLoop Watched(const std::string& name) {
    return {name, [this](std::function<void()> beat) {
              posted.push_back(std::move(beat));
            }};
  }
  void Turn() {
    for (const auto& beat : posted) beat();
    posted.clear();
  }
  std::vector<std::function<void()>> posted;
};

TEST(WatchdogTest, MissesALoopThatDoesNotComeRoundFor30Seconds) {
  ManualLoop good, bad;
  Watchdog watchdog({good.Watched("io-0"), bad.Watched("io-1")});
  for (int second = 0; second < 30; ++second) {
    watchdog.Look(kStart + absl::Seconds(second), {});
    EXPECT_THAT(watchdog.Stuck(), IsEmpty()) << second;
    good.Turn();
  }
  // One beat at a time: a stuck loop does not collect them.
  EXPECT_EQ(bad.posted.size(), 1);
  watchdog.Look(kStart + absl::Seconds(30), {});
  EXPECT_THAT(watchdog.Stuck(), ElementsAre("io-1"));
  bad.Turn();
  watchdog.Look(kStart + absl::Seconds(31), {});
  EXPECT_THAT(watchdog.Stuck(), IsEmpty());
}

TEST(WatchdogTest, MissesAThreadThatDoesNotGetDone) {
  Watchdog watchdog({});
  watchdog.Look(kStart, {{"disk-0", absl::Seconds(29)}});
  EXPECT_THAT(watchdog.Stuck(), IsEmpty());
  watchdog.Look(kStart,
                {{"disk-0", absl::Seconds(30)}, {"disk-1", absl::Seconds(1)}});
  EXPECT_THAT(watchdog.Stuck(), ElementsAre("disk-0"));
  watchdog.Look(kStart, {});
  EXPECT_THAT(watchdog.Stuck(), IsEmpty());
}

bool Eventually(const std::function<bool()>& condition) {
  for (int i = 0; i < 2000; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return false;
}

// The whole of it: an io thread that is blocked costs gRPC's liveness, until it
// goes on.
TEST(WatchdogTest, SeesABlockedIoThread) {
  IoPool io(2);
  FakeService service;
  Lifecycle lifecycle;
  lifecycle.Set(Phase::kServing);
  Watchdog watchdog(LoopsOf(io), absl::Milliseconds(100));
  HealthKeeper keeper(&service, &lifecycle, &watchdog, nullptr,
                      absl::Milliseconds(10));
  const auto health = [&] {
    MutexLock lock(service.mu);
    return service.health;
  };
  EXPECT_TRUE(Eventually([&] { return health() == std::pair(true, true); }));
  std::latch go_on(1);
  boost::asio::post(io.At(1), [&] { go_on.wait(); });
  EXPECT_TRUE(Eventually([&] { return health() == std::pair(true, false); }));
  EXPECT_THAT(watchdog.Stuck(), ElementsAre("io-1"));
  go_on.count_down();
  EXPECT_TRUE(Eventually([&] { return health() == std::pair(true, true); }));
}

TEST(WatchdogTest, SeesABlockedExecutor) {
  BoundedExecutor executor({.name = "disk", .threads = 2});
  std::latch go_on(1), begun(1);
  ASSERT_TRUE(executor.TryPost([&] {
    begun.count_down();
    go_on.wait();
  }));
  begun.wait();
  Watchdog watchdog({}, absl::Milliseconds(1));
  EXPECT_TRUE(Eventually([&] {
    watchdog.Look(kStart, BusyOf(executor));
    return watchdog.Stuck().size() == 1;
  }));
  go_on.count_down();
  EXPECT_TRUE(Eventually([&] {
    watchdog.Look(kStart, BusyOf(executor));
    return watchdog.Stuck().empty();
  }));
}

}  // namespace
}  // namespace gateway::process
