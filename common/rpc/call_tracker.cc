#include "common/rpc/call_tracker.h"

#include <absl/time/clock.h>

#include <boost/intrusive_ptr.hpp>
#include <vector>

#include "common/rpc/server_bridge.h"

namespace gateway::rpc {

bool CallTracker::Enter(ServerCall* call) {
  MutexLock lock(mu_);
  if (draining_) {
    ++concluding_;
    return false;
  }
  calls_.push_back(*call);
  return true;
}

void CallTracker::Leave(ServerCall* call) {
  MutexLock lock(mu_);
  calls_.erase(calls_.iterator_to(*call));
  ++concluding_;
}

void CallTracker::Concluded() {
  MutexLock lock(mu_);
  --concluding_;
  if (calls_.empty() && concluding_ == 0) idle_.NotifyAll();
}

void CallTracker::BeginDrain() { End(/*all=*/false); }

void CallTracker::EndAll() { End(/*all=*/true); }

void CallTracker::End(bool all) {
  std::vector<boost::intrusive_ptr<ServerCall>> ending;
  {
    MutexLock lock(mu_);
    draining_ = true;
    for (TrackedCall& tracked : calls_) {
      auto& call = static_cast<ServerCall&>(tracked);
      if (all || call.drain_rule() == DrainRule::kEnd) ending.push_back(&call);
    }
  }
  for (const auto& call : ending) call->EndForDrain();
}

bool CallTracker::AwaitIdle(absl::Time deadline) {
  MutexLock lock(mu_);
  while (!calls_.empty() || concluding_ > 0) {
    const absl::Duration left = deadline - absl::Now();
    if (left <= absl::ZeroDuration()) return false;
    // Bounded, so that an infinite deadline fits the clock's range.
    idle_.WaitFor(mu_, std::min(left, absl::Hours(1)));
  }
  return true;
}

size_t CallTracker::in_flight() const {
  MutexLock lock(mu_);
  return calls_.size();
}

bool CallTracker::draining() const {
  MutexLock lock(mu_);
  return draining_;
}

}  // namespace gateway::rpc
