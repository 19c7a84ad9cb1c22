#ifndef GATEWAY_SERVICES_SESSION_STORE_SESSION_CLEANER_H_
#define GATEWAY_SERVICES_SESSION_STORE_SESSION_CLEANER_H_

#include <absl/status/status.h>
#include <absl/time/time.h>

#include "common/concurrency/awaitable.h"
#include "common/concurrency/bounded_executor.h"
#include "common/time/clock.h"
#include "services/session_store/metrics.h"
#include "services/session_store/session_repository.h"
#include "services/session_store/session_tree.h"

namespace gateway::session_store {

struct SessionCleanerOptions {
  // Between two sweeps.
  absl::Duration interval = absl::Seconds(60);
  // What one step may take at most, so that live calls come in between:
  // sessions looked at, or turns removed.
  size_t step = 64;
};

// Frees the space of what has expired or was deleted. Decides nothing about
// what callers see: that is settled when they look. Used by one flow.
class SessionCleaner {
 public:
  // All outlive it.
  SessionCleaner(const SessionCleanerOptions& options, SessionTree* tree,
                 SessionRepository* repository, BoundedExecutor* executor,
                 Clock* clock, Metrics* metrics)
      : options_(options),
        tree_(tree),
        repository_(repository),
        executor_(executor),
        clock_(clock),
        metrics_(metrics) {}

  // Sweeps, and again after each interval, until it is cancelled. A sweep that
  // fails is logged and counted, and the next one begins afresh.
  Awaitable<void> Run();

  // Once. Ends early, and OK, if it is cancelled. DATA_LOSS: it passed over
  // something damaged.
  Awaitable<absl::Status> Sweep();

 private:
  // What is left to do in a sweep.
  struct Progress {
    std::vector<std::string> tenants;
    bool listed = false;
    // Of the tenants that were passed over because what the sweep needs to know
    // of them is damaged.
    absl::Status damaged;
  };
  // On the executor. Returns whether there is more to do.
  absl::StatusOr<bool> Step(Progress& progress);

  const SessionCleanerOptions options_;
  SessionTree* const tree_;
  SessionRepository* const repository_;
  BoundedExecutor* const executor_;
  Clock* const clock_;
  Metrics* const metrics_;
};

}  // namespace gateway::session_store

#endif  // GATEWAY_SERVICES_SESSION_STORE_SESSION_CLEANER_H_
