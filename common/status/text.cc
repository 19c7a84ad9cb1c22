#include "common/status/text.h"

namespace gateway {
namespace {

bool IsContinuation(char c) { return (c & 0xC0) == 0x80; }

}  // namespace

size_t Utf8CharacterLength(absl::string_view text) {
  if (text.empty()) return 0;
  const auto byte = [&](size_t i) {
    return static_cast<unsigned char>(text[i]);
  };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return 1;
  size_t length = 0;
  if (lead >= 0xC2 && lead <= 0xDF) length = 2;
  if (lead >= 0xE0 && lead <= 0xEF) length = 3;
  if (lead >= 0xF0 && lead <= 0xF4) length = 4;
  if (length == 0 || text.size() < length) return 0;
  for (size_t i = 1; i < length; ++i) {
    if (!IsContinuation(text[i])) return 0;
  }
  // Overlong forms, surrogates, and what lies beyond U+10FFFF.
  if (lead == 0xE0 && byte(1) < 0xA0) return 0;
  if (lead == 0xED && byte(1) > 0x9F) return 0;
  if (lead == 0xF0 && byte(1) < 0x90) return 0;
  if (lead == 0xF4 && byte(1) > 0x8F) return 0;
  return length;
}

std::string CleanText(absl::string_view text, size_t max_bytes) {
  std::string clean;
  clean.reserve(text.size() < max_bytes ? text.size() : max_bytes);
  size_t cut = 0;  // where "..." goes if the rest does not fit
  while (!text.empty()) {
    size_t length = Utf8CharacterLength(text);
    const bool valid = length > 0;
    if (!valid) length = 1;
    if (clean.size() + length > max_bytes) {
      clean.resize(cut);
      clean += "...";
      return clean;
    }
    if (valid) {
      clean.append(text.data(), length);
    } else {
      clean.push_back('?');
    }
    if (clean.size() + 3 <= max_bytes) cut = clean.size();
    text.remove_prefix(length);
  }
  return clean;
}

}  // namespace gateway
