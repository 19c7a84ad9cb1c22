#include "common/dialect/json_write.h"

#include <charconv>
#include <cmath>

#include "absl/strings/str_cat.h"

namespace gateway::dialect {

void AppendJsonString(absl::string_view text, std::string* out) {
  static constexpr char kHex[] = "0123456789abcdef";
  out->push_back('"');
  size_t plain = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const unsigned char c = text[i];
    if (c > 0x1F && c != '"' && c != '\\') continue;
    out->append(text.data() + plain, i - plain);
    plain = i + 1;
    switch (c) {
      case '"':
        out->append("\\\"");
        break;
      case '\\':
        out->append("\\\\");
        break;
      case '\n':
        out->append("\\n");
        break;
      case '\r':
        out->append("\\r");
        break;
      case '\t':
        out->append("\\t");
        break;
      default:
        out->append("\\u00");
        out->push_back(kHex[c >> 4]);
        out->push_back(kHex[c & 15]);
    }
  }
  out->append(text.data() + plain, text.size() - plain);
  out->push_back('"');
}

void AppendJsonDouble(double value, std::string* out) {
  if (!std::isfinite(value)) {
    out->append("null");
    return;
  }
  char buffer[32];
  const auto result = std::to_chars(buffer, buffer + sizeof(buffer), value);
  out->append(buffer, result.ptr - buffer);
}

std::string* JsonObject::Member(absl::string_view key) {
  if (!first_) out_->push_back(',');
  first_ = false;
  AppendJsonString(key, out_);
  out_->push_back(':');
  return out_;
}

void JsonObject::String(absl::string_view key, absl::string_view value) {
  AppendJsonString(value, Member(key));
}

void JsonObject::Int(absl::string_view key, int64_t value) {
  absl::StrAppend(Member(key), value);
}

void JsonObject::Double(absl::string_view key, double value) {
  AppendJsonDouble(value, Member(key));
}

void JsonObject::Bool(absl::string_view key, bool value) {
  Raw(key, value ? "true" : "false");
}

void JsonObject::Raw(absl::string_view key, absl::string_view json) {
  Member(key)->append(json.data(), json.size());
}

std::string* JsonArray::Element() {
  if (!first_) out_->push_back(',');
  first_ = false;
  return out_;
}

}  // namespace gateway::dialect
