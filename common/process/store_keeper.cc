#include "common/process/store_keeper.h"

#include <utility>

#include "common/concurrency/thread.h"
#include "common/log/log.h"

namespace gateway::process {

void StoreKeeper::Start(Options options) {
  options_ = std::move(options);
  running_.store(true);
  thread_ = StartThread(options_.name, [this] { Run(); });
}

void StoreKeeper::Stop() {
  BeginDrain();
  running_.store(false);
  if (!thread_.joinable()) return;
  {
    MutexLock lock(mu_);
    stopping_ = true;
  }
  wake_.NotifyAll();
  thread_.join();
}

std::vector<Check> StoreKeeper::Checks() const {
  if (!running_.load()) return {};
  const absl::Status health = options_.health();
  if (health.ok()) return {{.name = "database"}};
  return {{.name = "database",
           .state = Check::State::kFailed,
           .reason = std::string(health.message())}};
}

void StoreKeeper::Run() {
  bool healthy = true;
  while (true) {
    // A failure shows in the checks, and the next round tries again.
    (void)options_.repair();
    Follow(healthy);
    if (options_.chore != nullptr) options_.chore();
    MutexLock lock(mu_);
    if (!stopping_) wake_.WaitFor(mu_, options_.interval);
    if (stopping_) return;
  }
}

void StoreKeeper::Follow(bool& healthy) {
  const bool now = options_.health().ok();
  if (now == healthy) return;
  healthy = now;
  LOG_WARNING("storage",
              healthy ? "the store can be written again"
                      : "the store cannot be written",
              {{"keeper", options_.name}});
}

}  // namespace gateway::process
