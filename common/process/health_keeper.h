#ifndef GATEWAY_COMMON_PROCESS_HEALTH_KEEPER_H_
#define GATEWAY_COMMON_PROCESS_HEALTH_KEEPER_H_

#include <absl/time/time.h>

#include <functional>

#include "common/concurrency/mutex.h"
#include "common/concurrency/periodic_thread.h"
#include "common/process/lifecycle.h"
#include "common/process/service.h"
#include "common/process/watchdog.h"

namespace gateway::process {

// Looks at a running service twice a second, on a thread of its own: feeds the
// watchdog and makes gRPC's health follow what the probes tell.
class HealthKeeper {
 public:
  // All outlive it. `each_round`, if set, runs on the same thread. Starts.
  HealthKeeper(Service* service, const Lifecycle* lifecycle, Watchdog* watchdog,
               std::function<void(absl::Time)> each_round = nullptr,
               absl::Duration interval = absl::Milliseconds(500));
  // Ends the thread: before the service's Stop.
  ~HealthKeeper() = default;
  HealthKeeper(const HealthKeeper&) = delete;
  HealthKeeper& operator=(const HealthKeeper&) = delete;

  // Tells gRPC now. Any thread.
  void Update();

 private:
  void Look();

  Service* const service_;
  const Lifecycle* const lifecycle_;
  Watchdog* const watchdog_;
  const std::function<void(absl::Time)> each_round_;

  Mutex telling_;  // one call of SetHealth at a time
  PeriodicThread thread_;
};

}  // namespace gateway::process

#endif  // GATEWAY_COMMON_PROCESS_HEALTH_KEEPER_H_
