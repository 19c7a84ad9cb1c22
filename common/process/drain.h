#ifndef GATEWAY_COMMON_PROCESS_DRAIN_H_
#define GATEWAY_COMMON_PROCESS_DRAIN_H_

#include "common/process/lifecycle.h"
#include "common/process/service.h"
#include "common/process/signals.h"

namespace gateway::process {

// Empties a running service, in the order of docs/architecture.md: announce,
// wait, refuse, finish, cancel. Blocks until nothing is active; Stop is left to
// the caller. A further signal, seen through `signals`, skips what waiting is
// left.
void Drain(Service& service, Lifecycle& lifecycle, SignalWaiter& signals);

}  // namespace gateway::process

#endif  // GATEWAY_COMMON_PROCESS_DRAIN_H_
