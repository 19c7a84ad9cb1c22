#ifndef GATEWAY_COMMON_HTTP_CLIENT_H_
#define GATEWAY_COMMON_HTTP_CLIENT_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/strings/string_view.h>
#include <absl/time/time.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "common/concurrency/awaitable.h"
#include "common/http/message.h"
#include "common/http/transport_error.h"

namespace boost::asio {
class io_context;
}

namespace gateway::http {

class ClientConnection;
class ClientPool;
class Resolver;
class TlsContext;

// Whom to talk to. Connections are pooled by it.
struct Origin {
  bool tls = false;
  // A name or an IP address, without brackets.
  std::string host;
  uint16_t port = 80;

  bool operator==(const Origin&) const = default;
};

// "https://host[:port]" and what follows, the latter into `path` ("" if there
// is nothing). INVALID_ARGUMENT for anything else.
absl::StatusOr<Origin> ParseOrigin(absl::string_view url,
                                   std::string* path = nullptr);

struct ClientOptions {
  size_t max_idle_per_origin = 256;
  absl::Duration idle_timeout = absl::Seconds(55);
  // Beyond it a request waits, as long as for a connection.
  size_t max_connections_per_origin = 4096;
  size_t max_header_bytes = 64 * 1024;
};

// What a request carries. Everything it points to stays unchanged until Send is
// done.
struct ClientRequest {
  const Origin* origin = nullptr;
  absl::string_view method = "POST";
  absl::string_view target = "/";
  // host, content-length and connection are the client's own business.
  const Headers* headers = nullptr;
  // Sent by gather writes, never copied together.
  std::span<const absl::string_view> body;
  // For a usable connection: room in the pool, the name, the connection and
  // the TLS handshake together. Never longer than `deadline`.
  absl::Duration connect_timeout = absl::Seconds(2);
  // When the whole response head has to be there, however often the request
  // is sent.
  absl::Time deadline = absl::InfiniteFuture();
  // Asked before the request is sent once more, since the origin may have seen
  // it already. An error ends the request with it. Null: no objection.
  const std::function<absl::Status()>* before_resend = nullptr;
};

// A response whose head has come. Move-only; used on the client's io thread.
// Destroyed before its end it closes the connection, which tells the origin to
// stop; at its end the connection goes back to the pool.
class ResponseStream {
 public:
  ResponseStream(ResponseStream&&) noexcept;
  ResponseStream& operator=(ResponseStream&&) noexcept;
  ~ResponseStream();

  int status() const;
  const Headers& headers() const;

  // What has arrived of the body, decoded, as one run; an empty view is its
  // clean end. The view lasts until the next Read or the end of the stream.
  // kTimeoutRead: nothing came by `deadline`. kTruncated: the connection ended
  // too early. kBadResponse: malformed chunks. CANCELLED. After an error the
  // connection is closed.
  Awaitable<absl::StatusOr<absl::string_view>> Read(absl::Time deadline);
  // Whether all of the body has been handed out: the next Read is its end.
  bool complete() const;
  // The rest of the body. kBodyTooLarge if it exceeds `limit`.
  Awaitable<absl::StatusOr<std::string>> ReadAll(absl::Time deadline,
                                                 size_t limit);

  // This request opened its connection: nothing pooled was used.
  bool fresh_connection() const;

 private:
  friend class Client;
  explicit ResponseStream(std::shared_ptr<ClientConnection> connection);
  std::shared_ptr<ClientConnection> connection_;
};

// Counters since the start and gauges of now, of one client or of several that
// count together. Written with relaxed order.
struct ClientStats {
  std::atomic<uint64_t> requests{0};
  std::atomic<uint64_t> connects{0};
  std::atomic<uint64_t> connect_failures{0};
  std::atomic<uint64_t> reused{0};
  // Pooled connections that were found dead when looked at.
  std::atomic<uint64_t> discarded{0};
  // Requests sent again because a reused connection died untouched.
  std::atomic<uint64_t> silent_retries{0};
  std::atomic<int64_t> open_connections{0};
  std::atomic<int64_t> idle_connections{0};
  // Requests that wait for one of the most connections there may be.
  std::atomic<int64_t> waiting{0};
};

// The TLS side of clients: versions from 1.2 on, certificate and host name
// checked. Immutable; shared by the clients of all threads.
class TlsTrust {
 public:
  // An empty `ca_file` trusts the system's authorities. NOT_FOUND: the file
  // cannot be read or holds no certificate.
  static absl::StatusOr<std::shared_ptr<const TlsTrust>> Create(
      const std::string& ca_file);
  ~TlsTrust();
  const TlsContext& context() const { return *context_; }

 private:
  TlsTrust();
  std::unique_ptr<TlsContext> context_;
};

// An HTTP/1.1 client for one io thread: all calls on it. Outlives its requests.
class Client {
 public:
  // A null `trust` makes https an INVALID_ARGUMENT. `resolver` and `stats` are
  // shared by the clients of all threads; without them the client has its own.
  Client(boost::asio::io_context& io, ClientOptions options,
         std::shared_ptr<const TlsTrust> trust,
         std::shared_ptr<Resolver> resolver = nullptr,
         std::shared_ptr<ClientStats> stats = nullptr);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // Sends a request and waits for the head of its response, whatever its
  // status. A pooled connection is looked at before it is used; if one dies all
  // the same before the first byte of the response, the request is sent once
  // more on a new one. Cancelling the coroutine closes the connection.
  // CANCELLED; INVALID_ARGUMENT: the request cannot be written; else a status
  // with a TransportError.
  Awaitable<absl::StatusOr<ResponseStream>> Send(const ClientRequest& request);

  // Any thread.
  const ClientStats& stats() const;

 private:
  // A connection for `request` by its connect_timeout.
  Awaitable<absl::Status> Prepare(const ClientRequest& request, bool fresh,
                                  std::shared_ptr<ClientConnection>& out);

  const std::shared_ptr<const TlsTrust> trust_;
  std::shared_ptr<ClientPool> pool_;
};

}  // namespace gateway::http

#endif  // GATEWAY_COMMON_HTTP_CLIENT_H_
