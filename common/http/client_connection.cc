#include "common/http/client_connection.h"

#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>

#include <algorithm>
#include <boost/asio/connect.hpp>
#include <cstring>

namespace gateway::http {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

constexpr size_t kBufferSize = 16 * 1024;
// For a lookup, where there is an older answer.
constexpr absl::Duration kStalePatience = absl::Milliseconds(200);

bool IsTarget(absl::string_view target) {
  if (target.empty()) return false;
  return std::all_of(target.begin(), target.end(), [](char c) {
    return static_cast<unsigned char>(c) > 0x20 && c != 0x7f;
  });
}

}  // namespace

ClientConnection::ClientConnection(std::shared_ptr<ClientPool> pool,
                                   OriginPool* origin, asio::io_context& io,
                                   const ClientOptions& options)
    : pool_(std::move(pool)),
      origin_(origin),
      io_(io),
      options_(options),
      socket_(io),
      deadline_(io, [this] { OnDeadline(); }),
      wakeup_(io.get_executor()) {
  pool_->all_.push_back(this);
  ++origin_->open;
  pool_->stats.open_connections.fetch_add(1, std::memory_order_relaxed);
}

ClientConnection::~ClientConnection() {
  auto& all = pool_->all_;
  *std::find(all.begin(), all.end(), this) = all.back();
  all.pop_back();
  pool_->stats.open_connections.fetch_sub(1, std::memory_order_relaxed);
  pool_->OnClosed(*origin_);
}

absl::Status ClientConnection::Fail(TransportError kind,
                                    absl::string_view message) {
  Close();
  return MakeTransportError(kind, message);
}

absl::Status ClientConnection::FailWait(Wake wake, TransportError timeout,
                                        absl::string_view message) {
  if (wake == Wake::kTimeout) return Fail(timeout, message);
  Close();
  return absl::CancelledError("cancelled");
}

void ClientConnection::Close() {
  open_ = false;
  deadline_.Clear();
  boost::system::error_code ignored;
  socket_.close(ignored);
}

void ClientConnection::OnDeadline() {
  if (idle_) {
    pool_->Expire(this);
  } else {
    wakeup_.Notify(Wake::kTimeout);
  }
}

Awaitable<Wake> ClientConnection::WaitFor(TcpSocket::wait_type type) {
  socket_.async_wait(
      type, [self = shared_from_this()](boost::system::error_code error) {
        if (!error) self->wakeup_.Notify(Wake::kReady);
      });
  return wakeup_.Wait();
}

Awaitable<absl::Status> ClientConnection::Resolve(
    const Origin& origin, SteadyTime deadline,
    std::vector<tcp::endpoint>& endpoints) {
  boost::system::error_code error;
  const auto address = asio::ip::make_address(origin.host, error);
  if (!error) {
    endpoints.emplace_back(address, origin.port);
    co_return absl::OkStatus();
  }
  // What is posted late finds that nobody waits.
  const auto waiting = std::make_shared<bool>(true);
  auto wake_up = [this, weak = std::weak_ptr<bool>(waiting)] {
    asio::post(io_, [this, weak] {
      if (!weak.expired()) wakeup_.Notify(Wake::kReady);
    });
  };
  const auto question = pool_->resolver->Ask(origin.host, std::move(wake_up));
  auto answer = question->Answer();
  if (!answer) {
    if (question->has_stale()) {
      deadline_.Set(std::min(deadline, SteadyAfter(kStalePatience)));
    }
    const Wake wake = co_await wakeup_.Wait();
    if (wake == Wake::kCancelled ||
        (wake == Wake::kTimeout && !question->has_stale())) {
      co_return FailWait(wake, TransportError::kTimeoutConnect,
                         "the host name was not resolved in time");
    }
    answer = question->Answer();
  }
  Addresses addresses;
  if (answer && answer->ok()) {
    addresses = **std::move(answer);
  } else if (question->has_stale()) {
    addresses = question->TakeStale();
  } else {
    co_return Fail(TransportError::kResolve, answer->status().message());
  }
  for (const auto& each : addresses) endpoints.emplace_back(each, origin.port);
  co_return absl::OkStatus();
}

