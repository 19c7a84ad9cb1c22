#ifndef GATEWAY_COMMON_DIALECT_JSON_WRITE_H_
#define GATEWAY_COMMON_DIALECT_JSON_WRITE_H_

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace gateway::dialect {

// Appends `text`, which is UTF-8, as a JSON string with its quotes.
void AppendJsonString(absl::string_view text, std::string* out);
// The shortest spelling that reads back as the same double; null if there is
// none (infinities).
void AppendJsonDouble(double value, std::string* out);

// Writes one JSON object to the end of a string: the brace at construction, the
// other at destruction. The same key is not to be given twice.
// Thread-compatible.
//
//   JsonObject message(&out);
//   message.String("role", "user");
//   { JsonObject nested(message.Member("function")); ... }
class JsonObject {
 public:
  // `out` must outlive this.
  explicit JsonObject(std::string* out) : out_(out) { out_->push_back('{'); }
  ~JsonObject() { out_->push_back('}'); }
  JsonObject(const JsonObject&) = delete;
  JsonObject& operator=(const JsonObject&) = delete;

  void String(absl::string_view key, absl::string_view value);
  void Int(absl::string_view key, int64_t value);
  void Double(absl::string_view key, double value);
  void Bool(absl::string_view key, bool value);
  void Null(absl::string_view key) { Raw(key, "null"); }
  // `json` is a value.
  void Raw(absl::string_view key, absl::string_view json);
  // The caller appends the value.
  std::string* Member(absl::string_view key);

 private:
  std::string* out_;
  bool first_ = true;
};

// The same for an array.
class JsonArray {
 public:
  explicit JsonArray(std::string* out) : out_(out) { out_->push_back('['); }
  ~JsonArray() { out_->push_back(']'); }
  JsonArray(const JsonArray&) = delete;
  JsonArray& operator=(const JsonArray&) = delete;

  // The caller appends the value.
  std::string* Element();

 private:
  std::string* out_;
  bool first_ = true;
};

}  // namespace gateway::dialect

#endif  // GATEWAY_COMMON_DIALECT_JSON_WRITE_H_
