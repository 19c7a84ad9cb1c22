#ifndef GATEWAY_COMMON_CONCURRENCY_PERIODIC_THREAD_H_
#define GATEWAY_COMMON_CONCURRENCY_PERIODIC_THREAD_H_

#include <functional>
#include <string>
#include <thread>

#include "absl/time/time.h"
#include "common/concurrency/mutex.h"

namespace gateway {

// A thread that does the same thing again and again until it is stopped. A
// member whose round uses others comes last, or is stopped before them.
// Thread-safe, but for Start and Stop: those are one thread's.
class PeriodicThread {
 public:
  PeriodicThread() = default;
  // Stops.
  ~PeriodicThread() { Stop(); }
  PeriodicThread(const PeriodicThread&) = delete;
  PeriodicThread& operator=(const PeriodicThread&) = delete;

  // Calls `round` on a thread of this name: `interval` after Start, then
  // `interval` after each round's end; if infinite, only when woken. Once.
  void Start(std::string name, absl::Duration interval,
             std::function<void()> round);

  // The next round begins at once, or behind the one that runs.
  void Wake();

  // Waits for a round that runs. Idempotent; nothing before Start. Not from
  // within a round.
  void Stop();

 private:
  bool AwaitRound(absl::Duration interval);

  Mutex mu_;
  CondVar changed_;
  bool woken_ ABSL_GUARDED_BY(mu_) = false;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  std::jthread thread_;
};

}  // namespace gateway

#endif  // GATEWAY_COMMON_CONCURRENCY_PERIODIC_THREAD_H_
