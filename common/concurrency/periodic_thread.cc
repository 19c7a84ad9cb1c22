#include "common/concurrency/periodic_thread.h"

#include <utility>

#include "common/concurrency/thread.h"

namespace gateway {

void PeriodicThread::Start(std::string name, absl::Duration interval,
                           std::function<void()> round) {
  thread_ =
      StartThread(std::move(name), [this, interval, round = std::move(round)] {
        while (AwaitRound(interval)) round();
      });
}

void PeriodicThread::Wake() {
  MutexLock lock(mu_);
  woken_ = true;
  changed_.NotifyAll();
}

void PeriodicThread::Stop() {
  {
    MutexLock lock(mu_);
    stopping_ = true;
    changed_.NotifyAll();
  }
  if (thread_.joinable()) thread_.join();
}

bool PeriodicThread::AwaitRound(absl::Duration interval) {
  MutexLock lock(mu_);
  while (!woken_ && !stopping_) {
    if (interval == absl::InfiniteDuration()) {
      changed_.Wait(mu_);
    } else if (!changed_.WaitFor(mu_, interval)) {
      break;
    }
  }
  woken_ = false;
  return !stopping_;
}

}  // namespace gateway
