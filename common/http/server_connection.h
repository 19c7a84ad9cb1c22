#ifndef GATEWAY_COMMON_HTTP_SERVER_CONNECTION_H_
#define GATEWAY_COMMON_HTTP_SERVER_CONNECTION_H_

#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <optional>
#include <string>

#include "common/http/chunked.h"
#include "common/http/deadline.h"
#include "common/http/head_parser.h"
#include "common/http/server.h"
#include "common/http/socket.h"
#include "common/http/wakeup.h"

namespace gateway::http {

class ServerConnection;

// What the connections of one io thread share. Touched on that thread only.
struct ServerShard {
  ServerShard(const ServerOptions& server_options, Handler* server_handler,
              ServerStats* server_stats, ConcurrencyLimit* body_limit,
              boost::asio::io_context& context)
      : options(server_options),
        handler(server_handler),
        stats(server_stats),
        bodies(body_limit),
        io(context) {}
  virtual ~ServerShard() = default;

  // Drops the shard's reference, which may be the last.
  virtual void Remove(ServerConnection* connection) = 0;
  // The date line of a head, made anew each second.
  absl::string_view DateLine();

  const ServerOptions& options;
  Handler* const handler;
  ServerStats* const stats;
  ConcurrencyLimit* const bodies;
  boost::asio::io_context& io;
  bool draining = false;

 private:
  int64_t date_second_ = 0;
  std::string date_line_;
};

// One client. A coroutine reads requests and runs the handler. While the
// handler runs, a wait for bytes stays armed: it sees the client leave, keeps
// what a pipelining client sends early, and is also the wait for the next
// request. Owned by its shard, which it keeps alive; the coroutine's frame owns
// nothing.
class ServerConnection : public std::enable_shared_from_this<ServerConnection>,
                         private ResponseWriter {
 public:
  ServerConnection(std::shared_ptr<ServerShard> shard, TcpSocket socket,
                   std::string peer);
  ~ServerConnection() override;

  void Start();
  // Answers 503 and closes: there are too many connections.
  void StartRefusing();
  // Closes now if no request has begun.
  void Drain();
  // Cancels the handler, if it runs.
  void CancelHandler();
  // Cancels the handler and closes.
  void Abort();

 private:
  enum class Phase { kIdle, kHead, kBody, kHandling, kLinger };
  enum class Input { kReady, kGone, kTimeout };

  // ResponseWriter:
  Awaitable<absl::Status> Respond(int status, const Headers& headers,
                                  absl::string_view body) override;
  void StartStream(int status, const Headers& headers) override;
  Awaitable<absl::Status> Write(absl::string_view run) override;
  Awaitable<absl::Status> Finish(absl::string_view run) override;
  bool head_sent() const override { return head_sent_; }

  void Spawn(Awaitable<void> (ServerConnection::*run)());
  Awaitable<void> Serve();
  Awaitable<void> Refuse();
  // One request; false ends the connection.
  Awaitable<bool> ServeOne();
  Awaitable<bool> ReadHead();
  Awaitable<bool> ReadBody(const Framing& framing);
  Awaitable<bool> ReadLengthBody(uint64_t length);
  Awaitable<bool> ReadChunkedBody();
  // Moves the deadline of a body once enough of it has come.
  void Pace(size_t received);
  Awaitable<void> RespondTooSlow();
  // Answers with a refusal of the server and closes.
  Awaitable<void> RespondError(ServerError error, bool head_known);
  // Answers instead of the handler; false ends the connection.
  Awaitable<bool> AnswerRefusal(const Response& response,
                                const Framing& framing);
  Awaitable<void> Linger();

  // Waits until bytes can be received. The deadline is the caller's.
  Awaitable<Input> WaitForInput();
  // Waits for bytes and puts them behind in_.
  Awaitable<Input> FillInput();
  void ArmRead();
  void OnReadable(boost::system::error_code error);
  // Bytes or an end while the handler runs.
  void Watch();
  // The same once no more can be kept: looks now and then.
  void WatchForEnd();
  void OnClientEnd();
  void OnDeadline();

  // Begins head_ for an answer; ends it by the caller.
  void BeginHead(int status, const Headers& headers);
  Awaitable<absl::Status> Send(GatherList& list);
  Awaitable<absl::Status> SendRest(GatherList& list);
  absl::Status Gone();

  bool Reserve(int64_t bytes);
  void ReleaseBody();

  absl::string_view input() const {
    return absl::string_view(in_.get() + in_begin_, in_end_ - in_begin_);
  }
  void ConsumeInput(size_t bytes);
  // Makes room behind the input; false if it is at its limit.
  bool MakeRoom();

  const std::shared_ptr<ServerShard> owner_;
  ServerShard& shard_;
  TcpSocket socket_;
  int fd_;
  Deadline deadline_;
  boost::asio::cancellation_signal cancel_;
  Wakeup readable_;
  Wakeup writable_;

  Phase phase_ = Phase::kIdle;
  bool read_armed_ = false;
  std::optional<boost::asio::steady_timer> end_watch_;
  // The client left, failed or is to be left.
  bool gone_ = false;

  std::unique_ptr<char[]> in_;
  size_t in_capacity_ = 0;
  size_t in_begin_ = 0;
  size_t in_end_ = 0;

  HeadParser parser_;
  ChunkedDecoder chunked_;
  Request request_;
  ConcurrencyLimit::Permit body_permit_;
  // So much of the body has to come by the deadline.
  size_t paced_bytes_ = 0;

  // The answer under way.
  std::string head_;
  bool close_after_ = false;
  bool streaming_ = false;
  bool chunked_answer_ = false;
  bool head_sent_ = false;
  bool finished_ = false;
};

}  // namespace gateway::http

#endif  // GATEWAY_COMMON_HTTP_SERVER_CONNECTION_H_
