#include "tests/support/wall_clock.h"

#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <atomic>

namespace gateway {
namespace {

std::atomic<int64_t> step_seconds{0};

}  // namespace

WallClockStep::WallClockStep(absl::Duration by) {
  step_seconds.store(absl::ToInt64Seconds(by));
}

WallClockStep::~WallClockStep() { step_seconds.store(0); }

}  // namespace gateway

// In the place of libc's, for all that is linked into the process.
extern "C" int clock_gettime(clockid_t clock, timespec* time) noexcept {
  const long result = syscall(SYS_clock_gettime, clock, time);
  if (result == 0 && clock == CLOCK_REALTIME) {
    time->tv_sec += gateway::step_seconds.load(std::memory_order_relaxed);
  }
  return static_cast<int>(result);
}
