#include "common/status/error.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "absl/status/statusor.h"

namespace gateway {
namespace {

TEST(ErrorBuilderTest, StartsFromTheRowOfItsReason) {
  const absl::Status status = MakeError(reason::kSessionBusy, "busy");
  EXPECT_EQ(status.code(), absl::StatusCode::kAborted);
  EXPECT_EQ(status.message(), "busy");
  const auto detail = DetailOf(status);
  ASSERT_TRUE(detail.has_value());
  EXPECT_EQ(detail->reason(), "session_busy");
  EXPECT_EQ(detail->fault(), common::v1::FAULT_CALLER);
  EXPECT_EQ(detail->remedy(), common::v1::REMEDY_RETRY);
  EXPECT_EQ(detail->retry_delay().seconds(), 1);
  EXPECT_EQ(detail->http_status(), 0);  // 409 is what ABORTED means anyway
}

TEST(ErrorBuilderTest, SettersOverrideTheRow) {
  const absl::Status status = ErrorBuilder(absl::StatusCode::kUnavailable,
                                           reason::kUpstreamBadResponse, "bad")
                                  .Fault(common::v1::FAULT_GATEWAY)
                                  .RetryAfter(absl::Milliseconds(2500))
                                  .Param("messages[2].content")
                                  .HttpStatus(529)
                                  .FallbackModel("other")
                                  .Build();
  const auto detail = DetailOf(status);
  ASSERT_TRUE(detail.has_value());
  EXPECT_EQ(detail->fault(), common::v1::FAULT_GATEWAY);
  EXPECT_EQ(detail->retry_delay().seconds(), 2);
  EXPECT_EQ(detail->retry_delay().nanos(), 500'000'000);
  EXPECT_EQ(detail->param(), "messages[2].content");
  EXPECT_EQ(detail->http_status(), 529);
  EXPECT_EQ(detail->fallback_model(), "other");
}

TEST(ErrorBuilderTest, RetryDelayStaysWithinAMinute) {
  const auto seconds = [](absl::Duration delay) {
    return DetailOf(MakeError(reason::kOverloaded, "x").RetryAfter(delay))
        ->retry_delay()
        .seconds();
  };
  EXPECT_EQ(seconds(absl::Hours(2)), 60);
  EXPECT_EQ(seconds(absl::InfiniteDuration()), 60);
  EXPECT_EQ(seconds(-absl::Seconds(3)), 0);
}

TEST(ErrorBuilderTest, NoRetryTakesTheDelayAway) {
  const auto detail =
      DetailOf(MakeError(reason::kRateLimitExceeded, "x").NoRetry());
  EXPECT_FALSE(detail->has_retry_delay());
  EXPECT_EQ(detail->remedy(), common::v1::REMEDY_CHANGE_REQUEST);
}

TEST(ErrorBuilderTest, CleansTextsOfForeignOrigin) {
  const absl::Status status =
      MakeError(reason::kInvalidValue, "bad \xFF byte").Param("a\xFE");
  EXPECT_EQ(status.message(), "bad ? byte");
  ASSERT_TRUE(DetailOf(status).has_value());
  EXPECT_EQ(DetailOf(status)->param(), "a?");
}

TEST(ErrorBuilderTest, ConvertsToStatusOr) {
  const auto f = []() -> absl::StatusOr<int> { return ModelNotFound("m"); };
  EXPECT_EQ(ReasonOf(f().status()), "model_not_found");
  EXPECT_EQ(f().status().message(), "The model 'm' does not exist.");
}

TEST(ErrorTest, UnlistedReasonsTakeTheRowOfTheCode) {
  const absl::Status status =
      ErrorBuilder(absl::StatusCode::kUnavailable, "made_up_tomorrow", "later");
  EXPECT_EQ(ReasonOf(status), "made_up_tomorrow");
  EXPECT_EQ(FaultOf(status), common::v1::FAULT_GATEWAY);
  EXPECT_TRUE(IsRetryable(status));
}

TEST(ErrorTest, ForeignStatusesStandForTheirCode) {
  EXPECT_FALSE(DetailOf(absl::UnavailableError("x")).has_value());
  EXPECT_EQ(ReasonOf(absl::UnavailableError("x")), "unavailable");
  EXPECT_EQ(ReasonOf(absl::UnknownError("x")), "internal");
  EXPECT_EQ(ReasonOf(absl::CancelledError("x")), "client_closed");
  EXPECT_EQ(ReasonOf(absl::OkStatus()), "");
  EXPECT_EQ(FaultOf(absl::OkStatus()), common::v1::FAULT_UNSPECIFIED);
}

TEST(ErrorTest, DamagedPayloadsCountAsNone) {
  absl::Status status = absl::InternalError("x");
  status.SetPayload(kErrorDetailTypeUrl, absl::Cord("\xFF\xFF\xFF"));
  EXPECT_FALSE(DetailOf(status).has_value());
  status.SetPayload(kErrorDetailTypeUrl, absl::Cord(""));
  EXPECT_FALSE(DetailOf(status).has_value());
}

TEST(ErrorTest, AnnotateKeepsCodeAndDetail) {
  const absl::Status status =
      Annotate(MakeError(reason::kSessionNotFound, "gone"), "begin turn");
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(status.message(), "begin turn: gone");
  EXPECT_EQ(ReasonOf(status), "session_not_found");
  EXPECT_TRUE(Annotate(absl::OkStatus(), "x").ok());
}

TEST(ErrorTest, OkCarriesNoDetail) {
  EXPECT_EQ(WithDetail(absl::OkStatus(), ErrorDetail()), absl::OkStatus());
}

TEST(ReasonTableTest, HoldsEachReasonOnceWithSaneAdvice) {
  std::set<std::string> seen;
  for (const ReasonInfo& row : AllReasons()) {
    EXPECT_TRUE(seen.insert(std::string(row.reason)).second) << row.reason;
    EXPECT_NE(row.code, absl::StatusCode::kOk) << row.reason;
    EXPECT_GE(row.http_status, 400) << row.reason;
    EXPECT_LE(row.retry_delay, absl::Seconds(60)) << row.reason;
    if (row.remedy != common::v1::REMEDY_RETRY) {
      EXPECT_EQ(row.retry_delay, absl::ZeroDuration()) << row.reason;
    }
    // Between services only UNAVAILABLE is retried, so it must be worth it.
    if (row.code == absl::StatusCode::kUnavailable) {
      EXPECT_EQ(row.remedy, common::v1::REMEDY_RETRY) << row.reason;
    }
  }
}

}  // namespace
}  // namespace gateway
