#ifndef GATEWAY_COMMON_HTTP_HEAD_PARSER_H_
#define GATEWAY_COMMON_HTTP_HEAD_PARSER_H_

#include <absl/strings/string_view.h>

#include <cstddef>
#include <cstdint>
#include <optional>

#include "common/http/message.h"

namespace gateway::http {

// How the body behind a head is delimited.
struct Framing {
  enum class Kind { kNone, kLength, kChunked, kUntilClose };
  Kind kind = Kind::kNone;
  uint64_t length = 0;
};

// Finds and reads the head of one HTTP/1 message. A head is looked for as bytes
// arrive and parsed once, when it is whole. Strict: whatever two parsers might
// read differently (bare LF or CR, folded lines, space before a colon, two
// lengths, a length beside a transfer coding) is refused. Thread-compatible.
class HeadParser {
 public:
  enum class State { kIncomplete, kComplete, kBad };

  // Looks for the end of the head in `bytes`, which is what came so far and on
  // a further call only grows at its end. After kComplete, which further calls
  // repeat, head_size() bytes of it are the head.
  State Find(absl::string_view bytes);
  size_t head_size() const { return scanned_; }
  // For the next message.
  void Reset() {
    scanned_ = 0;
    complete_ = false;
  }

  // `head` is a whole head, as Find delimits it. False for a malformed one;
  // error() then says why. Headers and Framing are overwritten.
  bool ParseRequest(absl::string_view head, Request& request, Framing& framing);
  // `to_head`: the request was a HEAD, so no body follows. `keep_alive` says
  // whether the other end will keep the connection.
  bool ParseResponse(absl::string_view head, bool to_head, int& status,
                     Headers& headers, Framing& framing, bool& keep_alive);

  // A text for the other end; names no content of the message.
  absl::string_view error() const { return error_; }
  // The status that answers the error: 400, 501 or 505.
  int error_status() const { return error_status_; }

 private:
  // What the fields say about the body and the connection.
  struct Facts {
    std::optional<uint64_t> length;
    bool chunked = false;
    bool close = false;
    bool keep_alive = false;
    int hosts = 0;
  };

  bool Fail(absl::string_view error, int status = 400);
  // Parses the lines behind the first one.
  bool ParseFields(absl::string_view head, size_t at, Headers& headers,
                   Facts& facts);
  bool ReadFact(absl::string_view name, absl::string_view value, Facts& facts);

  size_t scanned_ = 0;
  bool complete_ = false;
  absl::string_view error_;
  int error_status_ = 400;
};

}  // namespace gateway::http

#endif  // GATEWAY_COMMON_HTTP_HEAD_PARSER_H_
