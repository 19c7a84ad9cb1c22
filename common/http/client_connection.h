#ifndef GATEWAY_COMMON_HTTP_CLIENT_CONNECTION_H_
#define GATEWAY_COMMON_HTTP_CLIENT_CONNECTION_H_

#include <memory>
#include <string>
#include <vector>

#include "common/http/chunked.h"
#include "common/http/client.h"
#include "common/http/deadline.h"
#include "common/http/head_parser.h"
#include "common/http/resolver.h"
#include "common/http/socket.h"
#include "common/http/tls.h"
#include "common/http/wakeup.h"

namespace gateway::http {

struct OriginPool;

// One connection to an origin, used by one request at a time. After any error
// it is closed.
class ClientConnection : public std::enable_shared_from_this<ClientConnection> {
 public:
  ClientConnection(std::shared_ptr<ClientPool> pool, OriginPool* origin,
                   boost::asio::io_context& io, const ClientOptions& options);
  ~ClientConnection();

  // Resolves, connects and shakes hands; `tls` may be null.
  Awaitable<absl::Status> Connect(const Origin& origin, const TlsContext* tls,
                                  SteadyTime deadline);
  // Sends the request and reads the head of the response, by its deadline.
  Awaitable<absl::Status> Exchange(const ClientRequest& request,
                                   absl::string_view host);
  Awaitable<absl::StatusOr<absl::string_view>> Read(absl::Time deadline);

  int status() const { return status_; }
  const Headers& headers() const { return headers_; }
  bool complete() const { return complete_; }
  // The last exchange failed before a byte of its response came.
  bool untouched() const { return !touched_; }
  bool reusable() const { return open_ && complete_ && keep_alive_; }
  ClientPool& pool() { return *pool_; }
  bool fresh = true;

  // The last exchange is over and its memory may go.
  void Rest(SteadyTime idle_until);
  // A pooled connection is still there and silent.
  bool LooksIdle();
  void Close();
  // Destroys the coroutine that waits on it.
  void Drop() { wakeup_.Drop(); }

 private:
  friend class ClientPool;

  Awaitable<absl::Status> Resolve(
      const Origin& origin, SteadyTime deadline,
      std::vector<boost::asio::ip::tcp::endpoint>& endpoints);
  Awaitable<absl::Status> ConnectTo(
      const std::vector<boost::asio::ip::tcp::endpoint>& endpoints,
      SteadyTime deadline);
  void ForgetWriteInterest(const boost::asio::ip::tcp& protocol);
  Awaitable<absl::Status> Handshake(const Origin& origin,
                                    const TlsContext& tls);
  absl::Status WriteHead(const ClientRequest& request, absl::string_view host);
  Awaitable<Wake> SendAll(const ClientRequest& request);
  Awaitable<absl::Status> ReadHead(bool to_head);
  // Takes decoded bytes from the buffer; false if more have to be received.
  bool TakeDecoded(absl::string_view& run);

  Awaitable<Wake> WaitFor(TcpSocket::wait_type type);
  IoResult TryReceiveSome(char* data, size_t size);
  bool MakeRoom(size_t limit);
  absl::Status Fail(TransportError kind, absl::string_view message);
  absl::Status FailWait(Wake wake, TransportError timeout,
                        absl::string_view message);
  void OnDeadline();

  const std::shared_ptr<ClientPool> pool_;
  OriginPool* const origin_;
  boost::asio::io_context& io_;
  const ClientOptions& options_;
  TcpSocket socket_;
  int fd_ = -1;
  std::unique_ptr<TlsSession> tls_;
  Deadline deadline_;
  Wakeup wakeup_;
  bool open_ = false;
  bool idle_ = false;
  boost::system::error_code connect_error_;

  std::string head_;
  // Sending failed; what the origin said before that may still be read.
  bool send_failed_ = false;
  bool touched_ = false;

  std::unique_ptr<char[]> in_;
  size_t in_capacity_ = 0;
  size_t in_begin_ = 0;
  size_t in_end_ = 0;
  // The last receive filled its buffer, or TLS may hold more.
  bool more_ready_ = false;

  HeadParser parser_;
  ChunkedDecoder chunked_;
  int status_ = 0;
  Headers headers_;
  Framing framing_;
  bool keep_alive_ = false;
  bool complete_ = true;
};

// The connections to one origin.
struct OriginPool {
  Origin origin;
  // As the host header writes it.
  std::string host;
  std::vector<std::shared_ptr<ClientConnection>> idle;
  size_t open = 0;
  // Requests that wait for one of `open` to end, oldest first.
  std::vector<Wakeup*> waiters;
};

// All connections of a client.
class ClientPool : public std::enable_shared_from_this<ClientPool> {
 public:
  ClientPool(boost::asio::io_context& context, ClientOptions client_options,
             std::shared_ptr<Resolver> names,
             std::shared_ptr<ClientStats> client_stats)
      : io(context),
        options(client_options),
        resolver(std::move(names)),
        shared_stats(std::move(client_stats)) {}

  OriginPool& For(const Origin& origin);
  // A pooled connection that looks alive, or null.
  std::shared_ptr<ClientConnection> TakeIdle(OriginPool& origin);
  std::shared_ptr<ClientConnection> Make(OriginPool& origin);
  // Waits until a further connection may be opened or a pooled one is free.
  Awaitable<Wake> AwaitRoom(OriginPool& origin, SteadyTime until);
  // Back from a request.
  void Release(std::shared_ptr<ClientConnection> connection);
  void Expire(ClientConnection* connection);
  void OnClosed(OriginPool& origin);
  // Ends everything, waiting coroutines included.
  void Shutdown();

  boost::asio::io_context& io;
  const ClientOptions options;
  const std::shared_ptr<Resolver> resolver;
  const std::shared_ptr<ClientStats> shared_stats;
  ClientStats& stats = *shared_stats;

 private:
  friend class ClientConnection;
  void WakeOne(OriginPool& origin);

  std::vector<std::unique_ptr<OriginPool>> origins_;
  std::vector<ClientConnection*> all_;
  bool shut_ = false;
};

}  // namespace gateway::http

#endif  // GATEWAY_COMMON_HTTP_CLIENT_CONNECTION_H_
