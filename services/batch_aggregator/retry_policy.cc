#include "services/batch_aggregator/retry_policy.h"

#include <algorithm>

#include "common/status/error.h"

namespace gateway::batch_aggregator {

bool MayRetry(const absl::Status& error) {
  if (absl::IsUnavailable(error)) return IsRetryable(error);
  // What another service did not say itself came from the broken connection
  // to it.
  if (!DetailOf(error).has_value()) {
    return absl::IsCancelled(error) || absl::IsUnknown(error);
  }
  const Fault fault = FaultOf(error);
  return IsRetryable(error) && fault != common::v1::FAULT_CALLER;
}

std::optional<absl::Duration> RetryDelay(const RetryOptions& options,
                                         const absl::Status& error,
                                         int attempts, double random) {
  if (attempts >= options.max_attempts || !MayRetry(error)) {
    return std::nullopt;
  }
  absl::Duration delay = options.first_delay;
  for (int i = 1; i < attempts && delay < options.max_delay; ++i) delay *= 2;
  delay = std::min(delay, options.max_delay);
  // Half of it by chance, so that items that failed together come apart.
  delay = delay / 2 + delay / 2 * random;
  const ErrorDetail detail = DetailOrDefault(error);
  if (detail.has_retry_delay()) {
    const absl::Duration advised =
        absl::Seconds(detail.retry_delay().seconds()) +
        absl::Nanoseconds(detail.retry_delay().nanos());
    // The jitter on top: others were given the same advice.
    if (advised > delay) delay = advised + delay / 2 * random;
  }
  return delay;
}

}  // namespace gateway::batch_aggregator
