#ifndef TESTS_FAKES_PROVIDER_JSON_H_
#define TESTS_FAKES_PROVIDER_JSON_H_

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

namespace fake_provider {

// Walks over JSON text once, front to back, without building a tree. A fault
// in the text sets ok() to false and every later call does nothing. Numbers
// and \u escapes are read leniently: this is a fake, not a validator.
class JsonCursor {
 public:
  explicit JsonCursor(std::string_view text) : text_(text) {}

  bool ok() const { return ok_; }
  // True if nothing but white space is left.
  bool AtEnd();
  // The first byte of the next value ('{', '[', '"', 't', 'n', …), or 0.
  char Peek();

  // Calls `field` for each key with the cursor before its value, which `field`
  // must read or Skip().
  void Object(const std::function<void(std::string_view key)>& field);
  void Array(const std::function<void()>& element);
  std::string String();
  // A string that need not be decoded: its raw bytes between the quotes.
  std::string_view RawString();
  bool Bool();
  long Integer();
  void Skip();

 private:
  bool Take(char c);
  void SkipSpace();
  void Fail() { ok_ = false; }

  std::string_view text_;
  size_t at_ = 0;
  int depth_ = 0;
  bool ok_ = true;
};

// The text of a raw JSON string.
std::string DecodeJsonString(std::string_view raw);

// Appends `text` with the escapes that JSON asks for, without quotes.
void AppendJsonEscaped(std::string_view text, std::string* out);

}  // namespace fake_provider

#endif  // TESTS_FAKES_PROVIDER_JSON_H_
