#ifndef GATEWAY_COMMON_CONFIG_KEY_PATH_H_
#define GATEWAY_COMMON_CONFIG_KEY_PATH_H_

#include <absl/status/status.h>
#include <absl/strings/string_view.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <string>
#include <vector>

// Keys: the lowerCamelCase names of a message's fields.
namespace gateway::config {

// The field of a key; null if there is none.
const google::protobuf::FieldDescriptor* FindField(
    const google::protobuf::Descriptor& type, absl::string_view key);

// "unknown key \"ttll\"; did you mean \"ttl\"?", or the list of keys where
// nothing is near.
std::string UnknownKey(const google::protobuf::Descriptor& type,
                       absl::string_view key);

// Sets the scalar at `path` (a.b.c) from text, replacing what it was. NOT_FOUND
// for an unknown key; INVALID_ARGUMENT for a bad value, and for a key inside a
// map or a list, which only the file can hold.
absl::Status SetPath(absl::string_view path, absl::string_view text,
                     google::protobuf::Message* message);

// `a.bC` for `A__B_C`.
std::string KeyOfVariable(absl::string_view suffix);

}  // namespace gateway::config

#endif  // GATEWAY_COMMON_CONFIG_KEY_PATH_H_
