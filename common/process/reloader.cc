#include "common/process/reloader.h"

#include <absl/strings/str_join.h>
#include <absl/strings/str_split.h>

#include <boost/json.hpp>
#include <utility>

#include "common/config/change.h"
#include "common/log/log.h"
#include "common/status/macros.h"

namespace gateway::process {

Reloader::Reloader(config::Sources sources, config::v1::Config running,
                   Check check, Lifecycle* lifecycle)
    : sources_(std::move(sources)),
      check_(std::move(check)),
      lifecycle_(lifecycle),
      running_(std::make_shared<config::v1::Config>(std::move(running))) {}

absl::StatusOr<std::string> Reloader::Reload(Service& service) {
  absl::StatusOr<std::string> outcome = TryReload(service);
  lifecycle_->SetReloadOk(outcome.ok());
  if (!outcome.ok()) {
    for (absl::string_view line :
         absl::StrSplit(outcome.status().message(), '\n')) {
      LOG_ERROR("process", "the new config is refused, the old one stays",
                {{"fault", line}});
    }
  }
  return outcome;
}

absl::StatusOr<std::string> Reloader::TryReload(Service& service) {
  config::v1::Config wanted;
  const config::LoadResult loaded = config::Load(sources_, &wanted);
  RETURN_IF_ERROR(loaded.status);
  RETURN_IF_ERROR(check_(wanted));
  const std::shared_ptr<const config::v1::Config> before = running();
  boost::json::array applied, restart_needed;
  std::vector<std::string> waiting;
  for (const config::Change& change : config::ChangesBetween(*before, wanted)) {
    if (change.needs_restart) waiting.push_back(change.key);
    (change.needs_restart ? restart_needed : applied).emplace_back(change.key);
  }
  config::KeepRestartOnly(*before, &wanted);
  // Old and new keys stand side by side: they have to agree.
  if (!waiting.empty()) RETURN_IF_ERROR(check_(wanted));
  RETURN_IF_ERROR(service.Reload(wanted));
  {
    MutexLock lock(mu_);
    running_ = std::make_shared<config::v1::Config>(std::move(wanted));
  }
  LOG_INFO("process", "config reloaded", {{"changed", applied.size()}});
  if (!waiting.empty()) {
    LOG_WARNING("process", "some keys change at the next start only",
                {{"keys", absl::StrJoin(waiting, ", ")}});
  }
  return boost::json::serialize(boost::json::object{
             {"applied", std::move(applied)},
             {"restart_needed", std::move(restart_needed)}}) +
         "\n";
}

std::shared_ptr<const config::v1::Config> Reloader::running() const {
  MutexLock lock(mu_);
  return running_;
}

std::vector<std::string> Reloader::Files() const {
  std::vector<std::string> files;
  if (!sources_.file.empty()) files.push_back(sources_.file);
  for (const auto& [name, provider] : running()->providers()) {
    if (provider.key().has_file()) files.push_back(provider.key().file());
  }
  return files;
}

}  // namespace gateway::process
