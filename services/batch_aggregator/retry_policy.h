#ifndef GATEWAY_SERVICES_BATCH_AGGREGATOR_RETRY_POLICY_H_
#define GATEWAY_SERVICES_BATCH_AGGREGATOR_RETRY_POLICY_H_

#include <absl/status/status.h>
#include <absl/time/time.h>

#include <optional>

namespace gateway::batch_aggregator {

struct RetryOptions {
  // Sendings of an item, the first included.
  int max_attempts = 5;
  // Before the second; doubles with each.
  absl::Duration first_delay = absl::Seconds(1);
  absl::Duration max_delay = absl::Seconds(60);
};

// Whether it may help to send the same again: the mesh was not there, or the
// provider's error says so. What is the caller's fault is final.
bool MayRetry(const absl::Status& error);

// How long to wait before the next sending, after `attempts` of them; at least
// as long as the error advises. `random` is in [0, 1). nullopt: there is none.
std::optional<absl::Duration> RetryDelay(const RetryOptions& options,
                                         const absl::Status& error,
                                         int attempts, double random);

}  // namespace gateway::batch_aggregator

#endif  // GATEWAY_SERVICES_BATCH_AGGREGATOR_RETRY_POLICY_H_
