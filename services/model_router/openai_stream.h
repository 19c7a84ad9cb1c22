#ifndef GATEWAY_SERVICES_MODEL_ROUTER_OPENAI_STREAM_H_
#define GATEWAY_SERVICES_MODEL_ROUTER_OPENAI_STREAM_H_

#include <absl/status/status.h>
#include <absl/strings/string_view.h>

#include <optional>
#include <vector>

#include "common/dialect/answer_assembler.h"
#include "common/dialect/openai_chat/stream_reader.h"
#include "common/http/sse_reader.h"
#include "gateway/model_router/v1/model_router.pb.h"
#include "services/model_router/model_provider.h"

namespace gateway::model_router {

// Turns what is read of a provider's stream into runs for the caller: one for
// each socket read, the caller's bytes as they came or typed deltas. No I/O.
class OpenAiStream {
 public:
  // Both outlive it.
  OpenAiStream(const ProviderCall& call, Answer& answer);

  // Bytes as they were read. Returns whether an event of the dialect was among
  // them; `token` whether one of them had text, reasoning, a refusal or a tool
  // call.
  bool Feed(absl::string_view bytes, bool& token);
  // The body has ended cleanly.
  void FeedEnd();

  // The stream is over, by [DONE], the end of the body or an error event.
  bool over() const { return over_; }

  // What is to be handed on now; empty if nothing is.
  v1::RouteEvent TakeRun();

  // After over(). OK: complete, and `answer` has all of it. Else
  // `answer.other_target` is set.
  absl::Status Finish();

 private:
  using Event = http::SseEvent;

  void Handle(const Event& event);
  // Forwarded bytes that lie behind each other go out as one piece.
  void Forward(const Event& event, bool has_token);
  void FlushPiece();
  v1::Frames& Out();
  void TakeDeltas();
  void Note();

  const ProviderCall& call_;
  Answer& answer_;
  const bool encoded_;
  const v1::Framing framing_;
  http::SseReader sse_;
  dialect::openai_chat::StreamReader reader_;
  std::optional<dialect::AnswerAssembler> assembler_;
  std::vector<chat::v1::ChatDelta> deltas_;

  v1::RouteEvent run_;
  // The last frames, if a turn has to be stored before the caller sees them.
  v1::Frames held_;
  // Of the run being read: bytes to forward that end in events.
  absl::string_view piece_;
  std::vector<uint32_t> piece_ends_;
  // What has to be kept until the end is more than can be handed on.
  bool too_large_ = false;
  bool over_ = false;
};

// Whether another target may help with such an error.
OtherTarget OtherTargetFor(dialect::ProviderErrorKind kind);

}  // namespace gateway::model_router

#endif  // GATEWAY_SERVICES_MODEL_ROUTER_OPENAI_STREAM_H_
