#ifndef GATEWAY_COMMON_PROCESS_LIFECYCLE_H_
#define GATEWAY_COMMON_PROCESS_LIFECYCLE_H_

#include <atomic>

namespace gateway::process {

enum class Phase { kStarting, kServing, kDraining };

// Where a process stands between its start and its end. Thread-safe.
class Lifecycle {
 public:
  Phase phase() const { return phase_.load(std::memory_order_acquire); }
  void Set(Phase phase) { phase_.store(phase, std::memory_order_release); }

  // Whether the config in use is the last one that was given.
  bool reload_ok() const { return reload_ok_.load(std::memory_order_relaxed); }
  void SetReloadOk(bool ok) { reload_ok_.store(ok, std::memory_order_relaxed); }

 private:
  std::atomic<Phase> phase_{Phase::kStarting};
  std::atomic<bool> reload_ok_{true};
};

}  // namespace gateway::process

#endif  // GATEWAY_COMMON_PROCESS_LIFECYCLE_H_
