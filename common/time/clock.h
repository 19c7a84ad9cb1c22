#ifndef GATEWAY_COMMON_TIME_CLOCK_H_
#define GATEWAY_COMMON_TIME_CLOCK_H_

#include "absl/time/time.h"
#include "common/concurrency/awaitable.h"

namespace gateway {

// The time, and waiting for it. Thread-safe. Whoever takes a Clock* keeps it
// no longer than its giver lives.
class Clock {
 public:
  virtual ~Clock() = default;

  virtual absl::Time Now() const = 0;

  // Returns at `deadline` or, if the flow is cancelled, at once; true if the
  // deadline came. Resumes on the caller's io thread. A deadline in the past
  // still yields once. The clock must outlive the wait.
  virtual Awaitable<bool> SleepUntil(absl::Time deadline) = 0;

  Awaitable<bool> SleepFor(absl::Duration duration) {
    return SleepUntil(Now() + duration);
  }
};

// The system's clock; never destroyed.
Clock* RealClock();

}  // namespace gateway

#endif  // GATEWAY_COMMON_TIME_CLOCK_H_
