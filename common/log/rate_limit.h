#ifndef GATEWAY_COMMON_LOG_RATE_LIMIT_H_
#define GATEWAY_COMMON_LOG_RATE_LIMIT_H_

#include <atomic>
#include <cstdint>
#include <optional>

#include "absl/time/time.h"

namespace gateway::log {

// Lets one line through each `interval` and counts the rest. Thread-safe.
class RateLimit {
 public:
  explicit RateLimit(absl::Duration interval) : interval_(interval) {}

  // The number suppressed since the last that passed; nullopt: suppress this
  // one too.
  std::optional<uint64_t> Allow(absl::Time now);

 private:
  const absl::Duration interval_;
  std::atomic<int64_t> next_ns_ = INT64_MIN;  // Unix time
  std::atomic<uint64_t> suppressed_ = 0;
};

}  // namespace gateway::log

#endif  // GATEWAY_COMMON_LOG_RATE_LIMIT_H_
