#include "common/process/health.h"

namespace gateway::process {

Health HealthOf(Phase phase, const std::vector<Check>& checks,
                const std::vector<std::string>& stuck) {
  Health health;
  health.live = stuck.empty();
  health.started = phase != Phase::kStarting;
  health.ready = phase == Phase::kServing;
  health.status = stuck.empty() ? "ok" : "degraded";
  for (const Check& check : checks) {
    if (check.state == Check::State::kOk) continue;
    health.status = "degraded";
    if (check.state == Check::State::kFailed) health.ready = false;
  }
  if (phase == Phase::kStarting) health.status = "starting";
  if (phase == Phase::kDraining) health.status = "draining";
  return health;
}

}  // namespace gateway::process
