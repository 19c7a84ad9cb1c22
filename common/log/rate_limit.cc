#include "common/log/rate_limit.h"

namespace gateway::log {

std::optional<uint64_t> RateLimit::Allow(absl::Time now) {
  const int64_t now_ns = absl::ToUnixNanos(now);
  int64_t next = next_ns_.load(std::memory_order_relaxed);
  // Of several threads that find the interval over, one wins.
  if (now_ns < next || !next_ns_.compare_exchange_strong(
                           next, absl::ToUnixNanos(now + interval_),
                           std::memory_order_relaxed)) {
    suppressed_.fetch_add(1, std::memory_order_relaxed);
    return std::nullopt;
  }
  return suppressed_.exchange(0, std::memory_order_relaxed);
}

}  // namespace gateway::log
