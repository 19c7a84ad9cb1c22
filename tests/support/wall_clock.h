#ifndef GATEWAY_TESTS_SUPPORT_WALL_CLOCK_H_
#define GATEWAY_TESTS_SUPPORT_WALL_CLOCK_H_

#include <absl/time/time.h>

namespace gateway {

// Sets the wall clock of the test's process, and no other, while it lives: what
// an operator or a time server does to a machine. Steady clocks go on. One at a
// time; any thread sees it at once.
class WallClockStep {
 public:
  // Forward, or back if negative.
  explicit WallClockStep(absl::Duration by);
  ~WallClockStep();
  WallClockStep(const WallClockStep&) = delete;
  WallClockStep& operator=(const WallClockStep&) = delete;
};

}  // namespace gateway

#endif  // GATEWAY_TESTS_SUPPORT_WALL_CLOCK_H_
