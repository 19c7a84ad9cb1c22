#include "common/http/server.h"

#include <absl/strings/str_cat.h>
#include <sys/socket.h>

#include <boost/asio/post.hpp>
#include <thread>
#include <unordered_map>

#include "common/http/server_connection.h"
#include "common/http/socket.h"

namespace gateway::http {
namespace {

namespace asio = boost::asio;

// How long accepting rests when the process has no descriptor left.
constexpr auto kAcceptBackoff = std::chrono::milliseconds(100);

using Acceptor =
    asio::basic_socket_acceptor<asio::ip::tcp, asio::io_context::executor_type>;
using ReusePort =
    asio::detail::socket_option::boolean<SOL_SOCKET, SO_REUSEPORT>;

absl::Status BindError(const boost::system::error_code& error,
                       const asio::ip::tcp::endpoint& endpoint) {
  const std::string text =
      absl::StrCat("cannot listen on ", endpoint.address().to_string(), ":",
                   endpoint.port(), ": ", error.message());
  if (error == asio::error::address_in_use) {
    return absl::UnavailableError(text);
  }
  return absl::InternalError(text);
}

absl::Status Listen(Acceptor& acceptor,
                    const asio::ip::tcp::endpoint& endpoint) {
  boost::system::error_code error;
  acceptor.open(endpoint.protocol(), error);
  if (!error) acceptor.set_option(Acceptor::reuse_address(true), error);
  if (!error) acceptor.set_option(ReusePort(true), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(4096, error);
  if (error) return BindError(error, endpoint);
  return absl::OkStatus();
}

class Shard : public ServerShard, public std::enable_shared_from_this<Shard> {
 public:
  Shard(std::shared_ptr<const ServerOptions> server_options,
        std::shared_ptr<ServerStats> server_stats,
        std::shared_ptr<ConcurrencyLimit> body_limit, Handler* server_handler,
        asio::io_context& context)
      : ServerShard(*server_options, server_handler, server_stats.get(),
                    body_limit.get(), context),
        acceptor(context),
        options_(std::move(server_options)),
        stats_(std::move(server_stats)),
        bodies_(std::move(body_limit)),
        backoff_(context) {}

  void Accept() {
    acceptor.async_accept(
        [self = shared_from_this()](boost::system::error_code error,
                                    TcpSocket socket) {
          self->OnAccept(error, std::move(socket));
        });
  }

  void StopAccepting() {
    boost::system::error_code ignored;
    acceptor.close(ignored);
    backoff_.cancel();
  }

  void Drain() {
    draining = true;
    for (auto& connection : Snapshot()) connection->Drain();
  }

  void CancelHandlers() {
    for (auto& connection : Snapshot()) connection->CancelHandler();
  }

  void CloseAll() {
    StopAccepting();
    for (auto& connection : Snapshot()) connection->Abort();
  }

  // Drops what is left; the io thread has ended.
  void Clear() {
    auto connections = std::move(connections_);
    connections_.clear();
  }

  void Remove(ServerConnection* connection) override {
    auto found = connections_.find(connection);
    if (found == connections_.end()) return;
    // It is still on the stack.
    asio::post(io, [last = std::move(found->second)] {});
    connections_.erase(found);
  }

  Acceptor acceptor;

 private:
  std::vector<std::shared_ptr<ServerConnection>> Snapshot() {
    std::vector<std::shared_ptr<ServerConnection>> all;
    all.reserve(connections_.size());
    for (auto& [key, connection] : connections_) all.push_back(connection);
    return all;
  }

  void OnAccept(boost::system::error_code error, TcpSocket socket) {
    if (!acceptor.is_open()) return;
    if (error == asio::error::no_descriptors ||
        error == asio::error::no_buffer_space ||
        error == asio::error::no_memory) {
      backoff_.expires_after(kAcceptBackoff);
      backoff_.async_wait(
          [self = shared_from_this()](boost::system::error_code stopped) {
            if (!stopped && self->acceptor.is_open()) self->Accept();
          });
      return;
    }
    if (!error) Admit(std::move(socket));
    Accept();
  }

  void Admit(TcpSocket socket) {
    boost::system::error_code error;
    socket.set_option(asio::ip::tcp::no_delay(true), error);
    if (!error) socket.non_blocking(true, error);
    const auto peer = socket.remote_endpoint(error);
    if (error) return;  // Already gone.
    const bool full = stats_->connections.load(std::memory_order_relaxed) >=
                      options_->max_connections;
    auto connection = std::make_shared<ServerConnection>(
        shared_from_this(), std::move(socket), peer.address().to_string());
    connections_.emplace(connection.get(), connection);
    if (full) {
      stats_->connections_refused.fetch_add(1, std::memory_order_relaxed);
      connection->StartRefusing();
    } else {
      stats_->connections_accepted.fetch_add(1, std::memory_order_relaxed);
      connection->Start();
    }
  }

  const std::shared_ptr<const ServerOptions> options_;
  const std::shared_ptr<ServerStats> stats_;
  const std::shared_ptr<ConcurrencyLimit> bodies_;
  asio::steady_timer backoff_;
  std::unordered_map<ServerConnection*, std::shared_ptr<ServerConnection>>
      connections_;
};

// Ends the connections of a shard on its io thread; if that never runs again,
// when its queue is dropped.
class LastCall {
 public:
  explicit LastCall(std::shared_ptr<Shard> shard) : shard_(std::move(shard)) {}
  LastCall(LastCall&&) = default;
  ~LastCall() {
    if (shard_ != nullptr) shard_->Clear();
  }
  void operator()() { std::exchange(shard_, nullptr)->CloseAll(); }

 private:
  std::shared_ptr<Shard> shard_;
};

}  // namespace

struct Server::Core {
  std::shared_ptr<ServerStats> stats;
  std::shared_ptr<ConcurrencyLimit> bodies;
  std::vector<std::shared_ptr<Shard>> shards;
  uint16_t port = 0;

