#include "services/model_router/openai_stream.h"

#include <algorithm>
#include <utility>

#include "common/dialect/framing.h"
#include "services/model_router/frames.h"
#include "services/model_router/pricing.h"

namespace gateway::model_router {

OtherTarget OtherTargetFor(dialect::ProviderErrorKind kind) {
  using Kind = dialect::ProviderErrorKind;
  switch (kind) {
    case Kind::kTransient:
    case Kind::kOverloaded:
    case Kind::kRateLimited:
    case Kind::kOutOfQuota:
    case Kind::kKeyRefused:
    case Kind::kBrokenAnswer:
      return OtherTarget::kYes;
    case Kind::kContextLength:
      return OtherTarget::kLargerContext;
    case Kind::kContentFilter:
    case Kind::kRejected:
      return OtherTarget::kNo;
  }
  return OtherTarget::kNo;
}

OpenAiStream::OpenAiStream(const ProviderCall& call, Answer& answer)
    : call_(call),
      answer_(answer),
      encoded_(call.envelope != nullptr),
      framing_(call.request->encoded().framing() == v1::FRAMING_JSON
                   ? v1::FRAMING_JSON
                   : v1::FRAMING_SSE),
      sse_(std::min(http::SseReader::kMaxEventBytes, call.max_answer_bytes)),
      reader_(
          {.forward_usage_chunk = call.request->encoded().include_usage()}) {
  if (call.want_turn) assembler_.emplace();
}

bool OpenAiStream::Feed(absl::string_view bytes, bool& token) {
  const int64_t tokens_before = reader_.token_events();
  bool any = false;
  sse_.Feed(bytes);
  Event event;
  while (!over_ && sse_.Next(event)) {
    const int64_t invalid_before = reader_.invalid_events();
    Handle(event);
    any |= reader_.invalid_events() == invalid_before;
  }
  FlushPiece();
  if (call_.want_turn) {
    const size_t kept =
        static_cast<size_t>(reader_.token_bytes()) + held_.data().size();
    too_large_ = kept > call_.max_answer_bytes;
  }
  if (sse_.too_large() || too_large_) over_ = true;
  token = reader_.token_events() > tokens_before;
  Note();
  return any;
}

void OpenAiStream::FeedEnd() {
  Event event;
  if (!over_ && sse_.Finish(event)) Handle(event);
  FlushPiece();
  over_ = true;
  Note();
}

void OpenAiStream::Handle(const Event& event) {
  using Kind = dialect::openai_chat::StreamEvent::Kind;
  const bool wants_deltas = !encoded_ || assembler_;
  const dialect::openai_chat::StreamEvent read =
      reader_.Read(event.data, event.type, wants_deltas ? &deltas_ : nullptr);
  switch (read.kind) {
    case Kind::kChunk:
      if (wants_deltas) TakeDeltas();
      if (encoded_ && read.forward) Forward(event, read.has_token);
      break;
    case Kind::kDone:
      over_ = true;
      break;
    case Kind::kError:
      over_ = true;
      break;
    case Kind::kInvalid:
      break;
  }
}

void OpenAiStream::TakeDeltas() {
  for (chat::v1::ChatDelta& delta : deltas_) {
    if (assembler_) assembler_->Add(delta);
    if (!encoded_) *run_.mutable_deltas()->add_deltas() = std::move(delta);
  }
  deltas_.clear();
}

v1::Frames& OpenAiStream::Out() {
  return call_.want_turn && reader_.finished() ? held_ : *run_.mutable_frames();
}

void OpenAiStream::Forward(const Event& event, bool has_token) {
  if (has_token && !held_.ends().empty()) {
    // It was not the end: another choice goes on.
    FlushPiece();
    AppendFrames(std::exchange(held_, {}), *run_.mutable_frames());
  }
  const bool as_it_came = event.clean && framing_ == v1::FRAMING_SSE;
  if (as_it_came && !(call_.want_turn && reader_.finished())) {
    const bool follows =
        !piece_.empty() && piece_.data() + piece_.size() == event.raw.data();
    if (!follows) {
      FlushPiece();
      piece_ = absl::string_view(event.raw.data(), 0);
    }
    piece_ = absl::string_view(piece_.data(), piece_.size() + event.raw.size());
    piece_ends_.push_back(static_cast<uint32_t>(piece_.size()));
    return;
  }
  FlushPiece();
  if (as_it_came) {
    AppendFrame(event.raw, Out());
  } else {
    dialect::AppendEvent(event.data, framing_, &Out());
  }
}

void OpenAiStream::FlushPiece() {
  if (piece_.empty()) return;
  v1::Frames& frames = *run_.mutable_frames();
  const uint32_t before = static_cast<uint32_t>(frames.data().size());
  frames.mutable_data()->append(piece_.data(), piece_.size());
  for (const uint32_t end : piece_ends_) frames.add_ends(before + end);
  piece_ = {};
  piece_ends_.clear();
}

void OpenAiStream::Note() {
  answer_.skipped_events = reader_.invalid_events();
  answer_.output_estimate =
      std::max(reader_.token_events(), EstimateTokens(reader_.token_bytes()));
  if (reader_.usage()) {
    answer_.usage = *reader_.usage();
    answer_.has_usage = true;
  }
}

v1::RouteEvent OpenAiStream::TakeRun() {
  // Typed: the finish waits for the end, as last frames do.
  if (!encoded_ && call_.want_turn && reader_.finished()) return {};
  return std::exchange(run_, {});
}

absl::Status OpenAiStream::Finish() {
  if (too_large_) return TooLargeToDeliver();
  std::optional<dialect::ProviderError> error = reader_.error();
  if (!error && sse_.too_large()) {
    error = dialect::BrokenAnswer("sent an event that is too large");
  }
  if (!error) error = reader_.Finish(/*clean=*/true);
  if (error) {
    answer_.other_target = OtherTargetFor(error->kind);
    return error->status;
  }
  answer_.id = reader_.id();
  answer_.model = reader_.model();
  answer_.finish_reason = reader_.finish_reason();
  answer_.last_run = std::exchange(run_, {});
  if (encoded_) {
    answer_.last_frames = std::exchange(held_, {});
    dialect::AppendEvent("[DONE]", framing_, &answer_.last_frames);
  }
  if (assembler_) {
    auto choices = assembler_->Take();
    if (!choices.empty()) {
      answer_.message = std::move(*choices.Mutable(0)->mutable_message());
    }
    answer_.message.set_role(chat::v1::ROLE_ASSISTANT);
  }
  return absl::OkStatus();
}

}  // namespace gateway::model_router
