#include "common/rpc/deadline.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>

#include "common/concurrency/io_pool.h"
#include "common/time/clock.h"
#include "tests/support/running_flow.h"
#include "tests/support/wall_clock.h"

namespace gateway::rpc {
namespace {

class WithDeadlineTest : public testing::Test {
 protected:
  Awaitable<absl::Status> Sleep(absl::Duration time) {
    started_ = true;
    const bool slept = co_await RealClock()->SleepFor(time);
    ended_ = true;
    if (!slept) co_return absl::CancelledError();
    co_return absl::OkStatus();
  }

  Awaitable<absl::StatusOr<std::string>> Say(std::string text) {
    co_return text;
  }

  // A flow that is cancelled before it begins what has a deadline.
  Awaitable<absl::Status> CancelledBefore() {
    co_await RealClock()->SleepUntil(absl::InfiniteFuture());
    co_return co_await WithDeadline(absl::Now() + absl::Hours(1),
                                    Sleep(absl::Hours(1)));
  }

  IoPool io_{1};
  std::atomic<bool> started_{false};
  std::atomic<bool> ended_{false};
};

TEST_F(WithDeadlineTest, PassesTheResultOn) {
  for (const absl::Time deadline :
       {absl::InfiniteFuture(), absl::Now() + absl::Hours(1)}) {
    auto said = RunFlow(io_.At(0), WithDeadline(deadline, Say("hello")));
    ASSERT_TRUE(said.ok()) << said.status();
    EXPECT_EQ(*said, "hello");
  }
}

TEST_F(WithDeadlineTest, CancelsTheFlowAtTheDeadline) {
  const absl::Time start = absl::Now();
  const absl::Status status = RunFlow(
      io_.At(0),
      WithDeadline(start + absl::Milliseconds(50), Sleep(absl::Hours(1))));
  EXPECT_TRUE(absl::IsDeadlineExceeded(status)) << status;
  EXPECT_GE(absl::Now() - start, absl::Milliseconds(50));
  EXPECT_TRUE(ended_);
}

// The machine's clock is set while a flow runs: the time that it has is the
// same.
TEST_F(WithDeadlineTest, GoesByAClockThatNobodySets) {
  for (const absl::Duration step : {absl::Hours(-1), absl::Hours(1)}) {
    const auto start = std::chrono::steady_clock::now();
    started_ = false;
    RunningFlow<absl::Status> flow(
        io_.At(0), WithDeadline(absl::Now() + absl::Milliseconds(200),
                                Sleep(absl::Hours(24))));
    ASSERT_TRUE(Eventually([&] { return started_.load(); }));
    const WallClockStep stepped(step);
    const bool ended = flow.EndsWithin(std::chrono::seconds(10));
    EXPECT_TRUE(ended) << step;
    if (!ended) flow.Cancel();
    const absl::Status status = flow.Get();
    EXPECT_TRUE(absl::IsDeadlineExceeded(status)) << status << step;
    EXPECT_GE(std::chrono::steady_clock::now() - start,
              std::chrono::milliseconds(190));
  }
}

TEST_F(WithDeadlineTest, KeepsAResultThatCameInTime) {
  const absl::Status status =
      RunFlow(io_.At(0), WithDeadline(absl::Now() + absl::Hours(1),
                                      Sleep(absl::Milliseconds(10))));
  EXPECT_TRUE(status.ok()) << status;
}

TEST_F(WithDeadlineTest, TheCallersCancellationReachesTheFlow) {
  RunningFlow<absl::Status> flow(
      io_.At(0),
      WithDeadline(absl::Now() + absl::Hours(1), Sleep(absl::Hours(1))));
  ASSERT_TRUE(Eventually([&] { return started_.load(); }));
  flow.Cancel();
  EXPECT_TRUE(absl::IsCancelled(flow.Get()));
  EXPECT_TRUE(ended_);
}

TEST_F(WithDeadlineTest, AnEarlierCancellationReachesTheFlowToo) {
  RunningFlow<absl::Status> flow(io_.At(0), CancelledBefore());
  flow.Cancel();
  EXPECT_TRUE(absl::IsCancelled(flow.Get()));
}

}  // namespace
}  // namespace gateway::rpc
