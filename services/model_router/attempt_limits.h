#ifndef GATEWAY_SERVICES_MODEL_ROUTER_ATTEMPT_LIMITS_H_
#define GATEWAY_SERVICES_MODEL_ROUTER_ATTEMPT_LIMITS_H_

#include <absl/status/status.h>
#include <absl/time/time.h>

#include "services/model_router/catalogue.h"

namespace gateway::model_router {

// How long one attempt may wait for what comes next. A streamed answer: its
// head, its first token, and from then on each next event. A whole answer: its
// end. And the caller's deadline always. Pure; thread-compatible.
class AttemptLimits {
 public:
  // `another_target_left`: the shorter limits for the head and the first token
  // hold, since there is somebody else to ask.
  AttemptLimits(const Timeouts& timeouts, bool stream, bool another_target_left,
                absl::Time now, absl::Time caller_deadline);

  absl::Duration connect_timeout() const { return timeouts_.connect; }

  // The answer's head is there.
  void OnHead();
  // Data events have come. `token`: one of them had text, reasoning, a refusal
  // or a tool call. Others before the first token reset nothing.
  void OnEvents(absl::Time now, bool token);
  // Reading goes on after the caller kept it waiting: that was no silence of
  // the provider's.
  void OnResumed(absl::Time now);

  // When waiting ends.
  absl::Time deadline() const;

  absl::Time begin_time() const { return begin_; }
  // InfiniteFuture: none has come.
  absl::Time first_token_time() const { return first_token_; }
  absl::Time last_event_time() const { return last_event_; }

  // Of an attempt that has waited until deadline(): `deadline_exceeded` if that
  // was the caller's, else `upstream_timeout`.
  absl::Status TimeoutError() const;

 private:
  enum class Phase { kHead, kFirstToken, kTokens };

  absl::Time LimitOfPhase() const;

  const Timeouts timeouts_;
  const bool stream_;
  const bool another_target_left_;
  const absl::Time caller_deadline_;
  Phase phase_ = Phase::kHead;
  const absl::Time begin_;
  absl::Time first_token_ = absl::InfiniteFuture();
  absl::Time last_event_;
  absl::Time silent_since_;
};

}  // namespace gateway::model_router

#endif  // GATEWAY_SERVICES_MODEL_ROUTER_ATTEMPT_LIMITS_H_
