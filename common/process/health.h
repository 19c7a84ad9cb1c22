#ifndef GATEWAY_COMMON_PROCESS_HEALTH_H_
#define GATEWAY_COMMON_PROCESS_HEALTH_H_

#include <absl/strings/string_view.h>

#include <string>
#include <vector>

#include "common/process/lifecycle.h"
#include "common/process/service.h"

namespace gateway::process {

// What the probes and gRPC's health tell, from one look at a process.
struct Health {
  // `ok`, `starting`, `degraded` or `draining`.
  absl::string_view status;
  // Config valid, listeners bound, store opened; stays so.
  bool started = false;
  // Serves, and its own state can be used. A missing peer costs nothing.
  bool ready = false;
  // No loop is stuck.
  bool live = true;
};

// `stuck`: the loops that a watchdog misses.
Health HealthOf(Phase phase, const std::vector<Check>& checks,
                const std::vector<std::string>& stuck);

}  // namespace gateway::process

#endif  // GATEWAY_COMMON_PROCESS_HEALTH_H_
