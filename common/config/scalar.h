#ifndef GATEWAY_COMMON_CONFIG_SCALAR_H_
#define GATEWAY_COMMON_CONFIG_SCALAR_H_

#include <absl/status/statusor.h>
#include <absl/strings/string_view.h>
#include <absl/time/time.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <cstdint>
#include <string>

// Single values, from the text in which people write them.
namespace gateway::config {

// Whole seconds or a number with ms, s, m or h. Never negative.
absl::StatusOr<absl::Duration> ParseDuration(absl::string_view text);

// Digits with an optional sign and KiB, MiB or GiB.
absl::StatusOr<int64_t> ParseInteger(absl::string_view text);

absl::StatusOr<bool> ParseBool(absl::string_view text);

// Whether a field takes one value: a number, text, bool, enum or duration.
bool IsScalar(const google::protobuf::FieldDescriptor& field);

// What a field accepts, for people: "a duration such as 90s".
std::string AcceptedForm(const google::protobuf::FieldDescriptor& field);

// The way an enum's value is written: `off` for CONTENTS_OFF of Contents.
std::string EnumText(const google::protobuf::EnumValueDescriptor& value);

// Sets the field, or appends to it if it is repeated. INVALID_ARGUMENT with
// the accepted form. Precondition: IsScalar(field).
absl::Status SetScalar(const google::protobuf::FieldDescriptor& field,
                       absl::string_view text,
                       google::protobuf::Message* message);

}  // namespace gateway::config

#endif  // GATEWAY_COMMON_CONFIG_SCALAR_H_
