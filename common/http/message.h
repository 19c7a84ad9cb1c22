#ifndef GATEWAY_COMMON_HTTP_MESSAGE_H_
#define GATEWAY_COMMON_HTTP_MESSAGE_H_

#include <absl/strings/string_view.h>

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace gateway::http {

// One header field. The views belong to the Headers that gave it out and last
// until that is changed.
struct Header {
  absl::string_view name;
  absl::string_view value;
};

// Header fields in the order of the wire. All text lives in one string, so that
// a reused object allocates nothing. Names compare without case.
// Thread-compatible.
class Headers {
 public:
  Headers() = default;
  // Not inside the operand of a co_await: GCC 12 cannot compile that.
  Headers(std::initializer_list<Header> fields);

  // Appends; an equal name may stand more than once.
  void Add(absl::string_view name, absl::string_view value);
  // Replaces every field of this name by one.
  void Set(absl::string_view name, absl::string_view value);
  void Remove(absl::string_view name);

  // The first value, or nothing.
  std::optional<absl::string_view> Find(absl::string_view name) const;
  bool Has(absl::string_view name) const { return Find(name).has_value(); }

  size_t size() const { return fields_.size(); }
  bool empty() const { return fields_.empty(); }
  Header operator[](size_t i) const;
  // Keeps the memory.
  void Clear();

  class Iterator {
   public:
    Iterator(const Headers* headers, size_t i) : headers_(headers), i_(i) {}
    Header operator*() const { return (*headers_)[i_]; }
    Iterator& operator++() {
      ++i_;
      return *this;
    }
    bool operator!=(const Iterator& other) const { return i_ != other.i_; }

   private:
    const Headers* headers_;
    size_t i_;
  };
  Iterator begin() const { return Iterator(this, 0); }
  Iterator end() const { return Iterator(this, size()); }

 private:
  friend class HeadParser;

  struct Field {
    uint32_t name_at, name_size, value_at, value_size;
  };

  std::string text_;
  std::vector<Field> fields_;
};

// A request as the server hands it to its handler.
struct Request {
  std::string method;
  // As sent: escapes are not touched.
  std::string target;
  // Without scheme, host and query; escapes are not touched.
  absl::string_view path() const;
  // Behind the first '?', empty if there is none.
  absl::string_view query() const;
  Headers headers;
  std::string body;
  // 0 or 1 for HTTP/1.0 and HTTP/1.1.
  int minor_version = 1;
  // What the client asked for; the server may still close.
  bool keep_alive = true;
  // Set before the body is read; nothing for a chunked body.
  std::optional<uint64_t> content_length;
  // Address of the other end, without the port.
  std::string peer;
};

struct Response {
  int status = 200;
  Headers headers;
  std::string body;
};

// The text that stands behind the code in a status line.
absl::string_view ReasonPhrase(int status);

// Whether `name` is a token and `value` free of control characters: what may be
// written to the wire.
bool IsValidHeader(absl::string_view name, absl::string_view value);

}  // namespace gateway::http

#endif  // GATEWAY_COMMON_HTTP_MESSAGE_H_
