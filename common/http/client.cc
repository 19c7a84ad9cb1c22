#include "common/http/client.h"

#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/strip.h>

#include <algorithm>

#include "common/http/client_connection.h"
#include "common/http/counted_in.h"

namespace gateway::http {

namespace asio = boost::asio;

absl::StatusOr<Origin> ParseOrigin(absl::string_view url, std::string* path) {
  const absl::Status bad = absl::InvalidArgumentError(
      absl::StrCat("not an http or https URL: ", url));
  Origin origin;
  absl::string_view rest = url;
  if (absl::ConsumePrefix(&rest, "https://")) {
    origin.tls = true;
    origin.port = 443;
  } else if (!absl::ConsumePrefix(&rest, "http://")) {
    return bad;
  }
  const size_t slash = std::min(rest.find_first_of("/?#"), rest.size());
  absl::string_view authority = rest.substr(0, slash);
  rest.remove_prefix(slash);
  absl::string_view port;
  if (absl::ConsumePrefix(&authority, "[")) {
    const size_t end = authority.find(']');
    if (end == absl::string_view::npos) return bad;
    port = authority.substr(end + 1);
    authority = authority.substr(0, end);
  } else {
    const size_t colon = std::min(authority.find(':'), authority.size());
    port = authority.substr(colon);
    authority = authority.substr(0, colon);
  }
  if (!port.empty()) {
    uint32_t number = 0;
    if (!absl::ConsumePrefix(&port, ":") || !absl::SimpleAtoi(port, &number) ||
        number == 0 || number > 65535) {
      return bad;
    }
    origin.port = static_cast<uint16_t>(number);
  }
  if (authority.empty() ||
      authority.find_first_of("@ \t\r\n") != absl::string_view::npos) {
    return bad;
  }
  if (!rest.empty() && rest[0] != '/') return bad;
  origin.host = std::string(authority);
  if (path != nullptr) *path = std::string(rest);
  return origin;
}

TlsTrust::TlsTrust() = default;
TlsTrust::~TlsTrust() = default;

absl::StatusOr<std::shared_ptr<const TlsTrust>> TlsTrust::Create(
    const std::string& ca_file) {
  auto context = TlsContext::Create(ca_file);
  if (!context.ok()) return context.status();
  std::shared_ptr<TlsTrust> trust(new TlsTrust());
  trust->context_ = *std::move(context);
  return trust;
}

OriginPool& ClientPool::For(const Origin& origin) {
  for (auto& pool : origins_) {
    if (pool->origin == origin) return *pool;
  }
  auto pool = std::make_unique<OriginPool>();
  pool->origin = origin;
  const bool v6 = origin.host.find(':') != std::string::npos;
  pool->host = v6 ? absl::StrCat("[", origin.host, "]") : origin.host;
  if (origin.port != (origin.tls ? 443 : 80)) {
    absl::StrAppend(&pool->host, ":", origin.port);
  }
  origins_.push_back(std::move(pool));
  return *origins_.back();
}

std::shared_ptr<ClientConnection> ClientPool::TakeIdle(OriginPool& origin) {
  // The newest first: the oldest ones get to expire.
  while (!origin.idle.empty()) {
    std::shared_ptr<ClientConnection> connection =
        std::move(origin.idle.back());
    origin.idle.pop_back();
    stats.idle_connections.fetch_sub(1, std::memory_order_relaxed);
    if (connection->LooksIdle()) return connection;
    stats.discarded.fetch_add(1, std::memory_order_relaxed);
    connection->Close();
  }
  return nullptr;
}

std::shared_ptr<ClientConnection> ClientPool::Make(OriginPool& origin) {
  return std::make_shared<ClientConnection>(shared_from_this(), &origin, io,
                                            options);
}

Awaitable<Wake> ClientPool::AwaitRoom(OriginPool& origin, SteadyTime until) {
  Wakeup wakeup(io.get_executor());
  Deadline deadline(io, [&wakeup] { wakeup.Notify(Wake::kTimeout); });
  deadline.Set(until);
  const CountedIn waiting(stats.waiting);
  origin.waiters.push_back(&wakeup);
  const Wake wake = co_await wakeup.Wait();
  std::erase(origin.waiters, &wakeup);
  co_return wake;
}

void ClientPool::WakeOne(OriginPool& origin) {
  if (origin.waiters.empty() || shut_) return;
  // The caller may be a destructor: nobody is resumed from inside it.
  asio::post(io, [self = shared_from_this(), &origin] {
    while (!origin.waiters.empty()) {
      Wakeup* first = origin.waiters.front();
      origin.waiters.erase(origin.waiters.begin());
      // One that was cancelled just now has no use for it.
      if (!first->waiting()) continue;
      first->Notify(Wake::kReady);
      return;
    }
  });
}

void ClientPool::Release(std::shared_ptr<ClientConnection> connection) {
  OriginPool& origin = *connection->origin_;
  if (shut_ || !connection->reusable() ||
      origin.idle.size() >= options.max_idle_per_origin) {
    connection->Close();
    return;
  }
  connection->Rest(SteadyAfter(options.idle_timeout));
  origin.idle.push_back(std::move(connection));
  stats.idle_connections.fetch_add(1, std::memory_order_relaxed);
  WakeOne(origin);
}

void ClientPool::Expire(ClientConnection* connection) {
  auto& idle = connection->origin_->idle;
  auto found = std::find_if(
      idle.begin(), idle.end(),
      [connection](const auto& each) { return each.get() == connection; });
  if (found == idle.end()) return;
  stats.idle_connections.fetch_sub(1, std::memory_order_relaxed);
  // It is still on the stack.
  asio::post(io, [last = std::move(*found)] { last->Close(); });
  idle.erase(found);
}

void ClientPool::OnClosed(OriginPool& origin) {
  --origin.open;
  WakeOne(origin);
}

void ClientPool::Shutdown() {
  shut_ = true;
  for (auto& origin : origins_) {
    std::vector<std::shared_ptr<ClientConnection>> idle;
    idle.swap(origin->idle);
    stats.idle_connections.fetch_sub(static_cast<int64_t>(idle.size()),
                                     std::memory_order_relaxed);
    for (auto& connection : idle) connection->Close();
    std::vector<Wakeup*> waiters;
    waiters.swap(origin->waiters);
    for (Wakeup* waiter : waiters) waiter->Drop();
  }
  std::vector<std::weak_ptr<ClientConnection>> all;
  for (ClientConnection* each : all_) all.push_back(each->weak_from_this());
  for (auto& weak : all) {
    if (auto connection = weak.lock()) {
      connection->Close();
      connection->Drop();
    }
  }
}

ResponseStream::ResponseStream(std::shared_ptr<ClientConnection> connection)
    : connection_(std::move(connection)) {}

ResponseStream::ResponseStream(ResponseStream&&) noexcept = default;

ResponseStream& ResponseStream::operator=(ResponseStream&& other) noexcept {
  std::swap(connection_, other.connection_);
  return *this;
}

ResponseStream::~ResponseStream() {
  if (connection_ != nullptr) {
    ClientPool& pool = connection_->pool();
    pool.Release(std::move(connection_));
  }
}

int ResponseStream::status() const { return connection_->status(); }

const Headers& ResponseStream::headers() const {
  return connection_->headers();
}

bool ResponseStream::complete() const { return connection_->complete(); }

bool ResponseStream::fresh_connection() const { return connection_->fresh; }

Awaitable<absl::StatusOr<absl::string_view>> ResponseStream::Read(
    absl::Time deadline) {
  return connection_->Read(deadline);
}

Awaitable<absl::StatusOr<std::string>> ResponseStream::ReadAll(
    absl::Time deadline, size_t limit) {
  std::string all;
  while (true) {
    absl::StatusOr<absl::string_view> run = co_await Read(deadline);
    if (!run.ok()) co_return run.status();
    if (run->empty()) co_return all;
    if (run->size() > limit - all.size()) {
      connection_->Close();
      co_return MakeTransportError(TransportError::kBodyTooLarge,
                                   "the response body is too large");
    }
    all.append(run->data(), run->size());
    if (complete()) co_return all;
  }
}

Client::Client(asio::io_context& io, ClientOptions options,
               std::shared_ptr<const TlsTrust> trust,
               std::shared_ptr<Resolver> resolver,
               std::shared_ptr<ClientStats> stats)
    : trust_(std::move(trust)) {
  if (resolver == nullptr) {
    resolver = std::make_shared<Resolver>(Resolver::Options());
  }
  if (stats == nullptr) stats = std::make_shared<ClientStats>();
  pool_ = std::make_shared<ClientPool>(io, options, std::move(resolver),
                                       std::move(stats));
}

Client::~Client() { pool_->Shutdown(); }

const ClientStats& Client::stats() const { return pool_->stats; }

Awaitable<absl::Status> Client::Prepare(
    const ClientRequest& request, bool fresh,
    std::shared_ptr<ClientConnection>& out) {
  OriginPool& origin = pool_->For(*request.origin);
  const SteadyTime until = std::min(SteadyAfter(request.connect_timeout),
                                    SteadyOf(request.deadline));
  while (true) {
    if (!fresh) out = pool_->TakeIdle(origin);
    if (out != nullptr) {
      pool_->stats.reused.fetch_add(1, std::memory_order_relaxed);
      co_return absl::OkStatus();
    }
    if (origin.open < pool_->options.max_connections_per_origin) break;
    const Wake wake = co_await pool_->AwaitRoom(origin, until);
    if (wake == Wake::kCancelled) co_return absl::CancelledError("cancelled");
    if (wake == Wake::kTimeout) {
      co_return MakeTransportError(TransportError::kTimeoutConnect,
                                   "all connections are in use");
    }
  }
  out = pool_->Make(origin);
  pool_->stats.connects.fetch_add(1, std::memory_order_relaxed);
  absl::Status status = co_await out->Connect(
      origin.origin, origin.origin.tls ? &trust_->context() : nullptr, until);
  if (!status.ok() && !absl::IsCancelled(status)) {
    pool_->stats.connect_failures.fetch_add(1, std::memory_order_relaxed);
  }
  co_return status;
}

Awaitable<absl::StatusOr<ResponseStream>> Client::Send(
    const ClientRequest& request) {
  if (request.origin->tls && trust_ == nullptr) {
    co_return absl::InvalidArgumentError("https needs a TlsTrust");
  }
  pool_->stats.requests.fetch_add(1, std::memory_order_relaxed);
  const std::string& host = pool_->For(*request.origin).host;
  bool again = false;
  while (true) {
    std::shared_ptr<ClientConnection> connection;
    absl::Status status = co_await Prepare(request, again, connection);
    if (!status.ok()) co_return status;
    status = co_await connection->Exchange(request, host);
    if (status.ok()) co_return ResponseStream(std::move(connection));
    const bool died = TransportErrorOf(status) == TransportError::kReset &&
                      connection->untouched();
    if (connection->fresh || !died) co_return status;
    if (request.before_resend != nullptr) {
      status = (*request.before_resend)();
      if (!status.ok()) co_return status;
    }
    again = true;
    pool_->stats.silent_retries.fetch_add(1, std::memory_order_relaxed);
  }
}

}  // namespace gateway::http
