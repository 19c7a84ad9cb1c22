#include "services/batch_aggregator/retry_policy.h"

#include <gtest/gtest.h>

#include "common/status/error.h"

namespace gateway::batch_aggregator {
namespace {

TEST(RetryPolicyTest, RetriesTheMeshAndRetryableProviderErrorsOnly) {
  EXPECT_TRUE(MayRetry(absl::UnavailableError("connection refused")));
  EXPECT_TRUE(MayRetry(absl::CancelledError("stream reset")));
  EXPECT_TRUE(MayRetry(MakeError(reason::kUpstreamUnavailable, "")));
  EXPECT_TRUE(MayRetry(MakeError(reason::kUpstreamTimeout, "")));
  EXPECT_TRUE(MayRetry(MakeError(reason::kRateLimitExceeded, "")));
  EXPECT_FALSE(MayRetry(MakeError(reason::kUpstreamUnavailable, "").NoRetry()));
  EXPECT_FALSE(MayRetry(MakeError(reason::kInvalidRequest, "")));
  EXPECT_FALSE(MayRetry(ModelNotFound("m")));
  EXPECT_FALSE(MayRetry(MakeError(reason::kInsufficientQuota, "")));
  EXPECT_FALSE(MayRetry(DeadlineExceeded()));
  EXPECT_FALSE(MayRetry(absl::InvalidArgumentError("")));
}

TEST(RetryPolicyTest, DelaysGrowWithJitterUpToABound) {
  const RetryOptions options{.max_attempts = 10,
                             .first_delay = absl::Seconds(1),
                             .max_delay = absl::Seconds(8)};
  const absl::Status error = MakeError(reason::kUpstreamBadResponse, "");
  EXPECT_EQ(RetryDelay(options, error, 1, 0), absl::Milliseconds(500));
  EXPECT_EQ(RetryDelay(options, error, 1, 0.5), absl::Milliseconds(750));
  EXPECT_EQ(RetryDelay(options, error, 3, 0), absl::Seconds(2));
  EXPECT_EQ(RetryDelay(options, error, 9, 0), absl::Seconds(4));
}

TEST(RetryPolicyTest, WaitsAtLeastAsLongAsTheErrorAdvises) {
  const absl::Status error =
      MakeError(reason::kRateLimitExceeded, "").RetryAfter(absl::Seconds(30));
  EXPECT_EQ(RetryDelay({}, error, 1, 0), absl::Seconds(30));
  EXPECT_GT(RetryDelay({}, error, 1, 0.9), absl::Seconds(30));
}

TEST(RetryPolicyTest, EndsAfterTheLastAttempt) {
  const absl::Status error = absl::UnavailableError("");
  EXPECT_TRUE(RetryDelay({.max_attempts = 2}, error, 1, 0).has_value());
  EXPECT_FALSE(RetryDelay({.max_attempts = 2}, error, 2, 0).has_value());
  EXPECT_FALSE(RetryDelay({}, ModelNotFound("m"), 1, 0).has_value());
}

}  // namespace
}  // namespace gateway::batch_aggregator
