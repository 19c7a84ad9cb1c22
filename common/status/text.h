#ifndef GATEWAY_COMMON_STATUS_TEXT_H_
#define GATEWAY_COMMON_STATUS_TEXT_H_

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"

namespace gateway {

// The length of the well-formed UTF-8 character that `text` begins with, or 0
// if it begins with none (or is empty).
size_t Utf8CharacterLength(absl::string_view text);

// Valid UTF-8 of at most `max_bytes`: each byte that belongs to no character
// becomes '?', and a text that is too long is cut between characters and ends
// in "...". Strings of foreign origin go through it before they enter a
// protobuf message, which refuses anything else. Needs max_bytes >= 3.
std::string CleanText(absl::string_view text, size_t max_bytes);

}  // namespace gateway

#endif  // GATEWAY_COMMON_STATUS_TEXT_H_
