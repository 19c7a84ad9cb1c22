#ifndef GATEWAY_COMMON_PROCESS_SERVICE_H_
#define GATEWAY_COMMON_PROCESS_SERVICE_H_

#include <absl/status/status.h>
#include <absl/time/time.h>
#include <prometheus/metric_family.h>

#include <cstddef>
#include <string>
#include <vector>

namespace gateway::process {

// The state of one named part of a service, as the ops port shows it.
struct Check {
  enum class State {
    kOk,
    // Works, with something missing that is not its own: a peer, a provider.
    kDegraded,
    // Cannot do its work: readiness is lost.
    kFailed,
  };
  std::string name;
  State state = State::kOk;
  // Why it is not ok. Empty if it is.
  std::string reason;
};

// The times of a drain.
struct ShutdownOptions {
  // After readiness is gone, new work is still accepted for this long.
  absl::Duration pre_drain_delay;
  // What runs then may finish within this.
  absl::Duration drain_timeout;
};

// A service as its process drives it. Called from the main thread, but for
// Checks and CollectMetrics, which the ops thread calls at any time between
// construction and Stop.
//
// The order is Start, AnnounceDrain, BeginDrain, CancelRemaining, Stop. Each of
// the last three may follow directly on Start, and none is called twice.
class Service {
 public:
  virtual ~Service() = default;

  // `session-store`, …
  virtual std::string Name() const = 0;

  // Opens stores, binds listeners, serves. An error ends the process with 1.
  virtual absl::Status Start() = 0;

  // Readiness is the AND of these. Never blocks.
  virtual std::vector<Check> Checks() const = 0;

  virtual std::vector<prometheus::MetricFamily> CollectMetrics() const = 0;

  virtual ShutdownOptions Shutdown() const = 0;

  // gRPC health says NOT_SERVING from here on; everything is still accepted.
  virtual void AnnounceDrain() = 0;

  // No new work. What runs goes on. Returns at once.
  virtual void BeginDrain() = 0;

  // Calls and streams that still run.
  virtual size_t Active() const = 0;

  // Ends them, each with an error of its transport. Returns when they are
  // gone, within a second or so.
  virtual void CancelRemaining() = 0;

  // Flushes, closes stores, frees ports. Blocks until it is done.
  virtual void Stop() = 0;
};

}  // namespace gateway::process

#endif  // GATEWAY_COMMON_PROCESS_SERVICE_H_
