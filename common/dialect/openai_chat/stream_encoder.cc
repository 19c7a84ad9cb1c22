#include "common/dialect/openai_chat/stream_encoder.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/dialect/framing.h"
#include "common/dialect/json_write.h"
#include "common/dialect/openai_chat/answer_codec.h"
#include "common/dialect/openai_chat/error_codec.h"
#include "common/dialect/openai_chat/usage.h"

namespace gateway::dialect::openai_chat {
namespace {

using chat::v1::ChatDelta;
using model_router::v1::Frames;

// The call's `type` stands beside its id, in the first piece only.
void WriteCallPiece(const chat::v1::ToolCallDelta& piece, std::string* out) {
  JsonObject call(out);
  call.Int("index", piece.index());
  const absl::string_view kind = piece.custom() ? "custom" : "function";
  if (!piece.id().empty()) {
    call.String("id", piece.id());
    call.String("type", kind);
  }
  {
    JsonObject function(call.Member(kind));
    if (!piece.name().empty()) function.String("name", piece.name());
    function.String(piece.custom() ? "input" : "arguments", piece.arguments());
  }
  if (!piece.signature().empty()) {
    JsonObject extra(call.Member("extra_content"));
    JsonObject google(extra.Member("google"));
    google.String("thought_signature", piece.signature());
  }
}

}  // namespace

StreamEncoder::StreamEncoder(StreamEncoding encoding)
    : encoding_(std::move(encoding)) {
  {
    JsonObject head(&head_);
    head.String("id", encoding_.id);
    head.String("object", "chat.completion.chunk");
    head.Int("created", encoding_.created);
    head.String("model", encoding_.model);
  }
  head_.back() = ',';
}

void StreamEncoder::Append(const ChatDelta& delta, Frames* frames) {
  const std::string& reasoning_field = encoding_.messages.reasoning_field;
  std::string chunk = head_;
  chunk.append("\"choices\":[");
  {
    JsonObject choice(&chunk);
    choice.Int("index", delta.choice());
    {
      JsonObject members(choice.Member("delta"));
      const bool first = begun_.insert(delta.choice()).second;
      if (first) members.String("role", "assistant");
      switch (delta.delta_case()) {
        case ChatDelta::kText:
          members.String("content", delta.text());
          break;
        case ChatDelta::kRefusal:
          members.String("refusal", delta.refusal());
          break;
        case ChatDelta::kReasoning:
          if (reasoning_field.empty() && !first) return;
          if (!reasoning_field.empty()) {
            members.String(reasoning_field, delta.reasoning());
          }
          break;
        case ChatDelta::kToolCall: {
          if (first) members.Null("content");
          JsonArray calls(members.Member("tool_calls"));
          WriteCallPiece(delta.tool_call(), calls.Element());
          break;
        }
        case ChatDelta::kPart:
          if (delta.part().has_text()) {
            members.String("content", delta.part().text().text());
          } else if (!first) {
            return;
          }
          break;
        case ChatDelta::kFinishReason:
          break;
        case ChatDelta::kReasoningSignature:
        case ChatDelta::kReasoningEncrypted:
        case ChatDelta::DELTA_NOT_SET:
          if (!first && delta.logprobs().empty()) return;
          break;
      }
    }
    WriteLogprobs(delta.logprobs(), choice.Member("logprobs"));
    if (delta.has_finish_reason()) {
      choice.String("finish_reason", FinishReasonName(delta.finish_reason()));
    } else {
      choice.Null("finish_reason");
    }
  }
  chunk.append(encoding_.include_usage ? "],\"usage\":null}" : "]}");
  AppendEvent(chunk, encoding_.framing, frames);
}

void StreamEncoder::AppendUsage(const chat::v1::Usage& usage, Frames* frames) {
  if (!encoding_.include_usage) return;
  std::string chunk = absl::StrCat(head_, "\"choices\":[],\"usage\":");
  WriteUsage(usage, &chunk);
  chunk.push_back('}');
  AppendEvent(chunk, encoding_.framing, frames);
}

void StreamEncoder::AppendDone(Frames* frames) {
  AppendEvent("[DONE]", encoding_.framing, frames);
}

void AppendErrorEvent(const absl::Status& status,
                      model_router::v1::Framing framing, Frames* frames) {
  AppendEvent(EncodeError(status), framing, frames);
}

}  // namespace gateway::dialect::openai_chat
