#include "common/process/health_keeper.h"

#include <absl/time/clock.h>

#include <utility>

#include "common/process/health.h"

namespace gateway::process {

HealthKeeper::HealthKeeper(Service* service, const Lifecycle* lifecycle,
                           Watchdog* watchdog,
                           std::function<void(absl::Time)> each_round,
                           absl::Duration interval)
    : service_(service),
      lifecycle_(lifecycle),
      watchdog_(watchdog),
      each_round_(std::move(each_round)) {
  thread_.Start("health", interval, [this] { Look(); });
  thread_.Wake();
}

void HealthKeeper::Update() {
  MutexLock lock(telling_);
  const Health health =
      HealthOf(lifecycle_->phase(), service_->Checks(), watchdog_->Stuck());
  service_->SetHealth(health.ready, health.live);
}

void HealthKeeper::Look() {
  const absl::Time now = absl::Now();
  watchdog_->Look(now, service_->BusyLoops());
  Update();
  if (each_round_ != nullptr) each_round_(now);
}

}  // namespace gateway::process
