#ifndef GATEWAY_COMMON_RPC_CALL_TRACKER_H_
#define GATEWAY_COMMON_RPC_CALL_TRACKER_H_

#include <absl/status/status.h>
#include <absl/time/time.h>

#include <atomic>
#include <boost/intrusive/list.hpp>
#include <cstddef>
#include <cstdint>

#include "common/concurrency/mutex.h"
#include "common/resilience/concurrency_limit.h"

namespace gateway::rpc {

class ServerCall;

// What lets a call stand in a CallTracker.
using TrackedCall = boost::intrusive::list_base_hook<>;

// What becomes of a call when its server drains.
enum class DrainRule {
  // It may finish until the drain's deadline.
  kFinish,
  // It never ends by itself, so the drain ends it at once: watches, feeds.
  kEnd,
};

// What the calls of a server may take.
struct CallLimits {
  // A client that takes no message for so long is gone: its call is cancelled.
  absl::Duration write_timeout = absl::Seconds(120);
  // Bytes of requests that are held at once. A call over it is refused:
  // UNAVAILABLE `overloaded`. Null: no bound. Outlives the server.
  ConcurrencyLimit* bodies = nullptr;
};

// Counters since the start. Written with relaxed order.
struct CallStats {
  // Ended because of CallLimits::write_timeout.
  std::atomic<uint64_t> write_timeouts{0};
  // Refused because of CallLimits::bodies.
  std::atomic<uint64_t> refused{0};
};

// The calls of a server that are in flight, and whether it takes new ones.
// Thread-safe. Outlives its calls.
class CallTracker {
 public:
  explicit CallTracker(CallLimits limits = {}) : limits_(limits) {}
  CallTracker(const CallTracker&) = delete;
  CallTracker& operator=(const CallTracker&) = delete;

  // From now on new calls are refused: UNAVAILABLE `draining` with a hint.
  // Those of DrainRule::kEnd are ended in the same way.
  void BeginDrain();

  // Blocks until no call is in flight and every status has gone out, or
  // `deadline` has come; tells which.
  bool AwaitIdle(absl::Time deadline);

  // Ends what is left: each call is cancelled, and its client sees UNAVAILABLE
  // `draining`.
  void EndAll();

  size_t in_flight() const;
  bool draining() const;
  const CallStats& stats() const { return stats_; }

  // Before the first call.
  void SetLimits(CallLimits limits) { limits_ = limits; }

 private:
  friend class ServerCall;

  // Returns false if the call is to be refused.
  bool Enter(ServerCall* call);
  // The call has been answered; its status may still be on its way.
  void Leave(ServerCall* call);
  // The status of a call that was refused or has left is out.
  void Concluded();
  void End(bool all);

  // Set before the first call.
  CallLimits limits_;
  // Self-locking.
  CallStats stats_;

  mutable Mutex mu_;
  CondVar idle_;
  boost::intrusive::list<TrackedCall> calls_ ABSL_GUARDED_BY(mu_);
  size_t concluding_ ABSL_GUARDED_BY(mu_) = 0;
  bool draining_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace gateway::rpc

#endif  // GATEWAY_COMMON_RPC_CALL_TRACKER_H_
