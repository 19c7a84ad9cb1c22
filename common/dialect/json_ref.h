#ifndef GATEWAY_COMMON_DIALECT_JSON_REF_H_
#define GATEWAY_COMMON_DIALECT_JSON_REF_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "common/dialect/json_scan.h"

namespace gateway::dialect {

struct JsonMember;

// A value inside JSON text, for decoders that need members in another order
// than the text has them. A view: `text` must outlive it, and must have passed
// a JsonScanner as a whole, up to Finish.
class JsonRef {
 public:
  // A value that is not there.
  JsonRef() = default;
  explicit JsonRef(absl::string_view text) : raw_(text) {}

  // As spelled. Empty if it is not there.
  absl::string_view raw() const { return raw_; }
  JsonType type() const;
  bool is(JsonType wanted) const { return type() == wanted; }
  // Not there, or null.
  bool absent() const;

  // nullopt if it is of another type, or no such number.
  std::optional<std::string> AsString() const;
  std::optional<int64_t> AsInt64() const;
  std::optional<double> AsDouble() const;
  std::optional<bool> AsBool() const;

  // Empty unless it is an object or an array.
  std::vector<JsonMember> Members() const;
  std::vector<JsonRef> Elements() const;
  // The last member of that name, as parsers take it.
  JsonRef Get(absl::string_view key) const;

 private:
  absl::string_view raw_;
};

struct JsonMember {
  std::string key;
  JsonRef value;
};

// The value that `text` is; nullopt if it is not valid JSON and UTF-8.
std::optional<JsonRef> ParseJson(absl::string_view text);

}  // namespace gateway::dialect

#endif  // GATEWAY_COMMON_DIALECT_JSON_REF_H_
