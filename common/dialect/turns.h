#ifndef GATEWAY_COMMON_DIALECT_TURNS_H_
#define GATEWAY_COMMON_DIALECT_TURNS_H_

#include <string>

#include "gateway/chat/v1/chat.pb.h"

namespace gateway::dialect {

// System text comes from each request and is no part of a turn.
bool IsSystem(const chat::v1::Message& message);

// The texts of all system and developer messages, an empty line between them.
// Empty if there is none.
std::string SystemTextOf(
    const google::protobuf::RepeatedPtrField<chat::v1::Message>& messages);

// The other messages, in order.
google::protobuf::RepeatedPtrField<chat::v1::Message> WithoutSystem(
    google::protobuf::RepeatedPtrField<chat::v1::Message> messages);

}  // namespace gateway::dialect

#endif  // GATEWAY_COMMON_DIALECT_TURNS_H_
