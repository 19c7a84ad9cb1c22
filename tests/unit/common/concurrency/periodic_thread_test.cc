#include "common/concurrency/periodic_thread.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>

namespace gateway {
namespace {

constexpr absl::Duration kNever = absl::InfiniteDuration();
constexpr absl::Duration kTick = absl::Milliseconds(1);

// Lets a round tell that it runs, and holds it there.
struct Gate {
  std::promise<void> entered;
  std::promise<void> opened;

  void Pass() {
    entered.set_value();
    opened.get_future().wait();
  }
};

TEST(PeriodicThreadTest, RoundsFollowEachOther) {
  std::atomic<int> rounds{0};
  std::promise<void> third;
  PeriodicThread thread;
  thread.Start("rounds", kTick, [&] {
    if (++rounds == 3) third.set_value();
  });
  third.get_future().wait();
}

TEST(PeriodicThreadTest, TheFirstRoundWaitsForItsInterval) {
  std::atomic<int> rounds{0};
  PeriodicThread thread;
  thread.Start("first", absl::Hours(24), [&] { ++rounds; });
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  thread.Stop();
  EXPECT_EQ(rounds, 0);
}

TEST(PeriodicThreadTest, WithoutAnIntervalItWaitsToBeWoken) {
  std::atomic<int> rounds{0};
  std::promise<void> ran;
  PeriodicThread thread;
  thread.Start("woken", kNever, [&] {
    if (++rounds == 1) ran.set_value();
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_EQ(rounds, 0);
  thread.Wake();
  ran.get_future().wait();
  thread.Stop();
  EXPECT_EQ(rounds, 1);
}

TEST(PeriodicThreadTest, WokenInARoundItBeginsAnother) {
  Gate gate;
  std::promise<void> second;
  std::atomic<int> rounds{0};
  PeriodicThread thread;
  thread.Start("again", kNever, [&] {
    if (++rounds == 1) {
      gate.Pass();
    } else {
      second.set_value();
    }
  });
  thread.Wake();
  gate.entered.get_future().wait();
  thread.Wake();
  gate.opened.set_value();
  second.get_future().wait();
}

TEST(PeriodicThreadTest, StopWaitsForTheRoundAndNoOtherBegins) {
  Gate gate;
  std::atomic<bool> done{false};
  std::atomic<int> rounds{0};
  PeriodicThread thread;
  thread.Start("stopped", kNever, [&] {
    ++rounds;
    gate.Pass();
    done = true;
  });
  thread.Wake();
  gate.entered.get_future().wait();
  thread.Wake();
  auto stopped = std::async(std::launch::async, [&] {
    thread.Stop();
    return done.load();
  });
  EXPECT_EQ(stopped.wait_for(std::chrono::milliseconds(20)),
            std::future_status::timeout);
  gate.opened.set_value();
  EXPECT_TRUE(stopped.get());
  EXPECT_EQ(rounds, 1);
  thread.Stop();
}

TEST(PeriodicThreadTest, NeverStartedItStopsAllTheSame) {
  PeriodicThread thread;
  thread.Wake();
  thread.Stop();
}

}  // namespace
}  // namespace gateway
