#include "common/process/health_keeper.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <memory>
#include <utility>

#include "tests/unit/common/process/fake_service.h"

namespace gateway::process {
namespace {

constexpr absl::Duration kNever = absl::InfiniteDuration();

// Is slow to hear of its health once, and then takes what it was told.
class SlowService : public FakeService {
 public:
  void SetHealth(bool ready, bool live) override {
    if (!slowed_.exchange(true)) {
      telling.set_value();
      go_on.get_future().wait();
    }
    FakeService::SetHealth(ready, live);
  }

  std::promise<void> telling;
  std::promise<void> go_on;

 private:
  std::atomic<bool> slowed_{false};
};

class HealthKeeperTest : public testing::Test {
 protected:
  HealthKeeperTest() { lifecycle_.Set(Phase::kServing); }

  std::pair<bool, bool> Told(FakeService& service) {
    MutexLock lock(service.mu);
    return service.health;
  }

  Lifecycle lifecycle_;
  Watchdog watchdog_{{}};
};

TEST_F(HealthKeeperTest, TellsAtOnceAndThenEachTime) {
  FakeService service;
  std::promise<void> first;
  std::promise<void> third;
  int rounds = 0;
  HealthKeeper keeper(
      &service, &lifecycle_, &watchdog_,
      [&](absl::Time) {
        ++rounds;
        if (rounds == 1) first.set_value();
        if (rounds == 3) third.set_value();
      },
      absl::Milliseconds(1));
  first.get_future().wait();
  EXPECT_EQ(Told(service), std::pair(true, true));
  third.get_future().wait();
}

TEST_F(HealthKeeperTest, AnUpdateTellsWithoutWaitingForARound) {
  FakeService service;
  std::promise<void> round;
  HealthKeeper keeper(
      &service, &lifecycle_, &watchdog_, [&](absl::Time) { round.set_value(); },
      kNever);
  round.get_future().wait();
  lifecycle_.Set(Phase::kDraining);
  keeper.Update();
  EXPECT_EQ(Told(service), std::pair(false, true));
}

// A round that looked at the process before its drain began must not tell what
// it saw after the drain was told.
TEST_F(HealthKeeperTest, ReadinessDoesNotComeBackInADrain) {
  SlowService service;
  auto keeper = std::make_unique<HealthKeeper>(&service, &lifecycle_,
                                               &watchdog_, nullptr, kNever);
  service.telling.get_future().wait();
  lifecycle_.Set(Phase::kDraining);
  auto update = std::async(std::launch::async, [&keeper] { keeper->Update(); });
  EXPECT_EQ(update.wait_for(std::chrono::milliseconds(50)),
            std::future_status::timeout);
  service.go_on.set_value();
  update.get();
  keeper.reset();
  EXPECT_EQ(Told(service), std::pair(false, true));
}

}  // namespace
}  // namespace gateway::process
