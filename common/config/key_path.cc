#include "common/config/key_path.h"

#include <absl/strings/ascii.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>
#include <absl/strings/str_split.h>

#include <algorithm>
#include <numeric>

#include "common/config/scalar.h"
#include "common/status/macros.h"

namespace gateway::config {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

// How many letters differ (Levenshtein).
size_t Distance(absl::string_view a, absl::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), 0);
  for (size_t i = 0; i < a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i + 1;
    for (size_t j = 0; j < b.size(); ++j) {
      const size_t change = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({row[j] + 1, row[j + 1] + 1, change});
    }
  }
  return row.back();
}

}  // namespace

const FieldDescriptor* FindField(const Descriptor& type,
                                 absl::string_view key) {
  for (int i = 0; i < type.field_count(); ++i) {
    if (type.field(i)->json_name() == key) return type.field(i);
  }
  return nullptr;
}

std::string UnknownKey(const Descriptor& type, absl::string_view key) {
  std::vector<std::string> keys;
  for (int i = 0; i < type.field_count(); ++i) {
    keys.push_back(type.field(i)->json_name());
  }
  const auto nearest = std::min_element(
      keys.begin(), keys.end(),
      [&](auto& a, auto& b) { return Distance(a, key) < Distance(b, key); });
  if (nearest != keys.end() && Distance(*nearest, key) <= key.size() / 3 + 1) {
    return absl::StrCat("unknown key \"", key, "\"; did you mean \"", *nearest,
                        "\"?");
  }
  std::sort(keys.begin(), keys.end());
  return absl::StrCat("unknown key \"", key, "\"; known are ",
                      absl::StrJoin(keys, ", "));
}

absl::Status SetPath(absl::string_view path, absl::string_view text,
                     Message* message) {
  const std::vector<std::string> keys = absl::StrSplit(path, '.');
  for (size_t i = 0; i < keys.size(); ++i) {
    const FieldDescriptor* field =
        FindField(*message->GetDescriptor(), keys[i]);
    if (field == nullptr) {
      return absl::NotFoundError(
          UnknownKey(*message->GetDescriptor(), keys[i]));
    }
    if (field->is_repeated()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "\"", keys[i], "\" is a map or a list: set it in the file"));
    }
    if (i + 1 < keys.size()) {
      if (IsScalar(*field)) {
        return absl::InvalidArgumentError(
            absl::StrCat("\"", keys[i], "\" has no keys below it"));
      }
      message = message->GetReflection()->MutableMessage(message, field);
      continue;
    }
    if (!IsScalar(*field)) {
      return absl::InvalidArgumentError(
          absl::StrCat("\"", keys[i], "\" holds other keys, not a value"));
    }
    return SetScalar(*field, text, message);
  }
  return absl::OkStatus();
}

std::string KeyOfVariable(absl::string_view suffix) {
  std::vector<std::string> keys;
  for (absl::string_view part : absl::StrSplit(suffix, "__")) {
    std::string key;
    bool upper = false;
    for (char c : part) {
      if (c == '_') {
        upper = true;
        continue;
      }
      key.push_back(upper ? absl::ascii_toupper(c) : absl::ascii_tolower(c));
      upper = false;
    }
    keys.push_back(key);
  }
  return absl::StrJoin(keys, ".");
}

}  // namespace gateway::config
