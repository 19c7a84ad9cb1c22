#include "common/status/http_status.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "common/status/error.h"

namespace gateway {
namespace {

struct Case {
  std::string name;
  absl::Status status;
  int http_status;
  std::string type;
  std::string code;
  std::optional<bool> should_retry;
  std::optional<int> retry_after_seconds;
};

class ToHttpErrorTest : public testing::TestWithParam<Case> {};

TEST_P(ToHttpErrorTest, RendersTheTable) {
  const HttpError error = ToHttpError(GetParam().status);
  EXPECT_EQ(error.http_status, GetParam().http_status);
  EXPECT_EQ(error.type, GetParam().type);
  EXPECT_EQ(error.code, GetParam().code);
  EXPECT_EQ(error.should_retry, GetParam().should_retry);
  std::optional<int> seconds;
  if (error.retry_after) seconds = error.RetryAfterSeconds();
  EXPECT_EQ(seconds, GetParam().retry_after_seconds);
  EXPECT_EQ(HttpStatusOf(GetParam().status), GetParam().http_status);
}

const Case kCases[] = {
    {"Json",
     MakeError(reason::kInvalidJson, "x"),
     400,
     "invalid_request_error",
     "invalid_json",
     {},
     {}},
    {"Key",
     MakeError(reason::kInvalidApiKey, "x"),
     401,
     "authentication_error",
     "invalid_api_key",
     {},
     {}},
    {"Model",
     ModelNotAllowed("m"),
     403,
     "permission_error",
     "model_not_allowed",
     {},
     {}},
    {"Unknown",
     ModelNotFound("m"),
     404,
     "not_found_error",
     "model_not_found",
     {},
     {}},
    {"Method",
     MakeError(reason::kMethodNotAllowed, "x"),
     405,
     "invalid_request_error",
     "method_not_allowed",
     {},
     {}},
    {"Slow",
     MakeError(reason::kRequestTimeout, "x"),
     408,
     "invalid_request_error",
     "request_timeout",
     false,
     {}},
    {"Busy", MakeError(reason::kSessionBusy, "x"), 409, "conflict_error",
     "session_busy", true, 1},
    {"Turn",
     MakeError(reason::kSessionTurnMismatch, "x"),
     409,
     "conflict_error",
     "session_turn_mismatch",
     false,
     {}},
    {"Body",
     MakeError(reason::kRequestTooLarge, "x"),
     413,
     "invalid_request_error",
     "request_too_large",
     {},
     {}},
    {"Sessions",
     MakeError(reason::kSessionLimit, "x"),
     429,
     "rate_limit_error",
     "session_limit",
     false,
     {}},
    {"Rate",
     MakeError(reason::kRateLimitExceeded, "x")
         .RetryAfter(absl::Milliseconds(2001)),
     429, "rate_limit_error", "rate_limit_exceeded", true, 3},
    {"Budget",
     MakeError(reason::kInsufficientQuota, "x"),
     429,
     "insufficient_quota",
     "insufficient_quota",
     false,
     {}},
    {"Headers",
     MakeError(reason::kHeadersTooLarge, "x"),
     431,
     "invalid_request_error",
     "headers_too_large",
     {},
     {}},
    {"Closed", ClientClosed(), 499, "client_closed", "client_closed", {}, {}},
    {"Internal", InternalError(), 500, "server_error", "internal", true, {}},
    {"NotSaved",
     MakeError(reason::kSessionNotSaved, "x"),
     500,
     "server_error",
     "session_not_saved",
     false,
     {}},
    {"Upstream",
     MakeError(reason::kUpstreamBadResponse, "x"),
     502,
     "upstream_error",
     "upstream_bad_response",
     true,
     {}},
    {"Full", Overloaded("x").RetryAfter(absl::Minutes(5)), 503,
     "overloaded_error", "overloaded", true, 60},
    {"Draining", Draining(), 503, "overloaded_error", "draining", true, 1},
    {"Silent",
     MakeError(reason::kUpstreamTimeout, "x"),
     504,
     "timeout_error",
     "upstream_timeout",
     true,
     {}},
    {"Deadline",
     DeadlineExceeded(),
     504,
     "timeout_error",
     "deadline_exceeded",
     true,
     {}},
    {"ForeignUnavailable", absl::UnavailableError("tcp 10.0.0.7"), 503,
     "overloaded_error", "unavailable", true, 1},
    {"ForeignUnknown",
     absl::UnknownError("stack"),
     500,
     "server_error",
     "internal",
     true,
     {}},
    {"NewerReason",
     ErrorBuilder(absl::StatusCode::kUnavailable, "from_tomorrow", "x")
         .HttpStatus(502),
     502, "upstream_error", "from_tomorrow", true, 1},
};

INSTANTIATE_TEST_SUITE_P(Table, ToHttpErrorTest, testing::ValuesIn(kCases),
                         [](const auto& info) {
                           return std::string(info.param.name);
                         });

TEST(HttpStatusTest, HidesTheTextOfForeignFaults) {
  EXPECT_EQ(ToHttpError(absl::UnavailableError("tcp 10.0.0.7")).message,
            "A part of the gateway is unavailable. Please try again.");
  EXPECT_EQ(ToHttpError(absl::InternalError("rocksdb: /data")).message,
            "The gateway had an internal error.");
  EXPECT_EQ(ToHttpError(absl::InvalidArgumentError("n must be 1")).message,
            "n must be 1");
}

TEST(HttpStatusTest, IgnoresImpossibleStatuses) {
  EXPECT_EQ(HttpStatusOf(Overloaded("x").HttpStatus(200)), 503);
  EXPECT_EQ(HttpStatusOf(absl::OkStatus()), 200);
}

TEST(HttpStatusTest, PassesParamAndMilliseconds) {
  const HttpError error =
      ToHttpError(MakeError(reason::kOverloaded, "x")
                      .Param("n")
                      .RetryAfter(absl::Microseconds(1500)));
  EXPECT_EQ(error.param, "n");
  EXPECT_EQ(error.RetryAfterMilliseconds(), 2);
}

TEST(HttpStatusTest, ReadsForeignStatuses) {
  EXPECT_EQ(CodeOfHttpStatus(200), absl::StatusCode::kOk);
  EXPECT_EQ(CodeOfHttpStatus(422), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(CodeOfHttpStatus(429), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(CodeOfHttpStatus(529), absl::StatusCode::kUnavailable);
  EXPECT_EQ(CodeOfHttpStatus(500), absl::StatusCode::kInternal);
}

}  // namespace
}  // namespace gateway
