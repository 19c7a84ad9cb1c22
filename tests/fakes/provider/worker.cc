#include "tests/fakes/provider/worker.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <string_view>

namespace fake_provider {
namespace {

constexpr size_t kReadSize = 256 << 10;
constexpr auto kLinger = std::chrono::seconds(1);
constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

std::atomic<long> next_connection{1};

}  // namespace

struct Worker::Connection {
  Connection(int fd, SSL_CTX* tls) : socket(fd, tls) {}

  Socket socket;
  long id = next_connection++;
  RequestParser parser;
  // Read, but belonging to a later request.
  std::string pending;
  // The socket has nothing more until the next event.
  bool drained = false;
  // All is said; what still comes is thrown away until the client closes.
  bool lingering = false;

  // The answer going out, if `answering`.
  bool answering = false;
  Answer answer;
  Record record;
  size_t sent = 0;
  size_t next_slice = 0;
  bool waited = false;  // for next_slice
  Clock::time_point due;

  bool armed = false;
  Timers::iterator timer;
};

Worker::Worker(int listen_fd, SSL_CTX* tls, Service* service)
    : listen_fd_(listen_fd),
      tls_(tls),
      service_(service),
      epoll_fd_(epoll_create1(EPOLL_CLOEXEC)),
      wake_fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      buffer_(kReadSize) {
  epoll_event event = {};
  event.events = EPOLLIN;
  event.data.ptr = nullptr;
  epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, listen_fd_, &event);
  epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, wake_fd_, &event);
}

Worker::~Worker() {
  while (!connections_.empty()) {
    Connection* c = connections_.begin()->first;
    if (c->answering) LogEnd(c, "server_stopped");
    Close(c);
  }
  close(listen_fd_);
  close(wake_fd_);
  close(epoll_fd_);
}

void Worker::Stop() {
  stopping_ = true;
  eventfd_write(wake_fd_, 1);
}

void Worker::Run() {
  epoll_event events[256];
  while (!stopping_) {
    int count = epoll_wait(epoll_fd_, events, 256, EpollTimeout());
    for (int i = 0; i < count; ++i) {
      if (events[i].data.ptr == nullptr) {
        Accept();
      } else {
        OnEvent(static_cast<Connection*>(events[i].data.ptr), events[i].events);
      }
    }
    FireTimers();
  }
}

void Worker::Accept() {
  for (int i = 0; i < 64; ++i) {
    int fd =
        accept4(listen_fd_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    auto c = std::make_unique<Connection>(fd, tls_);
    epoll_event event = {};
    event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
    event.data.ptr = c.get();
    epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, fd, &event);
    connections_.emplace(c.get(), std::move(c));
    service_->journal().stats().connections_total++;
    service_->journal().stats().connections_open++;
  }
}

