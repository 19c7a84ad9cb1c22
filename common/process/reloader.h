#ifndef GATEWAY_COMMON_PROCESS_RELOADER_H_
#define GATEWAY_COMMON_PROCESS_RELOADER_H_

#include <absl/status/statusor.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/concurrency/mutex.h"
#include "common/config/loader.h"
#include "common/process/lifecycle.h"
#include "common/process/service.h"
#include "gateway/config/v1/config.pb.h"

namespace gateway::process {

// The config of a running process, and how it goes over to another one: all of
// it is checked first, then the service takes it whole, or nothing changes.
class Reloader {
 public:
  using Check = std::function<absl::Status(const config::v1::Config&)>;

  // `running` was loaded from `sources`. `check` says whether the service could
  // use a config. `lifecycle` outlives it.
  Reloader(config::Sources sources, config::v1::Config running, Check check,
           Lifecycle* lifecycle);

  // Loads once more and hands it to the service. JSON that names the keys that
  // changed: `applied`, and `restart_needed`, which the process goes on
  // without. INVALID_ARGUMENT with a line for each fault, or the service's
  // error: the config stays as it was, and the lifecycle's reload_ok is lost
  // until the next success. By the main thread.
  absl::StatusOr<std::string> Reload(Service& service);

  // The config in use. Thread-safe.
  std::shared_ptr<const config::v1::Config> running() const;

  // The files that a reload reads: the config and the secrets it names.
  std::vector<std::string> Files() const;

 private:
  absl::StatusOr<std::string> TryReload(Service& service);

  const config::Sources sources_;
  const Check check_;
  Lifecycle* const lifecycle_;
  mutable Mutex mu_;
  std::shared_ptr<const config::v1::Config> running_ ABSL_GUARDED_BY(mu_);
};

}  // namespace gateway::process

#endif  // GATEWAY_COMMON_PROCESS_RELOADER_H_
