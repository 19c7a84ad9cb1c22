#include "common/dialect/json_ref.h"

#include <utility>

namespace gateway::dialect {

JsonType JsonRef::type() const { return JsonScanner(raw_).Peek(); }

bool JsonRef::absent() const {
  const JsonType found = type();
  return found == JsonType::kNull || found == JsonType::kInvalid;
}

std::optional<std::string> JsonRef::AsString() const {
  JsonScanner scan(raw_);
  JsonString value;
  if (scan.Peek() != JsonType::kString || !scan.ReadString(&value)) {
    return std::nullopt;
  }
  return value.Decode();
}

std::optional<int64_t> JsonRef::AsInt64() const {
  JsonScanner scan(raw_);
  absl::string_view number;
  int64_t value;
  if (scan.Peek() != JsonType::kNumber || !scan.ReadNumber(&number) ||
      !ParseInt64(number, &value)) {
    return std::nullopt;
  }
  return value;
}

std::optional<double> JsonRef::AsDouble() const {
  JsonScanner scan(raw_);
  absl::string_view number;
  double value;
  if (scan.Peek() != JsonType::kNumber || !scan.ReadNumber(&number) ||
      !ParseDouble(number, &value)) {
    return std::nullopt;
  }
  return value;
}

std::optional<bool> JsonRef::AsBool() const {
  JsonScanner scan(raw_);
  bool value;
  if (scan.Peek() != JsonType::kBool || !scan.ReadBool(&value)) {
    return std::nullopt;
  }
  return value;
}

std::vector<JsonMember> JsonRef::Members() const {
  std::vector<JsonMember> members;
  JsonScanner scan(raw_);
  if (scan.Peek() != JsonType::kObject || !scan.BeginObject()) return members;
  JsonString key;
  absl::string_view raw;
  while (scan.NextMember(&key) && scan.SkipValue(&raw)) {
    members.push_back({key.Decode(), JsonRef(raw)});
  }
  return members;
}

std::vector<JsonRef> JsonRef::Elements() const {
  std::vector<JsonRef> elements;
  JsonScanner scan(raw_);
  if (scan.Peek() != JsonType::kArray || !scan.BeginArray()) return elements;
  absl::string_view raw;
  while (scan.NextElement() && scan.SkipValue(&raw)) {
    elements.push_back(JsonRef(raw));
  }
  return elements;
}

JsonRef JsonRef::Get(absl::string_view key) const {
  JsonRef found;
  JsonScanner scan(raw_);
  if (scan.Peek() != JsonType::kObject || !scan.BeginObject()) return found;
  JsonString name;
  absl::string_view raw;
  while (scan.NextMember(&name) && scan.SkipValue(&raw)) {
    if (name.Spells(key)) found = JsonRef(raw);
  }
  return found;
}

std::optional<JsonRef> ParseJson(absl::string_view text) {
  JsonScanner scan(text);
  absl::string_view raw;
  if (!scan.SkipValue(&raw) || !scan.Finish()) return std::nullopt;
  return JsonRef(raw);
}

}  // namespace gateway::dialect
