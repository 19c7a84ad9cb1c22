#include "common/dialect/openai_chat/answer_codec.h"

#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/dialect/json_ref.h"
#include "common/dialect/json_write.h"
#include "common/dialect/opaque.h"
#include "common/dialect/openai_chat/envelope.h"
#include "common/dialect/openai_chat/error_codec.h"
#include "common/dialect/openai_chat/usage.h"

namespace gateway::dialect::openai_chat {
namespace {

using chat::v1::ChatResponse;
using chat::v1::Choice;
using chat::v1::ContentPart;
using chat::v1::TokenLogprob;
using Logprobs = google::protobuf::RepeatedPtrField<TokenLogprob>;

constexpr absl::string_view kFields[] = {"id",    "object",  "created",
                                         "model", "choices", "usage"};

constexpr std::pair<absl::string_view, chat::v1::FinishReason> kReasons[] = {
    {"stop", chat::v1::FINISH_REASON_STOP},
    {"length", chat::v1::FINISH_REASON_LENGTH},
    {"tool_calls", chat::v1::FINISH_REASON_TOOL_CALLS},
    {"content_filter", chat::v1::FINISH_REASON_CONTENT_FILTER},
    // The predecessor of tool_calls.
    {"function_call", chat::v1::FINISH_REASON_TOOL_CALLS},
    // What compatible servers let through of the engine or API behind them.
    {"eos", chat::v1::FINISH_REASON_STOP},
    {"eos_token", chat::v1::FINISH_REASON_STOP},
    {"end_turn", chat::v1::FINISH_REASON_STOP},
    {"pause_turn", chat::v1::FINISH_REASON_STOP},
    {"stop_sequence", chat::v1::FINISH_REASON_STOP},
    {"max_tokens", chat::v1::FINISH_REASON_LENGTH},
    {"model_length", chat::v1::FINISH_REASON_LENGTH},
    {"model_context_window_exceeded", chat::v1::FINISH_REASON_LENGTH},
    {"tool_use", chat::v1::FINISH_REASON_TOOL_CALLS},
    {"refusal", chat::v1::FINISH_REASON_CONTENT_FILTER},
    {"safety", chat::v1::FINISH_REASON_CONTENT_FILTER},
    {"recitation", chat::v1::FINISH_REASON_CONTENT_FILTER},
    {"blocklist", chat::v1::FINISH_REASON_CONTENT_FILTER},
    {"prohibited_content", chat::v1::FINISH_REASON_CONTENT_FILTER},
    {"spii", chat::v1::FINISH_REASON_CONTENT_FILTER},
};

uint64_t Fnv1a(absl::string_view text) {
  uint64_t hash = 14695981039346656037u;
  for (const unsigned char c : text) hash = (hash ^ c) * 1099511628211u;
  return hash;
}

ProviderError UnknownFinish(absl::string_view name) {
  return BrokenAnswer(
      absl::StrCat("ended its answer with '", name.substr(0, 64), "'"));
}

TokenLogprob DecodeLogprob(JsonRef json) {
  TokenLogprob logprob;
  logprob.set_token(json.Get("token").AsString().value_or(""));
  logprob.set_logprob(json.Get("logprob").AsDouble().value_or(0));
  for (const JsonRef byte : json.Get("bytes").Elements()) {
    logprob.mutable_token_bytes()->push_back(
        static_cast<char>(byte.AsInt64().value_or(0)));
  }
  for (const JsonRef top : json.Get("top_logprobs").Elements()) {
    *logprob.add_top() = DecodeLogprob(top);
  }
  return logprob;
}

void WriteLogprob(const TokenLogprob& logprob, bool top, std::string* out) {
  JsonObject object(out);
  object.String("token", logprob.token());
  object.Double("logprob", logprob.logprob());
  if (logprob.token_bytes().empty()) {
    object.Null("bytes");
  } else {
    JsonArray bytes(object.Member("bytes"));
    for (const unsigned char byte : logprob.token_bytes()) {
      absl::StrAppend(bytes.Element(), static_cast<int>(byte));
    }
  }
  if (top) return;
  JsonArray tops(object.Member("top_logprobs"));
  for (const TokenLogprob& other : logprob.top()) {
    WriteLogprob(other, /*top=*/true, tops.Element());
  }
}

// What both readers begin with: the members, or why there are none.
std::variant<JsonRef, ProviderError> Open(absl::string_view body) {
  const std::optional<JsonRef> json = ParseJson(body);
  if (!json.has_value() || !json->is(JsonType::kObject)) {
    return BrokenAnswer("sent an answer that is not JSON");
  }
  if (const JsonRef error = json->Get("error"); !error.absent()) {
    return DecodeErrorValue(error);
  }
  return *json;
}

}  // namespace

std::optional<chat::v1::FinishReason> ParseFinishReason(
    absl::string_view name) {
  for (const auto& [spelling, reason] : kReasons) {
    if (absl::EqualsIgnoreCase(name, spelling)) return reason;
  }
  return std::nullopt;
}

absl::string_view FinishReasonName(chat::v1::FinishReason reason) {
  for (const auto& [spelling, value] : kReasons) {
    if (reason == value) return spelling;
  }
  return "stop";
}

std::string MakeToolCallId(absl::string_view answer_id, int32_t choice,
                           int32_t call) {
  return absl::StrFormat(
      "call_%016x", Fnv1a(absl::StrCat(answer_id, "/", choice, "/", call)));
}

void DecodeLogprobs(JsonRef json, Logprobs* logprobs) {
  for (const JsonRef token : json.Get("content").Elements()) {
    *logprobs->Add() = DecodeLogprob(token);
  }
}

void WriteLogprobs(const Logprobs& logprobs, std::string* out) {
  if (logprobs.empty()) {
    out->append("null");
    return;
  }
  JsonObject object(out);
  JsonArray content(object.Member("content"));
  for (const TokenLogprob& logprob : logprobs) {
    WriteLogprob(logprob, /*top=*/false, content.Element());
  }
}

std::variant<AnswerSummary, ProviderError> SummarizeAnswer(
    absl::string_view body) {
  auto opened = Open(body);
  if (auto* error = std::get_if<ProviderError>(&opened)) {
    return std::move(*error);
  }
  AnswerSummary summary;
  bool any = false;
  for (const JsonMember& member : std::get<JsonRef>(opened).Members()) {
    if (member.key == "id") {
      summary.id = member.value.AsString().value_or("");
    } else if (member.key == "model") {
      summary.model = member.value.AsString().value_or("");
    } else if (member.key == "usage") {
      summary.usage = DecodeUsage(member.value);
    } else if (member.key == "choices") {
      for (const JsonRef choice : member.value.Elements()) {
        const std::string name =
            choice.Get("finish_reason").AsString().value_or("");
        if (name.empty()) {
          return BrokenAnswer("sent an answer without a finish reason");
        }
        const std::optional<chat::v1::FinishReason> reason =
            ParseFinishReason(name);
        if (!reason.has_value()) return UnknownFinish(name);
        if (!any) summary.finish_reason = *reason;
        any = true;
      }
    }
  }
  if (!any) return BrokenAnswer("sent an answer without choices");
  return summary;
}

std::variant<ChatResponse, ProviderError> DecodeAnswer(absl::string_view body) {
  auto opened = Open(body);
  if (auto* error = std::get_if<ProviderError>(&opened)) {
    return std::move(*error);
  }
  ChatResponse answer;
  ExtraMembers extras;
  for (const JsonMember& member : std::get<JsonRef>(opened).Members()) {
    const absl::string_view key = member.key;
    if (member.value.absent() || key == "object") continue;
    if (key == "id") {
      answer.set_id(member.value.AsString().value_or(""));
    } else if (key == "model") {
      answer.set_model(member.value.AsString().value_or(""));
    } else if (key == "created") {
      answer.mutable_create_time()->set_seconds(
          member.value.AsInt64().value_or(0));
    } else if (key == "usage") {
      if (std::optional<chat::v1::Usage> usage = DecodeUsage(member.value);
          usage.has_value()) {
        *answer.mutable_usage() = *std::move(usage);
      }
    } else if (key == "choices") {
      for (const JsonRef json : member.value.Elements()) {
        Choice* choice = answer.add_choices();
        choice->set_index(static_cast<int32_t>(
            json.Get("index").AsInt64().value_or(answer.choices_size() - 1)));
        const std::string name =
            json.Get("finish_reason").AsString().value_or("");
        if (name.empty()) {
          return BrokenAnswer("sent an answer without a finish reason");
        }
        const std::optional<chat::v1::FinishReason> reason =
            ParseFinishReason(name);
        if (!reason.has_value()) return UnknownFinish(name);
        choice->set_finish_reason(*reason);
        if (!DecodeMessage(json.Get("message"), "message",
                           MessageSource::kAnswer, choice->mutable_message())
                 .ok()) {
          return BrokenAnswer("sent an answer without a message");
        }
        choice->mutable_message()->set_role(chat::v1::ROLE_ASSISTANT);
        DecodeLogprobs(json.Get("logprobs"), choice->mutable_logprobs());
      }
    } else {
      extras.Add(key, member.value);
    }
  }
  if (answer.choices().empty()) {
    return BrokenAnswer("sent an answer without choices");
  }
  extras.AppendTo(kDialect, answer.mutable_extras());
  for (Choice& choice : *answer.mutable_choices()) {
    int32_t call = 0;
    for (ContentPart& part : *choice.mutable_message()->mutable_content()) {
      if (!part.has_tool_call()) continue;
      if (part.tool_call().id().empty()) {
        part.mutable_tool_call()->set_id(
            MakeToolCallId(answer.id(), choice.index(), call));
      }
      ++call;
    }
  }
  return answer;
}

std::string EncodeAnswer(const ChatResponse& answer,
                         const MessageEncoding& encoding) {
  std::string body;
  {
    JsonObject object(&body);
    object.String("id", answer.id());
    object.String("object", "chat.completion");
    object.Int("created", answer.create_time().seconds());
    object.String("model", answer.model());
    {
      JsonArray choices(object.Member("choices"));
      for (const Choice& choice : answer.choices()) {
        JsonObject item(choices.Element());
        item.Int("index", choice.index());
        {
          JsonObject message(item.Member("message"));
          message.String("role", "assistant");
          WriteAnswerMembers(choice.message(), encoding, &message);
        }
        WriteLogprobs(choice.logprobs(), item.Member("logprobs"));
        item.String("finish_reason", FinishReasonName(choice.finish_reason()));
      }
    }
    if (answer.has_usage()) WriteUsage(answer.usage(), object.Member("usage"));
    std::vector<absl::string_view> written;
    const std::vector<JsonMember> extras = MembersOf(answer.extras(), kDialect);
    for (const JsonMember& member : extras) {
      bool taken = false;
      for (absl::string_view key : kFields) taken |= key == member.key;
      for (absl::string_view key : written) taken |= key == member.key;
      if (taken) continue;
      written.push_back(member.key);
      object.Raw(member.key, member.value.raw());
    }
  }
  return body;
}

absl::Span<const absl::string_view> AnswerFields() { return kFields; }

}  // namespace gateway::dialect::openai_chat
