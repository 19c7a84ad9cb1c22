#ifndef GATEWAY_COMMON_DIALECT_OPENAI_CHAT_ANSWER_CODEC_H_
#define GATEWAY_COMMON_DIALECT_OPENAI_CHAT_ANSWER_CODEC_H_

#include <optional>
#include <string>
#include <variant>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "common/dialect/openai_chat/message_codec.h"
#include "common/dialect/provider_error.h"
#include "gateway/chat/v1/chat.pb.h"

namespace gateway::dialect::openai_chat {

// What a whole answer says beside its text.
struct AnswerSummary {
  std::string id;
  std::string model;
  // Of the first choice.
  chat::v1::FinishReason finish_reason = chat::v1::FINISH_REASON_UNSPECIFIED;
  std::optional<chat::v1::Usage> usage;
};

// Reads a 2xx body without building the answer: for bytes that go on as they
// are. It is a ProviderError if the body is no answer, holds an error, or lacks
// a finish reason that counts.
std::variant<AnswerSummary, ProviderError> SummarizeAnswer(
    absl::string_view body);

// The same, with all of it. Tool calls without an id get one.
std::variant<chat::v1::ChatResponse, ProviderError> DecodeAnswer(
    absl::string_view body);

// The body of a whole answer.
std::string EncodeAnswer(const chat::v1::ChatResponse& answer,
                         const MessageEncoding& encoding);

// nullopt for what is no finish reason of the dialect (`abort`, `error`).
std::optional<chat::v1::FinishReason> ParseFinishReason(absl::string_view name);
// "stop" if unspecified.
absl::string_view FinishReasonName(chat::v1::FinishReason reason);

// An id for a call that came without one: the same for the same answer, choice
// and call, so that whole and streamed answers agree.
std::string MakeToolCallId(absl::string_view answer_id, int32_t choice,
                           int32_t call);

// The value of `logprobs`, null ones too.
void DecodeLogprobs(
    JsonRef json,
    google::protobuf::RepeatedPtrField<chat::v1::TokenLogprob>* logprobs);
void WriteLogprobs(
    const google::protobuf::RepeatedPtrField<chat::v1::TokenLogprob>& logprobs,
    std::string* out);

// Top-level members of an answer that have a place in ChatResponse; all others
// are kept opaque. For the check of docs/dialects.md.
absl::Span<const absl::string_view> AnswerFields();

}  // namespace gateway::dialect::openai_chat

#endif  // GATEWAY_COMMON_DIALECT_OPENAI_CHAT_ANSWER_CODEC_H_