Awaitable<absl::Status> ClientConnection::ConnectTo(
    const std::vector<tcp::endpoint>& endpoints, SteadyTime deadline) {
  bool timed_out = false;
  for (size_t i = 0; i < endpoints.size(); ++i) {
    // Each address gets an equal share of what is left.
    const SteadyTime now = std::chrono::steady_clock::now();
    deadline_.Set(now + (deadline - now) / (endpoints.size() - i));
    boost::system::error_code error;
    socket_.open(endpoints[i].protocol(), error);
    if (!error) socket_.non_blocking(true, error);
    if (!error) socket_.set_option(tcp::no_delay(true), error);
    if (error) {
      co_return Fail(TransportError::kConnect, error.message());
    }
    socket_.async_connect(endpoints[i], [self = shared_from_this()](
                                            boost::system::error_code failed) {
      // An aborted one belongs to an address that was given up.
      if (failed == asio::error::operation_aborted) return;
      self->connect_error_ = failed;
      self->wakeup_.Notify(Wake::kReady);
    });
    const Wake wake = co_await wakeup_.Wait();
    if (wake == Wake::kCancelled) {
      co_return FailWait(wake, TransportError::kTimeoutConnect, "");
    }
    if (wake == Wake::kReady && !connect_error_) {
      ForgetWriteInterest(endpoints[i].protocol());
      open_ = true;
      co_return absl::OkStatus();
    }
    timed_out = wake == Wake::kTimeout;
    Close();
  }
  if (timed_out) {
    co_return Fail(TransportError::kTimeoutConnect,
                   "the connection was not accepted in time");
  }
  co_return Fail(TransportError::kConnect, connect_error_.message());
}

void ClientConnection::ForgetWriteInterest(const tcp& protocol) {
  // A connect leaves the descriptor registered for writability, and every later
  // wait would first be woken by that. Registering anew is cheaper.
  fd_ = socket_.release();
  boost::system::error_code ignored;
  socket_.assign(protocol, fd_, ignored);
}

Awaitable<absl::Status> ClientConnection::Handshake(const Origin& origin,
                                                    const TlsContext& tls) {
  tls_ = TlsSession::Create(tls, fd_, origin.host);
  while (true) {
    const TlsSession::Want want = tls_->Handshake();
    if (want == TlsSession::Want::kNothing) co_return absl::OkStatus();
    if (want == TlsSession::Want::kFailed) {
      co_return Fail(TransportError::kTls, tls_->FailureText());
    }
    const Wake wake = co_await WaitFor(want == TlsSession::Want::kRead
                                           ? TcpSocket::wait_read
                                           : TcpSocket::wait_write);
    if (wake != Wake::kReady) {
      co_return FailWait(wake, TransportError::kTimeoutConnect,
                         "the TLS handshake took too long");
    }
  }
}

Awaitable<absl::Status> ClientConnection::Connect(const Origin& origin,
                                                  const TlsContext* tls,
                                                  SteadyTime deadline) {
  deadline_.Set(deadline);
  std::vector<tcp::endpoint> endpoints;
  absl::Status status = co_await Resolve(origin, deadline, endpoints);
  if (!status.ok()) co_return status;
  status = co_await ConnectTo(endpoints, deadline);
  if (!status.ok()) {
    if (!absl::IsCancelled(status)) pool_->resolver->Doubt(origin.host);
    co_return status;
  }
  if (tls != nullptr) {
    deadline_.Set(deadline);
    status = co_await Handshake(origin, *tls);
  }
  deadline_.Clear();
  co_return status;
}

absl::Status ClientConnection::WriteHead(const ClientRequest& request,
                                         absl::string_view host) {
  if (!IsTarget(request.target) || !IsValidHeader(request.method, "")) {
    return absl::InvalidArgumentError("the request line cannot be written");
  }
  size_t length = 0;
  for (const absl::string_view piece : request.body) length += piece.size();
  head_.clear();
  absl::StrAppend(&head_, request.method, " ", request.target,
                  " HTTP/1.1\r\nhost: ", host, "\r\n");
  if (request.headers != nullptr) {
    for (const Header field : *request.headers) {
      if (!IsValidHeader(field.name, field.value)) {
        return absl::InvalidArgumentError(
            "a header of the request cannot be written");
      }
      if (absl::EqualsIgnoreCase(field.name, "host") ||
          absl::EqualsIgnoreCase(field.name, "content-length") ||
          absl::EqualsIgnoreCase(field.name, "transfer-encoding") ||
          absl::EqualsIgnoreCase(field.name, "connection")) {
        continue;
      }
      head_.append(field.name.data(), field.name.size());
      head_.append(": ");
      head_.append(field.value.data(), field.value.size());
      head_.append("\r\n");
    }
  }
  if (length > 0 || (request.method != "GET" && request.method != "HEAD" &&
                     request.method != "DELETE")) {
    absl::StrAppend(&head_, "content-length: ", length, "\r\n\r\n");
  } else {
    head_.append("\r\n");
  }
  return absl::OkStatus();
}

