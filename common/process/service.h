#ifndef GATEWAY_COMMON_PROCESS_SERVICE_H_
#define GATEWAY_COMMON_PROCESS_SERVICE_H_

#include <absl/status/status.h>
#include <absl/time/time.h>
#include <prometheus/metric_family.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "common/concurrency/bounded_executor.h"
#include "gateway/config/v1/config.pb.h"

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

// A piece of work on a thread that should not take long.
struct Busy {
  std::string loop;  // sessions-0
  absl::Duration time;
};

// The threads of an executor that work.
inline std::vector<Busy> BusyOf(const BoundedExecutor& executor) {
  std::vector<Busy> busy;
  for (auto& [name, time] : executor.BusyFor()) busy.push_back({name, time});
  return busy;
}

// Whom a service calls.
struct Peer {
  std::string name;    // model-router
  std::string target;  // dns:///model-router:50051, or `in process`
  // Whether it answered lately; "" if it has not been asked.
  std::string state;
};

// The times of a drain.
struct ShutdownOptions {
  // After readiness is gone, new work is still accepted for this long.
  absl::Duration pre_drain_delay;
  // What runs then may finish within this.
  absl::Duration drain_timeout;
};

// A service as its process drives it. Called from the main thread, but for
// Checks, CollectMetrics, BusyLoops, PeerStates and Statistics, which other
// threads call at any time between construction and Stop, and SetHealth.
//
// The order is Start, BeginDrain, CancelRemaining, Stop. Each of the last two
// may follow directly on Start, and none is called twice.
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

  // What gRPC health tells from here on; nothing else changes. By one thread at
  // a time, between Start and Stop.
  virtual void SetHealth(bool ready, bool live) = 0;

  // What the threads for blocking work are at now.
  virtual std::vector<Busy> BusyLoops() const { return {}; }

  virtual std::vector<Peer> PeerStates() const { return {}; }

  // What an operator may ask of the data it keeps, by name; empty: nothing.
  virtual std::vector<std::pair<std::string, int64_t>> Statistics() const {
    return {};
  }

  // Goes over to another config that has been checked: every key but those that
  // are read at the start alone, which are as before. Running requests end as
  // they began. An error leaves everything as it was.
  virtual absl::Status Reload(const config::v1::Config& config) = 0;

  // No new work. What runs goes on. Returns at once.
  virtual void BeginDrain() = 0;

  // Calls and streams that still run.
  virtual size_t Active() const = 0;

  // What it hands to a peer as it runs, and has not yet: a drain waits for it
  // while it has time.
  virtual size_t Undelivered() const { return 0; }

  // Ends what is active, each with an error of its transport. Returns when they
  // are gone, within a second or so.
  virtual void CancelRemaining() = 0;

  // Flushes within 5 s, closes stores, frees ports. Blocks until it is done.
  virtual void Stop() = 0;
};

}  // namespace gateway::process

#endif  // GATEWAY_COMMON_PROCESS_SERVICE_H_
