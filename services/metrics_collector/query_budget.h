#ifndef GATEWAY_SERVICES_METRICS_COLLECTOR_QUERY_BUDGET_H_
#define GATEWAY_SERVICES_METRICS_COLLECTOR_QUERY_BUDGET_H_

#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include <atomic>
#include <cstdint>

#include "common/time/clock.h"

namespace gateway::metrics_collector {

// What one query may cost: how many rows it looks at, and until when. For the
// thread that runs it, but that any other may cancel it.
class QueryBudget {
 public:
  static constexpr int64_t kMaxRows = 5'000'000;

  // `clock` outlives it.
  QueryBudget(Clock* clock, absl::Time deadline, int64_t rows = kMaxRows)
      : clock_(clock), deadline_(deadline), rows_(rows), left_(rows) {}

  // Before a look at a row. False: that was all of them. DEADLINE_EXCEEDED,
  // CANCELLED: nobody waits for the answer any more.
  absl::StatusOr<bool> Spend();

  // As many rows again, in the same time.
  void Renew() { left_ = rows_; }

  void Cancel() { cancelled_.store(true, std::memory_order_relaxed); }

 private:
  Clock* const clock_;
  const absl::Time deadline_;
  const int64_t rows_;
  int64_t left_;
  std::atomic<bool> cancelled_{false};
};

}  // namespace gateway::metrics_collector

#endif  // GATEWAY_SERVICES_METRICS_COLLECTOR_QUERY_BUDGET_H_
