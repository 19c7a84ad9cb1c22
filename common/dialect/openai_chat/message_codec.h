#ifndef GATEWAY_COMMON_DIALECT_OPENAI_CHAT_MESSAGE_CODEC_H_
#define GATEWAY_COMMON_DIALECT_OPENAI_CHAT_MESSAGE_CODEC_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "common/dialect/json_ref.h"
#include "common/dialect/json_write.h"
#include "gateway/chat/v1/chat.pb.h"

namespace gateway::dialect::openai_chat {

// How messages are spelled for one reader, where readers differ.
struct MessageEncoding {
  // The member that takes a model's reasoning: `reasoning_content`, `reasoning`
  // or, for a reader that refuses both, empty: the reasoning is left out.
  std::string reasoning_field;
  // For servers that do not know the role `developer`.
  bool developer_as_system = false;
  // The messages are stored answers, not the caller's words: members that only
  // answers have are left out.
  bool from_store = false;
};

// What a message is decoded from.
enum class MessageSource {
  // A caller's request: kept as spelled, so that it encodes to the same JSON.
  kRequest,
  // A provider's answer: empty texts and lists are noise.
  kAnswer,
};

// Reads one element of `messages`, or the `message` of a choice. `param` names
// it in errors. INVALID_ARGUMENT if a member has a type that no reader takes.
absl::Status DecodeMessage(JsonRef json, absl::string_view param,
                           MessageSource source, chat::v1::Message* message);

// Appends `message` as one element, or as several: each tool result is an
// element of its own. INVALID_ARGUMENT if the dialect has no place for
// something that the caller said; what a model said elsewhere and no place
// takes (signatures, foreign parts) is left out.
absl::Status AppendMessage(const chat::v1::Message& message,
                           absl::string_view param,
                           const MessageEncoding& encoding, JsonArray* out);

// The members of an assistant's message without its role, into an object that
// is open: `content`, `refusal`, reasoning, `tool_calls` and what is unknown.
void WriteAnswerMembers(const chat::v1::Message& message,
                        const MessageEncoding& encoding, JsonObject* out);

// One call as it stands in `tool_calls`.
void WriteToolCall(const chat::v1::ToolCall& call, std::string* out);
// False if it is no call that the typed form can hold.
bool DecodeToolCall(JsonRef json, chat::v1::ToolCall* call);

}  // namespace gateway::dialect::openai_chat

#endif  // GATEWAY_COMMON_DIALECT_OPENAI_CHAT_MESSAGE_CODEC_H_
