#include "services/model_router/attempt_limits.h"

#include <algorithm>

#include "common/status/error.h"

namespace gateway::model_router {

AttemptLimits::AttemptLimits(const Timeouts& timeouts, bool stream,
                             bool another_target_left, absl::Time now,
                             absl::Time caller_deadline)
    : timeouts_(timeouts),
      stream_(stream),
      another_target_left_(another_target_left),
      caller_deadline_(caller_deadline),
      begin_(now),
      last_event_(now),
      silent_since_(now) {}

void AttemptLimits::OnHead() {
  if (phase_ == Phase::kHead) phase_ = Phase::kFirstToken;
}

void AttemptLimits::OnEvents(absl::Time now, bool token) {
  if (token && phase_ != Phase::kTokens) {
    phase_ = Phase::kTokens;
    first_token_ = now;
  }
  last_event_ = now;
  silent_since_ = now;
}

void AttemptLimits::OnResumed(absl::Time now) { silent_since_ = now; }

absl::Time AttemptLimits::LimitOfPhase() const {
  if (!stream_) return begin_ + timeouts_.total;
  const absl::Duration cap = another_target_left_
                                 ? timeouts_.first_token_with_fallback
                                 : absl::InfiniteDuration();
  switch (phase_) {
    case Phase::kHead:
      return begin_ + std::min(timeouts_.headers, cap);
    case Phase::kFirstToken:
      return begin_ + std::min(timeouts_.first_token, cap);
    case Phase::kTokens:
      return silent_since_ + timeouts_.silence;
  }
  return absl::InfiniteFuture();
}

absl::Time AttemptLimits::deadline() const {
  return std::min(LimitOfPhase(), caller_deadline_);
}

absl::Status AttemptLimits::TimeoutError() const {
  if (caller_deadline_ <= LimitOfPhase()) return DeadlineExceeded();
  if (!stream_) {
    return MakeError(reason::kUpstreamTimeout,
                     "the model provider did not answer in time");
  }
  switch (phase_) {
    case Phase::kHead:
      return MakeError(reason::kUpstreamTimeout,
                       "the model provider did not begin to answer in time");
    case Phase::kFirstToken:
      return MakeError(reason::kUpstreamTimeout,
                       "the model provider gave no first token in time");
    case Phase::kTokens:
      return MakeError(reason::kUpstreamTimeout,
                       "the model provider stopped in the middle of its "
                       "answer");
  }
  return MakeError(reason::kUpstreamTimeout, "the model provider is silent");
}

}  // namespace gateway::model_router
