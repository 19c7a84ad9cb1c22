#include "common/concurrency/background_flow.h"

#include <gtest/gtest.h>

#include <atomic>

#include "common/concurrency/io_pool.h"
#include "common/time/clock.h"

namespace gateway {
namespace {

class BackgroundFlowTest : public testing::Test {
 protected:
  Awaitable<void> Sleep(absl::Duration time) {
    const bool slept = co_await RealClock()->SleepFor(time);
    ++(slept ? ended_ : cancelled_);
  }

  IoPool io_{1};
  BackgroundFlow flow_{io_.At(0)};
  std::atomic<int> ended_{0};
  std::atomic<int> cancelled_{0};
};

TEST_F(BackgroundFlowTest, StopCancelsWhatRuns) {
  flow_.Start(Sleep(absl::Hours(1)));
  flow_.Stop();
  EXPECT_EQ(cancelled_, 1);
  flow_.Stop();
}

TEST_F(BackgroundFlowTest, StopWaitsForAFlowThatEndsInItsGrace) {
  flow_.Start(Sleep(absl::Milliseconds(20)));
  flow_.Stop(absl::Hours(1));
  EXPECT_EQ(ended_, 1);
}

TEST_F(BackgroundFlowTest, StartsAgainOnceItHasEnded) {
  for (int i = 1; i <= 2; ++i) {
    flow_.Start(Sleep(absl::Milliseconds(1)));
    flow_.Await();
    EXPECT_EQ(ended_, i);
  }
}

}  // namespace
}  // namespace gateway