void Worker::OnEvent(Connection* c, unsigned events) {
  bool left = (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
  if (left && c->answering) return ClientGone(c);
  if (left || (events & EPOLLIN)) c->drained = false;
  Drive(c);
  // A request may have come together with the client's farewell.
  if (left && connections_.count(c) != 0) {
    if (c->answering) {
      ClientGone(c);
    } else {
      Close(c);
    }
  }
}

int Worker::EpollTimeout() const {
  if (timers_.empty()) return -1;
  auto wait = std::chrono::ceil<std::chrono::milliseconds>(
      timers_.begin()->first - Clock::now());
  return static_cast<int>(std::max<long>(0, wait.count()));
}

void Worker::FireTimers() {
  if (timers_.empty()) return;
  Clock::time_point now = Clock::now();
  while (!timers_.empty() && timers_.begin()->first <= now) {
    Connection* c = timers_.begin()->second;
    Disarm(c);
    if (c->lingering) {
      Close(c);
    } else {
      Drive(c);
    }
  }
}

void Worker::Drive(Connection* c) {
  // Not before the wait is over, whatever else happens on the socket.
  if (c->armed && !c->lingering) return;
  do {
    if (c->answering && !SendAnswer(c)) return;
  } while (TakeRequest(c));
}

bool Worker::TakeRequest(Connection* c) {
  RequestParser& parser = c->parser;
  if (!c->pending.empty()) {
    c->pending.erase(0, parser.Feed(c->pending.data(), c->pending.size()));
  }
  while (!parser.done() && parser.error() == 0) {
    if (parser.TakeExpectContinue()) {
      c->socket.Write(kContinue.data(), kContinue.size());
    }
    if (c->drained) return false;
    ssize_t n = c->socket.Read(buffer_.data(), buffer_.size());
    if (n == Socket::kWouldBlock) {
      c->drained = true;
      return false;
    }
    if (n == Socket::kGone) {
      Close(c);
      return false;
    }
    // A short read empties a plain socket; TLS may hold back a record.
    c->drained = tls_ == nullptr && static_cast<size_t>(n) < buffer_.size();
    if (c->lingering) continue;
    size_t used = parser.Feed(buffer_.data(), n);
    c->pending.assign(buffer_.data() + used, n - used);
  }
  if (parser.error() != 0) {
    RefuseBadRequest(c);
    return false;
  }
  c->record = Record();
  c->answer = service_->Handle(&parser.request(), c->id, &c->record);
  if (c->answer.end == Answer::End::kKeepAlive &&
      !parser.request().keep_alive) {
    c->answer.end = Answer::End::kClose;
  }
  parser.Reset();
  c->answering = true;
  c->sent = 0;
  c->next_slice = 0;
  c->waited = false;
  c->due = Clock::now();
  return true;
}

void Worker::RefuseBadRequest(Connection* c) {
  Framing framing;
  framing.keep_alive = false;
  Answer answer = RenderError(c->parser.error(), "Bad request.",
                              "invalid_request_error", "null", "", framing);
  c->socket.Write(answer.bytes.data(), answer.bytes.size());
  c->socket.FinishTls();
  shutdown(c->socket.fd(), SHUT_WR);
  c->lingering = true;
  c->parser.Reset();
  c->pending.clear();
  Arm(c, Clock::now() + kLinger);
  Drive(c);
}

bool Worker::SendAnswer(Connection* c) {
  while (SendSlices(c)) {
    if (c->answer.end != Answer::End::kRepeat) return EndAnswer(c);
    c->answer.bytes += c->answer.repeat;
    c->answer.Mark(c->answer.repeat_ms);
  }
  return false;
}

bool Worker::SendSlices(Connection* c) {
  const std::vector<Answer::Slice>& slices = c->answer.slices;
  while (c->next_slice < slices.size()) {
    if (!WaitForSlice(c)) return false;
    size_t last = c->next_slice;
    while (last + 1 < slices.size() && slices[last + 1].wait_ms == 0 &&
           !slices[last].own_write && !slices[last + 1].own_write) {
      ++last;
    }
    while (c->sent < slices[last].end) {
      ssize_t n = c->socket.Write(c->answer.bytes.data() + c->sent,
                                  slices[last].end - c->sent);
      if (n == Socket::kWouldBlock) return false;
      if (n == Socket::kGone) {
        ClientGone(c);
        return false;
      }
      c->sent += n;
    }
    CountSlices(c, last + 1);
    c->waited = false;
  }
  return true;
}

bool Worker::WaitForSlice(Connection* c) {
  int wait_ms = c->answer.slices[c->next_slice].wait_ms;
  if (wait_ms == 0 || c->waited) return true;
  // From the due time before, not from now: a late timer does not add up.
  c->due += std::chrono::milliseconds(wait_ms);
  c->waited = true;
  if (c->due <= Clock::now()) return true;
  Arm(c, c->due);
  return false;
}

bool Worker::EndAnswer(Connection* c) {
  if (c->answer.end == Answer::End::kHang) return false;
  LogEnd(c, c->answer.outcome);
  if (c->answer.end == Answer::End::kKeepAlive) return true;
  if (c->answer.end == Answer::End::kReset) {
    c->socket.ResetOnClose();
  } else {
    c->socket.FinishTls();
  }
  Close(c);
  return false;
}

void Worker::CountSlices(Connection* c, size_t end) {
  for (; c->next_slice < end; ++c->next_slice) {
    const Answer::Slice& slice = c->answer.slices[c->next_slice];
    c->record.tokens_sent += slice.tokens;
    c->record.events_sent += slice.events;
    c->record.usage_sent |= slice.usage;
  }
}

void Worker::LogEnd(Connection* c, const char* outcome) {
  c->answering = false;
  if (c->record.id == 0) return;  // a control request
  c->record.bytes_sent = c->sent;
  c->record.ended = NowSeconds();
  c->record.outcome = outcome;
  service_->Finish(c->record);
}

void Worker::ClientGone(Connection* c) {
  const std::vector<Answer::Slice>& slices = c->answer.slices;
  size_t end = c->next_slice;
  while (end < slices.size() && slices[end].end <= c->sent) ++end;
  CountSlices(c, end);
  LogEnd(c, "client_gone");
  Close(c);
}

void Worker::Close(Connection* c) {
  Disarm(c);
  connections_.erase(c);
  service_->journal().stats().connections_open--;
}

void Worker::Arm(Connection* c, Clock::time_point at) {
  Disarm(c);
  c->timer = timers_.emplace(at, c);
  c->armed = true;
}

void Worker::Disarm(Connection* c) {
  if (c->armed) timers_.erase(c->timer);
  c->armed = false;
}

}  // namespace fake_provider
