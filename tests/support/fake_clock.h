#ifndef GATEWAY_TESTS_SUPPORT_FAKE_CLOCK_H_
#define GATEWAY_TESTS_SUPPORT_FAKE_CLOCK_H_

#include <condition_variable>
#include <cstddef>
#include <map>
#include <memory>
#include <mutex>

#include "absl/time/time.h"
#include "common/time/clock.h"

namespace gateway {

// Time stands still until Advance. Thread-safe. Sleepers wake on their own io
// thread, each of which must be single-threaded, as the gateway's are.
class FakeClock final : public Clock {
 public:
  explicit FakeClock(absl::Time now = absl::FromUnixSeconds(1'800'000'000));
  ~FakeClock() override;

  absl::Time Now() const override;
  Awaitable<bool> SleepUntil(absl::Time deadline) override;

  // Moves on and wakes, in the order of their deadlines, whoever is due. Does
  // not wait for them to run.
  void Advance(absl::Duration duration);
  void AdvanceTo(absl::Time time);

  // How many wait.
  size_t Sleepers() const;

  // The earliest deadline of a sleeper; InfiniteFuture if nobody sleeps.
  absl::Time NextWakeup() const;

  // Blocks until at least `count` wait. For tests whose flows run on other
  // threads. False after 10 s of real time.
  bool AwaitSleepers(size_t count) const;

 private:
  struct Sleeper;
  struct State;

  // Shared with the sleepers, which may end after the clock.
  const std::shared_ptr<State> state_;
};

}  // namespace gateway

#endif  // GATEWAY_TESTS_SUPPORT_FAKE_CLOCK_H_
