#ifndef GATEWAY_COMMON_HTTP_SERVER_H_
#define GATEWAY_COMMON_HTTP_SERVER_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/strings/string_view.h>
#include <absl/time/time.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/concurrency/awaitable.h"
#include "common/http/message.h"
#include "common/resilience/concurrency_limit.h"

namespace boost::asio {
class io_context;
}

namespace gateway::http {

// A request that the server itself refuses.
struct ServerError {
  // 400, 408, 413, 431, 500, 501, 503 or 505.
  int status;
  // Stable name: bad_request, request_timeout, request_too_large,
  // headers_too_large, internal, not_supported, overloaded.
  absl::string_view reason;
  // For people; names nothing of the request's content.
  absl::string_view message;
};

// Gives refusals the shape that the clients of this server read. Thread-safe.
class ErrorRenderer {
 public:
  virtual ~ErrorRenderer() = default;
  // `request` has its head, or is null if that could not be read.
  virtual Response Render(const ServerError& error, const Request* request) = 0;
};

// The answer to one request; lives as long as its handler runs and is used by
// it alone, on its io thread. Views that are passed in stay unchanged until the
// awaitable is done. Every method may return CANCELLED: the client is gone, or
// has read nothing for Options::write_timeout; the handler then ends.
class ResponseWriter {
 public:
  virtual ~ResponseWriter() = default;

  // The whole answer by one socket write. Adds content-length, date and
  // connection; a header that may not stand on the wire is dropped.
  virtual Awaitable<absl::Status> Respond(int status, const Headers& headers,
                                          absl::string_view body) = 0;

  // Begins an answer of unknown length. Nothing is sent before the first Write
  // or Finish: until then StartStream and Respond may still replace it.
  virtual void StartStream(int status, const Headers& headers) = 0;
  // Sends a run of bytes by one socket write, the first one together with the
  // head. Waiting for it is the back-pressure. An empty run sends the head.
  virtual Awaitable<absl::Status> Write(absl::string_view run) = 0;
  // Sends a last run and the end by one socket write. A handler that returns
  // without it breaks the connection: the client sees the stream as cut.
  virtual Awaitable<absl::Status> Finish(absl::string_view run) = 0;
  Awaitable<absl::Status> Finish() { return Finish(absl::string_view()); }

  // The status can no longer be chosen.
  virtual bool head_sent() const = 0;
};

// What a server does with its requests. Called on many io threads at once; a
// request stays on one.
class Handler {
 public:
  virtual ~Handler() = default;

  // Sees the head before the body is read. An answer refuses the request, whose
  // body is then not read.
  virtual std::optional<Response> OnHead(const Request& request) {
    return std::nullopt;
  }

  // Answers the request, with its body. The coroutine is cancelled when the
  // client leaves or the server closes all. `request` may be moved from.
  virtual Awaitable<void> Handle(Request& request, ResponseWriter& writer) = 0;
};

// Counters since the start and gauges of now. Written with relaxed order.
struct ServerStats {
  std::atomic<uint64_t> connections_accepted{0};
  std::atomic<uint64_t> connections_refused{0};
  std::atomic<int64_t> connections{0};
  std::atomic<uint64_t> requests{0};
  // Requests that are in their handler.
  std::atomic<int64_t> active{0};
  // Refused by the server itself: malformed, too large, too slow, overloaded.
  std::atomic<uint64_t> refused{0};
  // Of these, those whose body came too slowly.
  std::atomic<uint64_t> body_timeouts{0};
  // Ended by their client before the answer was complete.
  std::atomic<uint64_t> client_gone{0};
  // Of these, those that read nothing for Options::write_timeout.
  std::atomic<uint64_t> write_timeouts{0};
};

struct ServerOptions {
  std::string address = "0.0.0.0";
  // 0 takes a free one; see Server::port.
  uint16_t port = 0;
  size_t max_header_bytes = 64 * 1024;
  size_t max_body_bytes = 32 * 1024 * 1024;
  // All bodies that are being read or handled at once.
  int64_t max_body_bytes_in_flight = 512 * 1024 * 1024;
  // Instead of that, a bound that is shared with another way in. Not owned;
  // outlives the connections.
  ConcurrencyLimit* bodies = nullptr;
  int64_t max_connections = 16 * 1024;
  // From the first byte of a request (or the accept) to the end of its head.
  absl::Duration header_timeout = absl::Seconds(10);
  // For each so many bytes of a body, and for what is left of it.
  absl::Duration body_timeout = absl::Seconds(30);
  size_t body_timeout_bytes = 1024 * 1024;
  // Between two requests.
  absl::Duration idle_timeout = absl::Seconds(75);
  // A client that takes no byte for so long is gone.
  absl::Duration write_timeout = absl::Seconds(120);
  // Advice on 503.
  absl::Duration retry_after = absl::Seconds(1);
  // Not owned; null answers in plain text.
  ErrorRenderer* error_renderer = nullptr;
};

// An HTTP/1.1 server over the given io threads, one acceptor each. Create,
// Start and the destructor run on the owner's thread; the rest is thread-safe.
class Server {
 public:
  // Binds the port. `ios`, each run by one thread, and `handler` outlive the
  // server and, as connections end on their threads, are destroyed after these
  // threads ended or AwaitClosed returned true. INVALID_ARGUMENT: bad address;
  // UNAVAILABLE: the port is taken; INTERNAL: the system refused otherwise.
  static absl::StatusOr<std::unique_ptr<Server>> Create(
      ServerOptions options, std::vector<boost::asio::io_context*> ios,
      Handler* handler);
  // Closes what is left, without waiting.
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Begins to accept.
  void Start();
  uint16_t port() const;
  const ServerStats& stats() const;
  int64_t active() const;
  int64_t body_bytes_in_flight() const;

  // Closes the listening sockets; connections go on.
  void StopAccepting();
  // Idle connections are closed; others close after their next answer.
  void BeginDrain();
  // Cancels every handler; it may still answer. For a drain that ends.
  void CancelHandlers();
  // Cancels every handler and closes every connection.
  void CloseAll();

  // Blocks until no request is in its handler. Not for an io thread.
  bool AwaitIdle(absl::Time deadline) const;
  // Blocks until every connection has ended.
  bool AwaitClosed(absl::Time deadline) const;

 private:
  struct Core;
  explicit Server(std::shared_ptr<Core> core);
  std::shared_ptr<Core> core_;
};

}  // namespace gateway::http

#endif  // GATEWAY_COMMON_HTTP_SERVER_H_
