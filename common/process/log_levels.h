#ifndef GATEWAY_COMMON_PROCESS_LOG_LEVELS_H_
#define GATEWAY_COMMON_PROCESS_LOG_LEVELS_H_

#include <absl/time/time.h>

#include <map>
#include <optional>
#include <string>

#include "common/concurrency/mutex.h"
#include "common/log/log.h"

namespace gateway::process {

// The log levels of the process: the config's, and what an operator puts over
// it, for good or for a while. Thread-safe.
class LogLevels {
 public:
  explicit LogLevels(log::Level configured);

  // The config's own. What an operator has set stays over it.
  void SetConfigured(log::Level level);

  // For one module, or for all if it is empty; until a time, or infinite.
  void Override(const std::string& module, log::Level level, absl::Time until);

  // Ends what is over.
  void Expire(absl::Time now);

  // As JSON.
  std::string Describe() const;

 private:
  struct Overriding {
    log::Level level;
    absl::Time until;
  };

  void Apply(const std::string& module) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  mutable Mutex mu_;
  log::Level configured_ ABSL_GUARDED_BY(mu_);
  // By module; "" is all.
  std::map<std::string, Overriding> overriding_ ABSL_GUARDED_BY(mu_);
};

}  // namespace gateway::process

#endif  // GATEWAY_COMMON_PROCESS_LOG_LEVELS_H_