  // Runs `act` on each shard's own thread.
  template <class F>
  void OnEach(F act) {
    for (auto& shard : shards) {
      asio::post(shard->io, [shard, act] { act(*shard); });
    }
  }
};

absl::StatusOr<std::unique_ptr<Server>> Server::Create(
    ServerOptions options, std::vector<asio::io_context*> ios,
    Handler* handler) {
  if (ios.empty()) return absl::InvalidArgumentError("no io thread is given");
  boost::system::error_code error;
  const auto address = asio::ip::make_address(options.address, error);
  if (error) {
    return absl::InvalidArgumentError(
        absl::StrCat("not an IP address: ", options.address));
  }
  asio::ip::tcp::endpoint endpoint(address, options.port);

  if (options.port != 0) {
    // Sharing a port among the io threads must not share it with a stranger: a
    // socket that does not share finds out.
    Acceptor probe(*ios[0]);
    probe.open(endpoint.protocol(), error);
    if (!error) probe.set_option(Acceptor::reuse_address(true), error);
    if (!error) probe.bind(endpoint, error);
    if (!error) probe.listen(1, error);
    if (error) return BindError(error, endpoint);
  }

  auto core = std::make_shared<Core>();
  core->stats = std::make_shared<ServerStats>();
  if (options.bodies != nullptr) {
    core->bodies = std::shared_ptr<ConcurrencyLimit>(std::shared_ptr<void>(),
                                                     options.bodies);
  } else {
    core->bodies =
        std::make_shared<ConcurrencyLimit>(options.max_body_bytes_in_flight);
  }
  auto shared_options =
      std::make_shared<const ServerOptions>(std::move(options));
  for (asio::io_context* io : ios) {
    auto shard = std::make_shared<Shard>(shared_options, core->stats,
                                         core->bodies, handler, *io);
    const absl::Status listening = Listen(shard->acceptor, endpoint);
    if (!listening.ok()) return listening;
    if (endpoint.port() == 0) {
      endpoint.port(shard->acceptor.local_endpoint(error).port());
    }
    core->shards.push_back(std::move(shard));
  }
  core->port = endpoint.port();
  return std::unique_ptr<Server>(new Server(std::move(core)));
}

Server::Server(std::shared_ptr<Core> core) : core_(std::move(core)) {}

Server::~Server() {
  for (auto& shard : core_->shards) {
    asio::post(shard->io, LastCall(shard));
  }
}

void Server::Start() {
  core_->OnEach([](Shard& shard) { shard.Accept(); });
}

uint16_t Server::port() const { return core_->port; }

const ServerStats& Server::stats() const { return *core_->stats; }

int64_t Server::active() const {
  return core_->stats->active.load(std::memory_order_relaxed);
}

int64_t Server::body_bytes_in_flight() const { return core_->bodies->in_use(); }

void Server::StopAccepting() {
  core_->OnEach([](Shard& shard) { shard.StopAccepting(); });
}

void Server::BeginDrain() {
  core_->OnEach([](Shard& shard) { shard.Drain(); });
}

void Server::CancelHandlers() {
  core_->OnEach([](Shard& shard) { shard.CancelHandlers(); });
}

void Server::CloseAll() {
  core_->OnEach([](Shard& shard) { shard.CloseAll(); });
}

namespace {

bool AwaitZero(const std::atomic<int64_t>& gauge, absl::Time deadline) {
  while (gauge.load(std::memory_order_acquire) != 0) {
    if (absl::Now() >= deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return true;
}

}  // namespace

bool Server::AwaitIdle(absl::Time deadline) const {
  return AwaitZero(core_->stats->active, deadline);
}

bool Server::AwaitClosed(absl::Time deadline) const {
  return AwaitZero(core_->stats->connections, deadline);
}

}  // namespace gateway::http