Awaitable<Wake> ClientConnection::SendAll(const ClientRequest& request) {
  GatherList list;
  list.Add(head_);
  size_t next = 0;
  while (true) {
    while (next < request.body.size() && list.Add(request.body[next])) ++next;
    while (!list.empty()) {
      const IoResult result = tls_ ? tls_->TrySend(list.pieces(), list.count())
                                   : TrySend(fd_, list.pieces(), list.count());
      if (result.kind == IoResult::Kind::kBytes) {
        list.Consume(result.bytes);
        continue;
      }
      if (result.kind != IoResult::Kind::kWouldBlock) {
        send_failed_ = true;
        co_return Wake::kReady;
      }
      const bool read = tls_ && !tls_->wants_write();
      const Wake wake =
          co_await WaitFor(read ? TcpSocket::wait_read : TcpSocket::wait_write);
      if (wake != Wake::kReady) co_return wake;
    }
    if (next == request.body.size()) break;
    list = GatherList();
  }
  while (tls_) {
    const IoResult result = tls_->Flush();
    if (result.kind == IoResult::Kind::kBytes) break;
    if (result.kind != IoResult::Kind::kWouldBlock) {
      send_failed_ = true;
      break;
    }
    const Wake wake = co_await WaitFor(
        tls_->wants_write() ? TcpSocket::wait_write : TcpSocket::wait_read);
    if (wake != Wake::kReady) co_return wake;
  }
  co_return Wake::kReady;
}

Awaitable<absl::Status> ClientConnection::Exchange(const ClientRequest& request,
                                                   absl::string_view host) {
  touched_ = false;
  send_failed_ = false;
  more_ready_ = false;
  complete_ = false;
  keep_alive_ = false;
  in_begin_ = in_end_ = 0;
  parser_.Reset();
  chunked_.Reset();
  absl::Status written = WriteHead(request, host);
  if (!written.ok()) {
    Close();
    co_return written;
  }
  deadline_.Set(SteadyOf(request.deadline));
  const Wake wake = co_await SendAll(request);
  if (wake != Wake::kReady) {
    co_return FailWait(wake, TransportError::kTimeoutHeaders,
                       "the request was not taken in time");
  }
  absl::Status status = co_await ReadHead(request.method == "HEAD");
  deadline_.Clear();
  co_return status;
}

Awaitable<absl::Status> ClientConnection::ReadHead(bool to_head) {
  // An answer cannot be there yet, unless sending took long.
  bool try_first = send_failed_ || tls_ != nullptr;
  while (true) {
    const HeadParser::State state = parser_.Find(
        absl::string_view(in_.get() + in_begin_, in_end_ - in_begin_));
    if (state == HeadParser::State::kComplete) {
      const absl::string_view head(in_.get() + in_begin_, parser_.head_size());
      if (!parser_.ParseResponse(head, to_head, status_, headers_, framing_,
                                 keep_alive_)) {
        co_return Fail(TransportError::kBadResponse, parser_.error());
      }
      in_begin_ += head.size();
      parser_.Reset();
      if (status_ == 101) {
        co_return Fail(TransportError::kBadResponse, "unexpected upgrade");
      }
      if (status_ < 200) continue;
      if (send_failed_) keep_alive_ = false;
      if (framing_.kind == Framing::Kind::kNone) {
        complete_ = true;
        if (in_begin_ != in_end_) keep_alive_ = false;
      }
      co_return absl::OkStatus();
    }
    if (state == HeadParser::State::kBad) {
      co_return Fail(TransportError::kBadResponse, parser_.error());
    }
    if (!MakeRoom(options_.max_header_bytes)) {
      co_return Fail(TransportError::kBadResponse,
                     "the response head is too large");
    }
    IoResult result{IoResult::Kind::kWouldBlock};
    if (try_first) {
      result = TryReceiveSome(in_.get() + in_end_, in_capacity_ - in_end_);
    }
    try_first = true;
    if (result.kind == IoResult::Kind::kBytes) {
      touched_ = true;
      in_end_ += result.bytes;
      continue;
    }
    if (result.kind != IoResult::Kind::kWouldBlock) {
      co_return Fail(TransportError::kReset,
                     touched_ ? "the connection ended within a response head"
                              : "the connection ended without a response");
    }
    const bool write = tls_ && tls_->wants_write();
    const Wake wake =
        co_await WaitFor(write ? TcpSocket::wait_write : TcpSocket::wait_read);
    if (wake != Wake::kReady) {
      co_return FailWait(wake, TransportError::kTimeoutHeaders,
                         "no response head in time");
    }
  }
}

