#include "common/process/store_keeper.h"

#include <utility>

#include "common/log/log.h"

namespace gateway::process {

void StoreKeeper::Start(Options options) {
  options_ = std::move(options);
  running_.store(true);
  thread_.Start(options_.name, options_.interval, [this] { Round(); });
  thread_.Wake();
}

void StoreKeeper::Stop() {
  BeginDrain();
  running_.store(false);
  thread_.Stop();
}

std::vector<Check> StoreKeeper::Checks() const {
  if (!running_.load()) return {};
  const absl::Status health = options_.health();
  if (health.ok()) return {{.name = "database"}};
  return {{.name = "database",
           .state = Check::State::kFailed,
           .reason = std::string(health.message())}};
}

void StoreKeeper::Round() {
  // A failure shows in the checks, and the next round tries again.
  (void)options_.repair();
  Follow();
  if (options_.chore != nullptr) options_.chore();
}

void StoreKeeper::Follow() {
  const bool now = options_.health().ok();
  if (now == healthy_) return;
  healthy_ = now;
  LOG_WARNING("storage",
              healthy_ ? "the store can be written again"
                       : "the store cannot be written",
              {{"keeper", options_.name}});
}

}  // namespace gateway::process
