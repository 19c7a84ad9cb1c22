#include "common/process/signals.h"

#include <signal.h>

#include <cerrno>

#include "absl/time/clock.h"

namespace gateway::process {
namespace {

sigset_t StopSignals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  return set;
}

}  // namespace

ProcessSignals::ProcessSignals() {
  sigset_t set = StopSignals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  signal(SIGPIPE, SIG_IGN);
}

std::optional<int> ProcessSignals::Wait(absl::Duration timeout) {
  sigset_t set = StopSignals();
  const absl::Time end = absl::Now() + timeout;
  while (true) {
    int signal;
    if (timeout == absl::InfiniteDuration()) {
      signal = sigwaitinfo(&set, nullptr);
    } else {
      absl::Duration left = std::max(absl::ZeroDuration(), end - absl::Now());
      timespec spec = absl::ToTimespec(left);
      signal = sigtimedwait(&set, nullptr, &spec);
    }
    if (signal > 0) return signal;
    if (errno == EAGAIN) return std::nullopt;
    // EINTR: another signal was handled meanwhile.
  }
}

}  // namespace gateway::process
