#include "common/time/clock.h"

#include <gtest/gtest.h>

#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/io_context.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "common/concurrency/io_pool.h"
#include "common/concurrency/spawn.h"
#include "tests/support/fake_clock.h"

namespace gateway {
namespace {

// What every clock promises.
class ClockContractTest : public testing::TestWithParam<const char*> {
 protected:
  Clock& clock() {
    if (GetParam() == std::string("Real")) return *RealClock();
    return fake_;
  }

  // Runs a flow that sleeps and returns what the sleep returned.
  std::optional<bool> Sleep(absl::Time deadline, bool cancel) {
    boost::asio::io_context io;
    boost::asio::cancellation_signal signal;
    std::optional<bool> result;
    const auto flow = [&]() -> Awaitable<void> {
      result = co_await clock().SleepUntil(deadline);
    };
    Spawn(io.get_executor(), flow(), signal.slot(), nullptr);
    io.poll();
    if (cancel) signal.emit(boost::asio::cancellation_type::terminal);
    fake_.AdvanceTo(std::min(deadline, fake_.Now() + absl::Hours(1)));
    io.run_for(std::chrono::seconds(5));
    return result;
  }

  FakeClock fake_{absl::Now()};
};

TEST_P(ClockContractTest, WakesAtTheDeadline) {
  const absl::Time deadline = clock().Now() + absl::Milliseconds(5);
  EXPECT_EQ(Sleep(deadline, false), true);
  EXPECT_GE(clock().Now(), deadline);
}

TEST_P(ClockContractTest, APastDeadlineIsReachedAtOnce) {
  EXPECT_EQ(Sleep(clock().Now() - absl::Seconds(1), false), true);
  EXPECT_EQ(Sleep(absl::InfinitePast(), false), true);
}

TEST_P(ClockContractTest, CancellationEndsTheSleep) {
  EXPECT_EQ(Sleep(absl::InfiniteFuture(), true), false);
  EXPECT_EQ(Sleep(clock().Now() + absl::Hours(24), true), false);
}

INSTANTIATE_TEST_SUITE_P(Clocks, ClockContractTest,
                         testing::Values("Real", "Fake"), [](const auto& info) {
                           return std::string(info.param);
                         });

TEST(FakeClockTest, WakesSleepersInTheOrderOfTheirDeadlines) {
  FakeClock clock;
  boost::asio::io_context io;
  std::vector<int> order;
  const auto flow = [&](int seconds) -> Awaitable<void> {
    const bool slept = co_await clock.SleepFor(absl::Seconds(seconds));
    if (slept) order.push_back(seconds);
  };
  for (int seconds : {3, 1, 2, 9})
    SpawnDetached(io.get_executor(), flow(seconds));
  io.poll();
  EXPECT_EQ(clock.Sleepers(), 4u);
  EXPECT_EQ(clock.NextWakeup(), clock.Now() + absl::Seconds(1));

  clock.Advance(absl::Milliseconds(999));
  io.poll();
  EXPECT_EQ(order, (std::vector<int>{}));
  clock.Advance(absl::Seconds(3));
  io.poll();
  EXPECT_EQ(order, (std::vector<int>{1, 2, 3}));
  EXPECT_EQ(clock.Sleepers(), 1u);
  clock.Advance(absl::Hours(1));
  io.run();
  EXPECT_EQ(order, (std::vector<int>{1, 2, 3, 9}));
  EXPECT_EQ(clock.NextWakeup(), absl::InfiniteFuture());
}

TEST(FakeClockTest, WakesSleepersOfOtherThreads) {
  FakeClock clock;
  std::atomic<int> woken = 0;
  std::atomic<bool> right_thread = true;
  IoPool pool(3);
  const auto flow = [&](size_t index) -> Awaitable<void> {
    for (int i = 0; i < 100; ++i) {
      co_await clock.SleepFor(absl::Seconds(1));
      if (IoPool::CurrentIndex() != index) right_thread = false;
      ++woken;
    }
  };
  for (size_t i = 0; i < pool.size(); ++i) {
    SpawnDetached(pool.At(i).get_executor(), flow(i));
  }
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(clock.AwaitSleepers(3));
    clock.Advance(absl::Seconds(1));
  }
  while (woken < 300) std::this_thread::yield();
  EXPECT_TRUE(right_thread);
  pool.Stop();
}

}  // namespace
}  // namespace gateway
