#include "services/metrics_collector/query_budget.h"

#include "common/status/error.h"

namespace gateway::metrics_collector {

absl::StatusOr<bool> QueryBudget::Spend() {
  // A look at the clock costs more than a row.
  constexpr int64_t kStride = 64;
  if (cancelled_.load(std::memory_order_relaxed)) {
    return absl::CancelledError("cancelled");
  }
  if (left_ % kStride == 0 && clock_->Now() >= deadline_) {
    return DeadlineExceeded().Build();
  }
  if (left_ == 0) return false;
  --left_;
  return true;
}

}  // namespace gateway::metrics_collector
