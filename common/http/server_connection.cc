#include "common/http/server_connection.h"

#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>

#include <algorithm>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/this_coro.hpp>
#include <cstring>
#include <ctime>

#include "common/http/counted_in.h"

namespace gateway::http {
namespace {

namespace asio = boost::asio;

constexpr size_t kFirstInputCapacity = 8 * 1024;
// A body string that grew beyond this is not kept for the next request.
constexpr size_t kKeptBodyCapacity = 64 * 1024;
// A refused body up to this size is read over to keep the connection.
constexpr uint64_t kMaxSkippedBody = 256 * 1024;
constexpr absl::Duration kLingerTimeout = absl::Seconds(2);
// Between two looks at a client that has sent more than is kept.
constexpr auto kEndWatchInterval = std::chrono::milliseconds(100);
// The steps of the growth of a body: as much as has come, within these.
constexpr size_t kMinBodyStep = 16 * 1024;
constexpr size_t kMaxBodyStep = 1024 * 1024;

constexpr ServerError kBodiesFull{503, "overloaded",
                                  "Too many requests are in flight."};

SteadyTime After(absl::Duration duration) {
  return std::chrono::steady_clock::now() + absl::ToChronoNanoseconds(duration);
}

}  // namespace

absl::string_view ServerShard::DateLine() {
  const int64_t now = std::time(nullptr);
  if (now != date_second_) {
    date_second_ = now;
    date_line_ = absl::StrCat(
        "date: ",
        absl::FormatTime("%a, %d %b %E4Y %H:%M:%S GMT",
                         absl::FromUnixSeconds(now), absl::UTCTimeZone()),
        "\r\n");
  }
  return date_line_;
}

ServerConnection::ServerConnection(std::shared_ptr<ServerShard> shard,
                                   TcpSocket socket, std::string peer)
    : owner_(std::move(shard)),
      shard_(*owner_),
      socket_(std::move(socket)),
      fd_(socket_.native_handle()),
      deadline_(shard_.io, [this] { OnDeadline(); }),
      readable_(shard_.io.get_executor()),
      writable_(shard_.io.get_executor()) {
  request_.peer = std::move(peer);
  shard_.stats->connections.fetch_add(1, std::memory_order_relaxed);
}

ServerConnection::~ServerConnection() {
  ReleaseBody();
  shard_.stats->connections.fetch_sub(1, std::memory_order_relaxed);
}

void ServerConnection::Start() { Spawn(&ServerConnection::Serve); }

void ServerConnection::StartRefusing() { Spawn(&ServerConnection::Refuse); }

void ServerConnection::Spawn(Awaitable<void> (ServerConnection::*run)()) {
  asio::co_spawn(
      shard_.io, [this, run] { return (this->*run)(); },
      asio::bind_cancellation_slot(
          cancel_.slot(), [this](std::exception_ptr) { shard_.Remove(this); }));
}

void ServerConnection::Drain() {
  if (phase_ == Phase::kIdle) readable_.Notify(Wake::kReady);
}

void ServerConnection::CancelHandler() {
  if (phase_ == Phase::kHandling) {
    cancel_.emit(asio::cancellation_type::terminal);
  }
}

void ServerConnection::Abort() {
  gone_ = true;
  cancel_.emit(asio::cancellation_type::terminal);
}

Awaitable<void> ServerConnection::Serve() {
  co_await asio::this_coro::throw_if_cancelled(false);
  deadline_.Set(After(shard_.options.header_timeout));
  bool open = true;
  while (open) open = co_await ServeOne();
  deadline_.Clear();
  boost::system::error_code ignored;
  socket_.close(ignored);
}

Awaitable<void> ServerConnection::Refuse() {
  co_await asio::this_coro::throw_if_cancelled(false);
  co_await RespondError({503, "overloaded", "Too many connections."}, false);
  boost::system::error_code ignored;
  socket_.close(ignored);
}

Awaitable<bool> ServerConnection::ServeOne() {
  streaming_ = head_sent_ = finished_ = false;
  const bool has_head = co_await ReadHead();
  if (!has_head) co_return false;

  Framing framing;
  const size_t head_size = parser_.head_size();
  if (!parser_.ParseRequest(input().substr(0, head_size), request_, framing)) {
    const absl::string_view reason =
        parser_.error_status() == 400 ? "bad_request" : "not_supported";
    co_await RespondError({parser_.error_status(), reason, parser_.error()},
                          false);
    co_return false;
  }
  ConsumeInput(head_size);
  parser_.Reset();
  shard_.stats->requests.fetch_add(1, std::memory_order_relaxed);
  close_after_ = !request_.keep_alive || shard_.draining;
  request_.body.clear();

  if (auto refusal = shard_.handler->OnHead(request_)) {
    co_return co_await AnswerRefusal(*refusal, framing);
  }
  if (framing.kind != Framing::Kind::kNone) {
    const bool has_body = co_await ReadBody(framing);
    if (!has_body) co_return false;
  }

  deadline_.Clear();
  phase_ = Phase::kHandling;
  if (!read_armed_) ArmRead();
  {
    const CountedIn active(shard_.stats->active);
    co_await shard_.handler->Handle(request_, *this);
  }
  if (!finished_ && !gone_ && !head_sent_) {
    co_await RespondError({500, "internal", "The request got no answer."},
                          true);
  }
  ReleaseBody();
  if (!finished_ && gone_) {
    shard_.stats->client_gone.fetch_add(1, std::memory_order_relaxed);
  }
  if (!finished_ || gone_) co_return false;
  // A drain that began after the head went out: the connection was to stay.
  if (shard_.draining) close_after_ = true;
  if (close_after_) co_await Linger();
  co_return !close_after_;
}

Awaitable<bool> ServerConnection::ReadHead() {
  const ServerOptions& options = shard_.options;
  if (in_begin_ == in_end_) {
    // The accept's own deadline holds for the first request.
    if (phase_ == Phase::kHandling) {
      deadline_.Set(After(options.idle_timeout));
    }
    phase_ = Phase::kIdle;
  } else {
    phase_ = Phase::kHead;
    deadline_.Set(After(options.header_timeout));
  }
  while (true) {
    // An empty line in front of a request is skipped.
    while (parser_.head_size() == 0 && input().size() >= 2 &&
           input()[0] == '\r' && input()[1] == '\n') {
      ConsumeInput(2);
    }
    const HeadParser::State state = parser_.Find(input());
    if (state == HeadParser::State::kBad) {
      co_await RespondError({400, "bad_request", parser_.error()}, false);
      co_return false;
    }
    const bool whole = state == HeadParser::State::kComplete;
    const size_t size = whole ? parser_.head_size() : input().size();
    if (size > options.max_header_bytes) {
      co_await RespondError(
          {431, "headers_too_large", "The request headers are too large."},
          false);
      co_return false;
    }
    if (whole) co_return true;
    const Input result = co_await FillInput();
    if (result == Input::kTimeout && phase_ == Phase::kHead) {
      co_await RespondError(
          {408, "request_timeout", "The request came too slowly."}, false);
    }
    if (result != Input::kReady) co_return false;
    if (phase_ == Phase::kIdle) {
      phase_ = Phase::kHead;
      // Whole requests, the rule, never come to move the deadline.
      if (parser_.Find(input()) == HeadParser::State::kIncomplete) {
        deadline_.Set(After(options.header_timeout));
      }
    }
  }
}

Awaitable<bool> ServerConnection::AnswerRefusal(const Response& response,
                                                const Framing& framing) {
  const bool skippable =
      framing.kind == Framing::Kind::kNone ||
      (framing.kind == Framing::Kind::kLength &&
       framing.length <= kMaxSkippedBody && !request_.headers.Has("expect"));
  if (!skippable) close_after_ = true;
  const absl::Status sent =
      co_await Respond(response.status, response.headers, response.body);
  if (!sent.ok()) co_return false;
  if (close_after_) {
    co_await Linger();
    co_return false;
  }
  phase_ = Phase::kBody;
  uint64_t left = framing.length;
  deadline_.Set(After(shard_.options.body_timeout));
  while (left > 0) {
    if (in_begin_ == in_end_) {
      const Input filled = co_await FillInput();
      if (filled != Input::kReady) co_return false;
    }
    const size_t n = std::min<uint64_t>(left, input().size());
    ConsumeInput(n);
    left -= n;
  }
  phase_ = Phase::kHandling;
  co_return true;
}

Awaitable<bool> ServerConnection::ReadBody(const Framing& framing) {
  phase_ = Phase::kBody;
  if (framing.kind == Framing::Kind::kLength &&
      framing.length > shard_.options.max_body_bytes) {
    co_await RespondError(
        {413, "request_too_large", "The request body is too large."}, true);
    co_return false;
  }
  // What has no room now is refused at once, but room is taken as it comes: who
  // announces much and sends little holds little.
  if (framing.kind == Framing::Kind::kLength &&
      !shard_.bodies->TryAcquire(framing.length)) {
    co_await RespondError(kBodiesFull, true);
    co_return false;
  }
  paced_bytes_ = 0;
  if (request_.minor_version == 1 && in_begin_ == in_end_) {
    const auto expect = request_.headers.Find("expect");
    if (expect && absl::EqualsIgnoreCase(*expect, "100-continue")) {
      GatherList list;
      list.Add("HTTP/1.1 100 Continue\r\n\r\n");
      const absl::Status sent = co_await Send(list);
      if (!sent.ok()) co_return false;
    }
  }
  if (framing.kind == Framing::Kind::kLength) {
    co_return co_await ReadLengthBody(framing.length);
  }
  co_return co_await ReadChunkedBody();
}

Awaitable<bool> ServerConnection::ReadLengthBody(uint64_t length) {
  std::string& body = request_.body;
  const size_t early = std::min<uint64_t>(length, input().size());
  body.reserve(std::min<uint64_t>(length, kMaxBodyStep));
  body.assign(input().data(), early);
  ConsumeInput(early);
  bool reserved = Reserve(early);
  // The rest goes straight to its place.
  size_t filled = early;
  while (reserved && filled < length) {
    if (filled == body.size()) {
      const size_t step = std::min<uint64_t>(
          length - filled, std::clamp(filled, kMinBodyStep, kMaxBodyStep));
      reserved = Reserve(step);
      if (!reserved) break;
      body.resize(filled + step);
    }
    const IoResult result =
        TryReceive(fd_, body.data() + filled, body.size() - filled);
    if (result.kind == IoResult::Kind::kBytes) {
      filled += result.bytes;
      continue;
    }
    if (result.kind != IoResult::Kind::kWouldBlock) co_return false;
    Pace(filled);
    const Input input = co_await WaitForInput();
    if (input == Input::kTimeout) co_await RespondTooSlow();
    if (input != Input::kReady) co_return false;
  }
  if (!reserved) co_await RespondError(kBodiesFull, true);
  co_return reserved;
}

Awaitable<bool> ServerConnection::ReadChunkedBody() {
  chunked_.Reset();
  while (true) {
    const ChunkedDecoder::Result result =
        chunked_.Decode(in_.get() + in_begin_, in_end_ - in_begin_);
    if (request_.body.size() + result.produced >
        shard_.options.max_body_bytes) {
      co_await RespondError(
          {413, "request_too_large", "The request body is too large."}, true);
      co_return false;
    }
    if (result.produced > 0) {
      if (!Reserve(result.produced)) {
        co_await RespondError(kBodiesFull, true);
        co_return false;
      }
      request_.body.append(in_.get() + in_begin_, result.produced);
    }
    ConsumeInput(result.consumed);
    if (chunked_.bad()) {
      co_await RespondError({400, "bad_request", "bad chunked body"}, true);
      co_return false;
    }
    if (chunked_.done()) co_return true;
    Pace(request_.body.size());
    const Input input = co_await FillInput();
    if (input == Input::kTimeout) co_await RespondTooSlow();
    if (input != Input::kReady) co_return false;
  }
}

void ServerConnection::Pace(size_t received) {
  if (received < paced_bytes_) return;
  paced_bytes_ = received + shard_.options.body_timeout_bytes;
  deadline_.Set(After(shard_.options.body_timeout));
}

Awaitable<void> ServerConnection::RespondTooSlow() {
  shard_.stats->body_timeouts.fetch_add(1, std::memory_order_relaxed);
  co_await RespondError(
      {408, "request_timeout", "The request body came too slowly."}, true);
}

Awaitable<void> ServerConnection::RespondError(ServerError error,
                                               bool head_known) {
  shard_.stats->refused.fetch_add(1, std::memory_order_relaxed);
  Response response;
  response.status = error.status;
  if (shard_.options.error_renderer != nullptr) {
    response = shard_.options.error_renderer->Render(
        error, head_known ? &request_ : nullptr);
  } else {
    response.body = absl::StrCat(error.message, "\n");
    response.headers.Add("content-type", "text/plain; charset=utf-8");
  }
  if (error.status == 503 && !response.headers.Has("retry-after")) {
    const int64_t seconds =
        std::max<int64_t>(1, absl::ToInt64Seconds(shard_.options.retry_after));
    response.headers.Add("retry-after", absl::StrCat(seconds));
  }
  if (!head_known) request_.method.clear();
  close_after_ = true;
  streaming_ = false;
  const absl::Status sent =
      co_await Respond(response.status, response.headers, response.body);
  if (sent.ok() && phase_ != Phase::kHandling) co_await Linger();
}

Awaitable<void> ServerConnection::Linger() {
  // A close with bytes unread resets the connection, and the client would lose
  // the answer: read over what it still sends.
  phase_ = Phase::kLinger;
  boost::system::error_code ignored;
  socket_.shutdown(TcpSocket::shutdown_send, ignored);
  const SteadyTime end = After(kLingerTimeout);
  deadline_.Set(end);
  char waste[4096];
  while (true) {
    const IoResult result = TryReceive(fd_, waste, sizeof(waste));
    if (result.kind == IoResult::Kind::kBytes) {
      if (std::chrono::steady_clock::now() > end) co_return;
      continue;
    }
    if (result.kind != IoResult::Kind::kWouldBlock) co_return;
    const Input waited = co_await WaitForInput();
    if (waited != Input::kReady) co_return;
  }
}

Awaitable<ServerConnection::Input> ServerConnection::WaitForInput() {
  if (gone_) co_return Input::kGone;
  if (!read_armed_) ArmRead();
  const Wake wake = co_await readable_.Wait();
  if (wake == Wake::kCancelled) gone_ = true;
  if (gone_) co_return Input::kGone;
  co_return wake == Wake::kTimeout ? Input::kTimeout : Input::kReady;
}

Awaitable<ServerConnection::Input> ServerConnection::FillInput() {
  while (true) {
    const Input input = co_await WaitForInput();
    if (input != Input::kReady) co_return input;
    if (!MakeRoom()) co_return Input::kGone;
    const IoResult result =
        TryReceive(fd_, in_.get() + in_end_, in_capacity_ - in_end_);
    if (result.kind == IoResult::Kind::kBytes) {
      in_end_ += result.bytes;
      co_return Input::kReady;
    }
    const bool drained = shard_.draining && phase_ == Phase::kIdle;
    if (result.kind != IoResult::Kind::kWouldBlock || drained) {
      gone_ = true;
      co_return Input::kGone;
    }
  }
}

void ServerConnection::ArmRead() {
  read_armed_ = true;
  socket_.async_wait(TcpSocket::wait_read,
                     [self = shared_from_this()](boost::system::error_code e) {
                       self->OnReadable(e);
                     });
}

void ServerConnection::OnReadable(boost::system::error_code error) {
  read_armed_ = false;
  if (error) return;
  if (readable_.waiting()) {
    readable_.Notify(Wake::kReady);
  } else if (phase_ == Phase::kHandling && !gone_) {
    Watch();
  }
}

void ServerConnection::Watch() {
  while (MakeRoom()) {
    const IoResult result =
        TryReceive(fd_, in_.get() + in_end_, in_capacity_ - in_end_);
    if (result.kind == IoResult::Kind::kBytes) {
      in_end_ += result.bytes;
      continue;
    }
    if (result.kind == IoResult::Kind::kWouldBlock) {
      ArmRead();
      return;
    }
    OnClientEnd();
    return;
  }
  if (!end_watch_) WatchForEnd();
}

void ServerConnection::WatchForEnd() {
  end_watch_.emplace(shard_.io, kEndWatchInterval);
  end_watch_->async_wait(
      [self = shared_from_this()](boost::system::error_code) {
        self->end_watch_.reset();
        if (self->phase_ != Phase::kHandling || self->gone_) return;
        if (PeerHasEnded(self->fd_)) return self->OnClientEnd();
        self->WatchForEnd();
      });
}

void ServerConnection::OnClientEnd() {
  gone_ = true;
  cancel_.emit(asio::cancellation_type::terminal);
}

void ServerConnection::OnDeadline() {
  if (readable_.waiting()) {
    readable_.Notify(Wake::kTimeout);
  } else {
    writable_.Notify(Wake::kTimeout);
  }
}

void ServerConnection::BeginHead(int status, const Headers& headers) {
  head_.clear();
  if (status == 200) {
    head_.append("HTTP/1.1 200 OK\r\n");
  } else {
    absl::StrAppend(&head_, "HTTP/1.1 ", status, " ", ReasonPhrase(status),
                    "\r\n");
  }
  for (const Header field : headers) {
    // What frames the message is this class's own business.
    if (!IsValidHeader(field.name, field.value) ||
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
  const absl::string_view date = shard_.DateLine();
  head_.append(date.data(), date.size());
  if (shard_.draining) close_after_ = true;
  if (close_after_) {
    head_.append("connection: close\r\n");
  } else if (request_.minor_version == 0) {
    head_.append("connection: keep-alive\r\n");
  }
}

absl::Status ServerConnection::Gone() {
  gone_ = true;
  return absl::CancelledError("the client is gone");
}

Awaitable<absl::Status> ServerConnection::Respond(int status,
                                                  const Headers& headers,
                                                  absl::string_view body) {
  if (gone_) co_return Gone();
  if (head_sent_) {
    co_return absl::FailedPreconditionError("an answer has begun");
  }
  BeginHead(status, headers);
  const bool bodiless = status == 204 || status == 304;
  if (!bodiless) {
    absl::StrAppend(&head_, "content-length: ", body.size(), "\r\n\r\n");
  } else {
    head_.append("\r\n");
  }
  head_sent_ = true;
  GatherList list;
  list.Add(head_);
  if (!bodiless && request_.method != "HEAD") list.Add(body);
  absl::Status sent = co_await Send(list);
  finished_ = sent.ok();
  co_return sent;
}

void ServerConnection::StartStream(int status, const Headers& headers) {
  if (head_sent_) return;
  streaming_ = true;
  chunked_answer_ = request_.minor_version == 1;
  if (!chunked_answer_) close_after_ = true;
  BeginHead(status, headers);
  head_.append(chunked_answer_ ? "transfer-encoding: chunked\r\n\r\n" : "\r\n");
}

Awaitable<absl::Status> ServerConnection::Write(absl::string_view run) {
  if (gone_) co_return Gone();
  if (!streaming_ || finished_) {
    co_return absl::FailedPreconditionError("no stream is open");
  }
  GatherList list;
  char line[kMaxChunkLine];
  if (!head_sent_) list.Add(head_);
  head_sent_ = true;
  if (!run.empty() && request_.method != "HEAD") {
    if (chunked_answer_) {
      list.Add(absl::string_view(line, WriteChunkLine(run.size(), line)));
      list.Add(run);
      list.Add("\r\n");
    } else {
      list.Add(run);
    }
  }
  co_return co_await Send(list);
}

Awaitable<absl::Status> ServerConnection::Finish(absl::string_view run) {
  if (gone_) co_return Gone();
  if (!streaming_ || finished_) {
    co_return absl::FailedPreconditionError("no stream is open");
  }
  GatherList list;
  char line[kMaxChunkLine];
  if (!head_sent_) list.Add(head_);
  head_sent_ = true;
  if (request_.method != "HEAD") {
    if (!chunked_answer_) {
      list.Add(run);
    } else if (run.empty()) {
      list.Add("0\r\n\r\n");
    } else {
      list.Add(absl::string_view(line, WriteChunkLine(run.size(), line)));
      list.Add(run);
      list.Add("\r\n0\r\n\r\n");
    }
  }
  absl::Status sent = co_await Send(list);
  finished_ = sent.ok();
  co_return sent;
}

Awaitable<absl::Status> ServerConnection::Send(GatherList& list) {
  if (!list.empty()) {
    const IoResult result = TrySend(fd_, list.pieces(), list.count());
    if (result.kind == IoResult::Kind::kError) co_return Gone();
    list.Consume(result.bytes);
  }
  if (list.empty()) co_return absl::OkStatus();
  co_return co_await SendRest(list);
}

Awaitable<absl::Status> ServerConnection::SendRest(GatherList& list) {
  while (!list.empty()) {
    deadline_.Set(After(shard_.options.write_timeout));
    socket_.async_wait(
        TcpSocket::wait_write,
        [self = shared_from_this()](boost::system::error_code error) {
          if (!error) self->writable_.Notify(Wake::kReady);
        });
    const Wake wake = co_await writable_.Wait();
    deadline_.Clear();
    if (wake == Wake::kTimeout) {
      shard_.stats->write_timeouts.fetch_add(1, std::memory_order_relaxed);
    }
    if (wake != Wake::kReady || gone_) co_return Gone();
    const IoResult result = TrySend(fd_, list.pieces(), list.count());
    if (result.kind == IoResult::Kind::kError) co_return Gone();
    list.Consume(result.bytes);
  }
  co_return absl::OkStatus();
}

bool ServerConnection::Reserve(int64_t bytes) {
  if (body_permit_.amount() > 0) return body_permit_.TryGrow(bytes);
  auto permit = shard_.bodies->TryAcquire(bytes);
  if (!permit) return false;
  body_permit_ = *std::move(permit);
  return true;
}

void ServerConnection::ReleaseBody() {
  body_permit_.Release();
  if (request_.body.capacity() > kKeptBodyCapacity) {
    std::string().swap(request_.body);
  }
}

void ServerConnection::ConsumeInput(size_t bytes) {
  in_begin_ += bytes;
  if (in_begin_ == in_end_) in_begin_ = in_end_ = 0;
}

bool ServerConnection::MakeRoom() {
  if (in_end_ < in_capacity_) return true;
  if (in_begin_ > 0) {
    std::memmove(in_.get(), in_.get() + in_begin_, in_end_ - in_begin_);
    in_end_ -= in_begin_;
    in_begin_ = 0;
    return true;
  }
  const size_t limit = shard_.options.max_header_bytes + 1024;
  if (in_capacity_ >= limit) return false;
  const size_t capacity = in_capacity_ == 0
                              ? std::min(kFirstInputCapacity, limit)
                              : std::min(in_capacity_ * 2, limit);
  std::unique_ptr<char[]> grown(new char[capacity]);
  if (in_end_ > 0) std::memcpy(grown.get(), in_.get(), in_end_);
  in_ = std::move(grown);
  in_capacity_ = capacity;
  return true;
}

}  // namespace gateway::http
