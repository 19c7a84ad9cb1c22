#include "services/session_store/session_cleaner.h"

#include <algorithm>

#include "common/concurrency/spawn.h"
#include "common/log/log.h"
#include "common/status/macros.h"

namespace gateway::session_store {

Awaitable<void> SessionCleaner::Run() {
  while (true) {
    const absl::Time begin = clock_->Now();
    const absl::Status swept = co_await Sweep();
    metrics_->Ended(Operation::kClean, swept, clock_->Now() - begin);
    if (!swept.ok()) {
      LOG_WARNING("session", "cleaning failed", {{"error", swept}});
    }
    const bool slept = co_await clock_->SleepFor(options_.interval);
    const bool cancelled = co_await IsCancelled();
    if (!slept || cancelled) co_return;
  }
}

Awaitable<absl::Status> SessionCleaner::Sweep() {
  Progress progress;
  while (true) {
    auto step = [this, &progress] { return Step(progress); };
    const absl::StatusOr<bool> more = co_await executor_->Run(std::move(step));
    if (!more.ok()) co_return more.status();
    const bool cancelled = co_await IsCancelled();
    if (cancelled) co_return absl::OkStatus();
    if (!*more) co_return progress.damaged;
  }
}

absl::StatusOr<bool> SessionCleaner::Step(Progress& progress) {
  if (!progress.listed) {
    tree_->ForgetLeases();
    progress.tenants = repository_->Tenants();
    progress.listed = true;
  }
  size_t left = options_.step;
  while (!progress.tenants.empty() && left > 0) {
    const absl::StatusOr<size_t> removed =
        tree_->RemoveExpired(progress.tenants.back(), left);
    const bool damaged = absl::IsDataLoss(removed.status());
    if (damaged) progress.damaged = removed.status();
    if (!removed.ok() && !damaged) return removed.status();
    const size_t looked_at = damaged ? 0 : *removed;
    // A tenant with nothing to do costs a look as well.
    if (looked_at < left) progress.tenants.pop_back();
    left -= std::min(left, std::max<size_t>(looked_at, 1));
  }
  if (left == 0) return true;
  return repository_->CollectGarbage(options_.step);
}

}  // namespace gateway::session_store
