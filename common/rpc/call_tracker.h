#ifndef GATEWAY_COMMON_RPC_CALL_TRACKER_H_
#define GATEWAY_COMMON_RPC_CALL_TRACKER_H_

#include <absl/status/status.h>
#include <absl/time/time.h>

#include <boost/intrusive/list.hpp>
#include <cstddef>

#include "common/concurrency/mutex.h"

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

// The calls of a server that are in flight, and whether it takes new ones.
// Thread-safe. Outlives its calls.
class CallTracker {
 public:
  CallTracker() = default;
  CallTracker(const CallTracker&) = delete;
  CallTracker& operator=(const CallTracker&) = delete;

  // From now on new calls are refused: UNAVAILABLE `draining` with a hint.
  // Those of DrainRule::kEnd are ended in the same way.
  void BeginDrain();

  // Blocks until no call is in flight or `deadline` has come; tells which.
  bool AwaitIdle(absl::Time deadline);

  // Ends what is left: each call is cancelled, and its client sees UNAVAILABLE
  // `draining`.
  void EndAll();

  size_t in_flight() const;
  bool draining() const;

 private:
  friend class ServerCall;

  // What lets a call stand in a CallTracker.
  using TrackedCall = boost::intrusive::list_base_hook<>;

  // Returns false if the call is to be refused.
  bool Enter(ServerCall* call);
  void Leave(ServerCall* call);
  void End(bool all);

  mutable Mutex mu_;
  CondVar idle_;
  boost::intrusive::list<TrackedCall> calls_ ABSL_GUARDED_BY(mu_);
  bool draining_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace gateway::rpc

#endif  // GATEWAY_COMMON_RPC_CALL_TRACKER_H_
