#ifndef GATEWAY_COMMON_DIALECT_OPENAI_CHAT_USAGE_H_
#define GATEWAY_COMMON_DIALECT_OPENAI_CHAT_USAGE_H_

#include <optional>
#include <string>

#include "common/dialect/json_ref.h"
#include "gateway/chat/v1/chat.pb.h"

namespace gateway::dialect::openai_chat {

// A `usage` object as tokens of one attempt. nullopt if the counts are missing,
// all zero, negative or beyond a thousand million: then there is no usage.
// Details that do not fit their sum are dropped and the sum is kept.
std::optional<chat::v1::Usage> DecodeUsage(JsonRef json);

// The `usage` of a whole answer's body, also of one that is no good otherwise.
std::optional<chat::v1::Usage> FindUsage(absl::string_view body);

// Appends `usage` as a `usage` object.
void WriteUsage(const chat::v1::Usage& usage, std::string* out);

}  // namespace gateway::dialect::openai_chat

#endif  // GATEWAY_COMMON_DIALECT_OPENAI_CHAT_USAGE_H_