bool ClientConnection::TakeDecoded(absl::string_view& run) {
  char* const data = in_.get() + in_begin_;
  const size_t size = in_end_ - in_begin_;
  switch (framing_.kind) {
    case Framing::Kind::kChunked: {
      const ChunkedDecoder::Result result = chunked_.Decode(data, size);
      in_begin_ += result.consumed;
      run = absl::string_view(data, result.produced);
      complete_ = chunked_.done();
      break;
    }
    case Framing::Kind::kLength: {
      const size_t n = std::min<uint64_t>(framing_.length, size);
      in_begin_ += n;
      framing_.length -= n;
      run = absl::string_view(data, n);
      complete_ = framing_.length == 0;
      break;
    }
    case Framing::Kind::kUntilClose:
    case Framing::Kind::kNone:
      in_begin_ = in_end_;
      run = absl::string_view(data, size);
      break;
  }
  // Bytes behind the end belong to no request.
  if (complete_ && in_begin_ != in_end_) keep_alive_ = false;
  return !run.empty() || complete_;
}

Awaitable<absl::StatusOr<absl::string_view>> ClientConnection::Read(
    absl::Time deadline) {
  absl::string_view run;
  if (complete_) co_return run;
  if (!open_) co_return absl::FailedPreconditionError("closed");
  if (in_begin_ != in_end_ && TakeDecoded(run)) co_return run;
  bool try_first = more_ready_ || tls_ != nullptr;
  bool armed = false;
  while (true) {
    if (chunked_.bad()) {
      co_return Fail(TransportError::kBadResponse, "malformed chunk");
    }
    in_begin_ = in_end_ = 0;
    MakeRoom(kBufferSize);
    IoResult result{IoResult::Kind::kWouldBlock};
    if (try_first) result = TryReceiveSome(in_.get(), in_capacity_);
    try_first = true;
    if (result.kind == IoResult::Kind::kBytes) {
      more_ready_ = result.bytes == in_capacity_;
      in_end_ = result.bytes;
      if (TakeDecoded(run)) co_return run;
      continue;
    }
    if (result.kind == IoResult::Kind::kEof &&
        framing_.kind == Framing::Kind::kUntilClose) {
      complete_ = true;
      Close();
      co_return run;
    }
    if (result.kind != IoResult::Kind::kWouldBlock) {
      co_return Fail(TransportError::kTruncated,
                     result.kind == IoResult::Kind::kEof
                         ? "the response ended before its announced end"
                         : "the connection broke within the response");
    }
    if (!armed) {
      armed = true;
      deadline_.Set(SteadyOf(deadline));
    }
    const bool write = tls_ && tls_->wants_write();
    const Wake wake =
        co_await WaitFor(write ? TcpSocket::wait_write : TcpSocket::wait_read);
    if (wake != Wake::kReady) {
      co_return FailWait(wake, TransportError::kTimeoutRead,
                         "the response stalled");
    }
  }
}

IoResult ClientConnection::TryReceiveSome(char* data, size_t size) {
  return tls_ ? tls_->TryReceive(data, size) : TryReceive(fd_, data, size);
}

bool ClientConnection::MakeRoom(size_t limit) {
  if (in_end_ < in_capacity_) return true;
  if (in_capacity_ >= limit) return false;
  const size_t capacity =
      std::min(std::max(kBufferSize, in_capacity_ * 2), limit);
  std::unique_ptr<char[]> grown(new char[capacity]);
  if (in_end_ > in_begin_) {
    std::memcpy(grown.get(), in_.get() + in_begin_, in_end_ - in_begin_);
  }
  in_ = std::move(grown);
  in_capacity_ = capacity;
  in_end_ -= in_begin_;
  in_begin_ = 0;
  return true;
}

void ClientConnection::Rest(SteadyTime idle_until) {
  idle_ = true;
  in_.reset();
  in_capacity_ = in_begin_ = in_end_ = 0;
  deadline_.Set(idle_until);
}

bool ClientConnection::LooksIdle() {
  idle_ = false;
  fresh = false;
  deadline_.Clear();
  if (tls_) return tls_->LooksIdle();
  char byte;
  const ssize_t n = ::recv(fd_, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

}  // namespace gateway::http
