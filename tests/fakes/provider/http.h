#ifndef TESTS_FAKES_PROVIDER_HTTP_H_
#define TESTS_FAKES_PROVIDER_HTTP_H_

#include <cstddef>
#include <string>
#include <string_view>

namespace fake_provider {

// One HTTP/1.x request as it came.
struct Request {
  // Request line and headers, byte for byte, with the empty line at the end.
  std::string head;
  // The decoded body (chunked framing removed).
  std::string body;
  std::string method;
  std::string target;
  bool http10 = false;
  // What the client wants of the connection after this answer.
  bool keep_alive = true;

  // The first header of that name, case ignored; empty if there is none.
  std::string_view Header(std::string_view name) const;
};

// Reads one request from bytes cut anywhere. Bounds: a head of 64 KiB (else
// error 431), a body of 64 MiB (else 413). Thread-compatible.
class RequestParser {
 public:
  // Takes what belongs to the current request and returns how many bytes that
  // was. It takes nothing once done() or error() != 0.
  size_t Feed(const char* data, size_t size);

  bool done() const { return state_ == State::kDone; }
  // Bytes of a request have come, but not all of it.
  bool started() const { return !request_.head.empty() && !done(); }
  // The HTTP status that a bad request deserves, or 0.
  int error() const { return error_; }
  // True once: the head asked for "100 Continue" and no body byte has come.
  bool TakeExpectContinue();

  Request& request() { return request_; }
  // Ready for the next request.
  void Reset();

 private:
  enum class State {
    kHead,
    kBody,
    kChunkSize,
    kChunkData,
    kChunkEnd,
    kTrailer,
    kDone
  };

  size_t FeedHead(const char* data, size_t size);
  size_t FeedLine(const char* data, size_t size);
  bool ParseHead();
  void ParseLine();
  size_t Fail(int status);

  State state_ = State::kHead;
  Request request_;
  std::string line_;
  size_t remaining_ = 0;
  bool expect_continue_ = false;
  int error_ = 0;
};

// The reason phrase of a status; "Unknown" if it has none here.
std::string_view ReasonPhrase(int status);

// Appends a status line and headers, up to and with the empty line.
// `content_length` < 0 means no such header; `extra` is whole header lines.
void AppendHead(int status, std::string_view content_type, long content_length,
                bool keep_alive, std::string_view extra, std::string* out);

// Appends one chunk of a chunked body.
void AppendChunk(std::string_view data, std::string* out);

}  // namespace fake_provider

#endif  // TESTS_FAKES_PROVIDER_HTTP_H_
