#ifndef GATEWAY_COMMON_PROCESS_SIGNALS_H_
#define GATEWAY_COMMON_PROCESS_SIGNALS_H_

#include <absl/time/time.h>

#include <optional>

namespace gateway::process {

// SIGTERM and SIGINT as events that the main thread waits for, so that nothing
// runs in a signal handler.
class SignalWaiter {
 public:
  virtual ~SignalWaiter() = default;
  // Waits for either signal for at most `timeout` (forever if infinite);
  // nullopt if none came.
  virtual std::optional<int> Wait(absl::Duration timeout) = 0;
};

// Blocks the signals for the calling thread and all that it starts later:
// construct it before any other thread exists. Ignores SIGPIPE: a broken
// connection is an error of a write.
class ProcessSignals : public SignalWaiter {
 public:
  ProcessSignals();
  std::optional<int> Wait(absl::Duration timeout) override;
};

}  // namespace gateway::process

#endif  // GATEWAY_COMMON_PROCESS_SIGNALS_H_
