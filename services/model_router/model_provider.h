#ifndef GATEWAY_SERVICES_MODEL_ROUTER_MODEL_PROVIDER_H_
#define GATEWAY_SERVICES_MODEL_ROUTER_MODEL_PROVIDER_H_

#include <absl/status/status.h>
#include <absl/strings/string_view.h>
#include <absl/time/time.h>
#include <absl/types/span.h>

#include <cstdint>
#include <functional>
#include <limits>
#include <string>

#include "common/concurrency/awaitable.h"
#include "gateway/chat/v1/chat.pb.h"
#include "gateway/model_router/v1/model_router.pb.h"
#include "services/model_router/attempt_limits.h"
#include "services/model_router/catalogue.h"

namespace gateway::dialect::openai_chat {
struct Envelope;
}

namespace gateway::model_router {

// What a failure says about asking somebody else.
enum class OtherTarget {
  // The request is at fault, or the caller is gone.
  kNo,
  // Another target may do better.
  kYes,
  // Only one with a larger, or an unknown, context.
  kLargerContext,
};

// One attempt, as it is asked of a provider. All of it outlives the attempt.
struct ProviderCall {
  const v1::RouteRequest* request = nullptr;
  const Target* target = nullptr;
  // Of the request's body; null for a typed one.
  const dialect::openai_chat::Envelope* envelope = nullptr;
  // Stored messages that go in front of the request's, oldest first.
  absl::Span<const chat::v1::Message* const> stored;
  // Goes first of all. Empty: the request has its own, or there is none.
  absl::string_view system_text;
  bool stream = false;
  // An upper bound of the answer's tokens beside the request's own. 0: none.
  int64_t max_output_tokens = 0;
  // The answer is wanted in typed form too.
  bool want_turn = false;
  // A larger answer cannot be handed on: TooLargeToDeliver.
  size_t max_answer_bytes = std::numeric_limits<size_t>::max();
  AttemptLimits* limits = nullptr;
  // To be called each time before the request is sent, with what the sending
  // before came to; OK: it is the first. Books it: what may have been seen
  // twice is booked twice. An error ends the attempt.
  std::function<absl::Status(const absl::Status& before)> before_send;
};

// What an attempt came to. Filled as it goes, so that it is right at any end.
struct Answer {
  // The provider may have begun to work on it: it may cost money.
  bool billable = false;
  // From the provider; only with has_usage.
  chat::v1::Usage usage;
  bool has_usage = false;
  // What has come of the answer, in tokens as far as can be told: for a
  // provider that tells no usage, or did not come to it.
  int64_t output_estimate = 0;
  // Events that were no JSON and so were left out.
  int64_t skipped_events = 0;
  chat::v1::FinishReason finish_reason = chat::v1::FINISH_REASON_UNSPECIFIED;
  std::string id;
  std::string model;

  // Only of a complete answer.
  // What was not handed to the sink: `frames`, `deltas` or `answer`, or none.
  v1::RouteEvent last_run;
  // An encoded stream's last frames.
  v1::Frames last_frames;
  // Choice 0, if a turn is wanted.
  chat::v1::Message message;

  // Only of a failed one.
  OtherTarget other_target = OtherTarget::kNo;
};

// An answer that is complete, or is getting there, and has no way to the
// caller.
absl::Status TooLargeToDeliver();

// Where the runs of an answer go as they come.
class AnswerSink {
 public:
  virtual ~AnswerSink() = default;

  // `run` has `frames` or `deltas` alone. `token`: it has text, reasoning, a
  // refusal or a tool call. Awaiting it is the back-pressure; an error is final
  // and the attempt returns it.
  virtual Awaitable<absl::Status> Write(v1::RouteEvent run, bool token) = 0;
};

// Somebody who answers. Thread-safe; a call lives on one io thread.
class ModelProvider {
 public:
  virtual ~ModelProvider() = default;

  // Performs one attempt. OK: the answer is complete, and what the sink has not
  // got stands in `answer`. An error has its ErrorDetail and is fit for the
  // client; answer.other_target says whether to ask somebody else.
  // INVALID_ARGUMENT before anything was sent: the request cannot be put to the
  // target. CANCELLED: the flow was cancelled; whatever was sent to the
  // provider is broken off.
  virtual Awaitable<absl::Status> Call(const ProviderCall& call,
                                       AnswerSink& sink, Answer& answer) = 0;
};

}  // namespace gateway::model_router

#endif  // GATEWAY_SERVICES_MODEL_ROUTER_MODEL_PROVIDER_H_
