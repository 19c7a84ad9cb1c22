#ifndef GATEWAY_COMMON_PROCESS_DRAIN_H_
#define GATEWAY_COMMON_PROCESS_DRAIN_H_

#include <functional>

#include "common/process/events.h"
#include "common/process/lifecycle.h"
#include "common/process/service.h"
#include "common/time/clock.h"

namespace gateway::process {

enum class DrainEnd {
  // Nothing is active; Stop is left to the caller.
  kEmpty,
  // It was taken back while new work was still accepted.
  kResumed,
};

// Empties a running service, in the order of docs/architecture.md: announce,
// wait, refuse, finish, cancel, deliver. Blocks until nothing is active.
// `cause` is what began it, and has been answered when this returns. `announce`
// tells the readiness that `lifecycle` now means.
//
// A second signal skips what waiting is left. A drain that the admin port began
// can be taken back by it until the wait is over, unless a signal came too.
DrainEnd Drain(Service& service, Lifecycle& lifecycle, EventSource& events,
               const Event& cause, const std::function<void()>& announce,
               const Clock* clock = RealClock());

}  // namespace gateway::process

#endif  // GATEWAY_COMMON_PROCESS_DRAIN_H_
