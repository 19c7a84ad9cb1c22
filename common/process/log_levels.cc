#include "common/process/log_levels.h"

#include <boost/json.hpp>
#include <utility>

namespace gateway::process {

LogLevels::LogLevels(log::Level configured) : configured_(configured) {
  log::SetLevel(configured);
}

void LogLevels::SetConfigured(log::Level level) {
  MutexLock lock(mu_);
  configured_ = level;
  Apply("");
}

void LogLevels::Override(const std::string& module, log::Level level,
                         absl::Time until) {
  MutexLock lock(mu_);
  overriding_[module] = {level, until};
  Apply(module);
}

void LogLevels::Expire(absl::Time now) {
  MutexLock lock(mu_);
  for (auto it = overriding_.begin(); it != overriding_.end();) {
    if (now < it->second.until) {
      ++it;
      continue;
    }
    const std::string module = it->first;
    it = overriding_.erase(it);
    Apply(module);
  }
}

void LogLevels::Apply(const std::string& module) {
  const auto found = overriding_.find(module);
  const bool is_set = found != overriding_.end();
  if (module.empty()) {
    log::SetLevel(is_set ? found->second.level : configured_);
  } else {
    log::SetModuleLevel(
        module, is_set ? std::optional(found->second.level) : std::nullopt);
  }
}

std::string LogLevels::Describe() const {
  MutexLock lock(mu_);
  boost::json::object modules;
  boost::json::object page{
      {"configured", std::string(log::LevelName(configured_))},
      {"level", std::string(log::LevelName(configured_))}};
  for (const auto& [module, overriding] : overriding_) {
    const std::string level(log::LevelName(overriding.level));
    boost::json::value until;
    if (overriding.until != absl::InfiniteFuture()) {
      until = absl::FormatTime(absl::RFC3339_sec, overriding.until,
                               absl::UTCTimeZone());
    }
    if (module.empty()) {
      page["level"] = level;
      page["until"] = std::move(until);
    } else {
      modules[module] = {{"level", level}, {"until", std::move(until)}};
    }
  }
  page["modules"] = std::move(modules);
  return boost::json::serialize(page) + "\n";
}

}  // namespace gateway::process
