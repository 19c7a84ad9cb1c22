#include "common/rpc/wakeup.h"

#include <absl/status/status.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "common/concurrency/io_pool.h"
#include "tests/support/running_flow.h"

namespace gateway::rpc {
namespace {

class TestWakeup final : public Wakeup {
 public:
  using Wakeup::Wakeup;
  std::atomic<int> fed{0};
  std::atomic<int> waits{0};
};

class WakeupTest : public testing::Test {
 protected:
  // Waits until it was fed so often, or is cancelled.
  Awaitable<absl::Status> Eat(int target) {
    while (wakeup_->fed < target) {
      const auto flow = co_await boost::asio::this_coro::cancellation_state;
      if (FlowCancelled(flow)) co_return absl::CancelledError();
      ++wakeup_->waits;
      co_await wakeup_->Wait();
    }
    co_return absl::OkStatus();
  }

  Awaitable<absl::Status> Nibble(int target) {
    while (eaten_ < target) {
      if (eaten_ == wakeup_->fed) {
        co_await wakeup_->Wait();
      } else {
        ++eaten_;
      }
    }
    co_return absl::OkStatus();
  }

  Awaitable<absl::Status> WaitStubbornly() {
    while (wakeup_->fed == 0) {
      ++wakeup_->waits;
      co_await wakeup_->Wait(/*cancellable=*/false);
    }
    co_return absl::OkStatus();
  }

  void Feed() {
    ++wakeup_->fed;
    wakeup_->Wake();
  }

  IoPool io_{1};
  std::atomic<int> eaten_{0};
  const boost::intrusive_ptr<TestWakeup> wakeup_{
      new TestWakeup(io_.At(0).get_executor())};
};

TEST_F(WakeupTest, NoWakeIsLostBetweenThreads) {
  // Each round ends only if the flow noticed that it was fed, whether it was
  // asleep, about to sleep, or awake.
  RunningFlow<absl::Status> flow(io_.At(0), Nibble(20'000));
  for (int i = 1; i <= 20'000; ++i) {
    Feed();
    while (eaten_ < i) std::this_thread::yield();
  }
  EXPECT_TRUE(flow.Get().ok());
}

TEST_F(WakeupTest, AWakeBeforeTheWaitCounts) {
  wakeup_->Wake();
  RunningFlow<absl::Status> flow(io_.At(0), Eat(1));
  // The first wait returns at once, the second sleeps.
  ASSERT_TRUE(Eventually([&] { return wakeup_->waits == 2; }));
  Feed();
  EXPECT_TRUE(flow.Get().ok());
}

TEST_F(WakeupTest, ACancelledFlowWakes) {
  RunningFlow<absl::Status> flow(io_.At(0), Eat(1));
  ASSERT_TRUE(Eventually([&] { return wakeup_->waits == 1; }));
  flow.Cancel();
  EXPECT_TRUE(absl::IsCancelled(flow.Get()));
}

TEST_F(WakeupTest, AStubbornWaitSleepsThroughACancellation) {
  RunningFlow<absl::Status> flow(io_.At(0), WaitStubbornly());
  ASSERT_TRUE(Eventually([&] { return wakeup_->waits == 1; }));
  flow.Cancel();
  EXPECT_FALSE(flow.EndsWithin(std::chrono::milliseconds(50)));
  EXPECT_EQ(wakeup_->waits, 1);
  Feed();
  EXPECT_TRUE(flow.Get().ok());
}

}  // namespace
}  // namespace gateway::rpc
