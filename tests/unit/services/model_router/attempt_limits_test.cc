#include "services/model_router/attempt_limits.h"

#include <gtest/gtest.h>

#include "common/status/error.h"

namespace gateway::model_router {
namespace {

const absl::Time kBegin = absl::FromUnixSeconds(1'800'000'000);

AttemptLimits Stream(bool another_left = false,
                     absl::Duration caller = absl::InfiniteDuration()) {
  return AttemptLimits(Timeouts(), true, another_left, kBegin, kBegin + caller);
}

TEST(AttemptLimitsTest, AStreamWaitsForItsHeadThenItsTokenThenEachEvent) {
  AttemptLimits limits = Stream();
  EXPECT_EQ(limits.deadline(), kBegin + absl::Seconds(30));
  limits.OnHead();
  EXPECT_EQ(limits.deadline(), kBegin + absl::Seconds(60));
  limits.OnEvents(kBegin + absl::Seconds(50), true);
  EXPECT_EQ(limits.deadline(), kBegin + absl::Seconds(70));
  limits.OnEvents(kBegin + absl::Seconds(65), false);
  EXPECT_EQ(limits.deadline(), kBegin + absl::Seconds(85));
  EXPECT_EQ(limits.first_token_time(), kBegin + absl::Seconds(50));
  EXPECT_EQ(limits.last_event_time(), kBegin + absl::Seconds(65));
}

TEST(AttemptLimitsTest, StartupEventsResetNothing) {
  AttemptLimits limits = Stream();
  limits.OnHead();
  limits.OnEvents(kBegin + absl::Seconds(40), false);
  EXPECT_EQ(limits.deadline(), kBegin + absl::Seconds(60));
  EXPECT_EQ(limits.first_token_time(), absl::InfiniteFuture());
}

TEST(AttemptLimitsTest, WaitsLessWhileAnotherTargetIsLeft) {
  AttemptLimits limits = Stream(true);
  EXPECT_EQ(limits.deadline(), kBegin + absl::Seconds(10));
  limits.OnHead();
  EXPECT_EQ(limits.deadline(), kBegin + absl::Seconds(10));
  limits.OnEvents(kBegin, true);
  EXPECT_EQ(limits.deadline(), kBegin + absl::Seconds(20));
}

TEST(AttemptLimitsTest, AWholeAnswerMayTakeAsLongAsTheCallerWaits) {
  AttemptLimits limits(Timeouts(), false, true, kBegin,
                       kBegin + absl::Seconds(100));
  EXPECT_EQ(limits.deadline(), kBegin + absl::Seconds(100));
  EXPECT_EQ(ReasonOf(limits.TimeoutError()), reason::kDeadlineExceeded);
  AttemptLimits unbounded(Timeouts(), false, true, kBegin,
                          absl::InfiniteFuture());
  EXPECT_EQ(unbounded.deadline(), kBegin + absl::Seconds(600));
  EXPECT_EQ(ReasonOf(unbounded.TimeoutError()), reason::kUpstreamTimeout);
}

TEST(AttemptLimitsTest, TellsTheCallersTimeFromTheProviders) {
  AttemptLimits limits = Stream(false, absl::Seconds(5));
  EXPECT_EQ(limits.deadline(), kBegin + absl::Seconds(5));
  EXPECT_EQ(ReasonOf(limits.TimeoutError()), reason::kDeadlineExceeded);
  EXPECT_EQ(ReasonOf(Stream().TimeoutError()), reason::kUpstreamTimeout);
}

TEST(AttemptLimitsTest, ASlowReaderIsNoSilenceOfTheProvider) {
  AttemptLimits limits = Stream();
  limits.OnEvents(kBegin, true);
  limits.OnResumed(kBegin + absl::Minutes(5));
  EXPECT_EQ(limits.deadline(), kBegin + absl::Minutes(5) + absl::Seconds(20));
}

}  // namespace
}  // namespace gateway::model_router
