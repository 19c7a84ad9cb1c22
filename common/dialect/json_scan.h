#ifndef GATEWAY_COMMON_DIALECT_JSON_SCAN_H_
#define GATEWAY_COMMON_DIALECT_JSON_SCAN_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace gateway::dialect {

enum class JsonType : uint8_t {
  kInvalid,  // no value begins here, or the text has ended
  kNull,
  kBool,
  kNumber,
  kString,
  kArray,
  kObject,
};

// "a string", "an array", ...: for messages to the caller.
absl::string_view JsonTypeName(JsonType type);

// A string token as it stands in the text.
struct JsonString {
  // Between the quotes, escapes untouched.
  absl::string_view raw;
  bool escaped = false;

  // What it spells.
  std::string Decode() const;
  // Whether it spells `text`, which must need no escapes.
  bool Spells(absl::string_view text) const {
    return escaped ? Decode() == text : raw == text;
  }
};

// Walks JSON text (RFC 8259) once and strictly, without building anything: the
// reader of the hot path. It gives byte offsets and values as they are spelled,
// which is what forwarding byte for byte needs, and reports the first fault.
// simdjson costs about the same here, wants its text copied behind a padding,
// and its on-demand reader does not check the grammar of what it skips.
// Escapes that spell half a surrogate pair are faults: no UTF-8 can carry them.
//
// The caller asks for what it expects: Peek, then the call that consumes it. A
// call that finds a fault returns false and so does every later one; ok() tells
// the end of a container from a fault. Invalid UTF-8 is found by Finish alone.
//
// Thread-compatible. `text` must outlive the scanner and what it returns.
class JsonScanner {
 public:
  // Containers may nest this deep; deeper is a fault.
  static constexpr int kMaxDepth = 128;

  explicit JsonScanner(absl::string_view text)
      : begin_(text.data()), at_(begin_), end_(begin_ + text.size()) {}

  // Skips white space and says what begins there.
  JsonType Peek();

  // Consume one value of that type.
  bool ReadString(JsonString* value);
  // As spelled.
  bool ReadNumber(absl::string_view* value);
  bool ReadBool(bool* value);
  bool ReadNull();
  // Any value, with all in it. `raw`, if given, receives its text.
  bool SkipValue(absl::string_view* raw = nullptr);

  // while (scan.NextMember(&key)) { ... consume one value ... }
  bool BeginObject();
  bool NextMember(JsonString* key);
  // while (scan.NextElement()) { ... consume one value ... }
  bool BeginArray();
  bool NextElement();

  // Nothing but white space is left, and all of the text is UTF-8.
  bool Finish();
  // Bytes beyond ASCII may have been passed.
  bool non_ascii() const { return non_ascii_; }

  bool ok() const { return fault_ == nullptr; }
  // Of the next byte; after Peek, of the value's first. On a fault, of that.
  size_t offset() const { return static_cast<size_t>(at_ - begin_); }
  // What is wrong, for people. Null while ok().
  const char* fault() const { return fault_; }

 private:
  bool Fail(const char* fault);
  void SkipSpace();
  // After the opening quote; stops after the closing one.
  bool ScanString(bool* escaped);
  bool ScanEscape();
  bool ScanNumber();
  bool ScanLiteral(absl::string_view literal);
  bool ScanScalar();

  const char* begin_;
  const char* at_;
  const char* end_;
  const char* fault_ = nullptr;
  int depth_ = 0;
  // A container was entered and nothing in it has been asked for yet.
  bool at_start_ = false;
  bool non_ascii_ = false;
};

// Whether all of `text` is UTF-8.
bool IsUtf8(absl::string_view text);

// The number that `text` spells; false if it is no whole number in range.
// `1.0` and `1e3` are whole.
bool ParseInt64(absl::string_view text, int64_t* value);
bool ParseDouble(absl::string_view text, double* value);

}  // namespace gateway::dialect

#endif  // GATEWAY_COMMON_DIALECT_JSON_SCAN_H_
