#include "tests/bench/load.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>

#include "tests/bench/response.h"

namespace bench {
namespace {

double Seconds(clockid_t clock) {
  timespec now;
  clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * now.tv_nsec;
}

double Now() { return Seconds(CLOCK_MONOTONIC); }

class Loop {
 public:
  explicit Loop(const LoadOptions& options);
  ~Loop();

  LoadResult Run();

 private:
  struct Connection {
    explicit Connection(const LoadOptions& options)
        : response(options.streamed, options.content_events) {}
    int fd = -1;
    bool busy = false;
    // Answers that this socket has carried.
    long answers = 0;
    size_t sent = 0;
    double began = 0;
    double first = 0;
    Response response;
  };

  bool MayBegin() const;
  // Lets the connections begin whose time has come; returns how long the next
  // one can wait, in milliseconds.
  int Ramp();
  void Begin(Connection* c);
  bool Connect(Connection* c);
  void Disconnect(Connection* c);
  void Write(Connection* c);
  // `to_end`: the peer has closed, so the socket is read until it says so.
  void Read(Connection* c, bool to_end);
  void End(Connection* c, std::string_view fault);
  void CheckTimeouts();

  const LoadOptions& options_;
  std::string request_;
  const int epoll_fd_;
  double began_ = 0;
  double deadline_ = 0;
  long begun_ = 0;
  int in_flight_ = 0;
  int streams_begun_ = 0;
  bool held_ = false;
  LoadResult result_;
  std::vector<std::unique_ptr<Connection>> connections_;
  // How many of them have begun.
  size_t ramped_ = 0;
  std::vector<char> buffer_;
};

Loop::Loop(const LoadOptions& options)
    : options_(options), epoll_fd_(epoll_create1(0)), buffer_(256 << 10) {
  request_ = "POST " + options.path +
             " HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: "
             "application/json\r\n" +
             options.headers +
             "content-length: " + std::to_string(options.body.size()) +
             "\r\n\r\n" + options.body;
  for (int i = 0; i < options.connections; ++i) {
    connections_.push_back(std::make_unique<Connection>(options));
  }
}

Loop::~Loop() {
  for (auto& c : connections_) Disconnect(c.get());
  close(epoll_fd_);
}

bool Loop::MayBegin() const {
  if (options_.hold) return begun_ < options_.connections;
  if (options_.requests > 0) return begun_ < options_.requests;
  return Now() < deadline_;
}

LoadResult Loop::Run() {
  double cpu = Seconds(CLOCK_THREAD_CPUTIME_ID);
  began_ = Now();
  deadline_ = began_ + options_.seconds;
  double next_check = began_ + 0.5;
  while (!held_) {
    int wait_ms = Ramp();
    if (in_flight_ == 0 && ramped_ == connections_.size()) break;
    epoll_event events[256];
    int count = epoll_wait(epoll_fd_, events, 256, wait_ms);
    for (int i = 0; i < count; ++i) {
      auto* c = static_cast<Connection*>(events[i].data.ptr);
      if (c->busy && (events[i].events & EPOLLOUT)) Write(c);
      Read(c, (events[i].events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0);
    }
    if (Now() > next_check) {
      next_check = Now() + 0.5;
      CheckTimeouts();
    }
    if (options_.hold && streams_begun_ == options_.connections) {
      options_.hold();
      held_ = true;
    }
  }
  result_.seconds = Now() - began_;
  result_.client_cpu_seconds = Seconds(CLOCK_THREAD_CPUTIME_ID) - cpu;
  std::sort(result_.latency_us.begin(), result_.latency_us.end());
  std::sort(result_.first_us.begin(), result_.first_us.end());
  return std::move(result_);
}

int Loop::Ramp() {
  while (ramped_ < connections_.size()) {
    double due = began_ + options_.ramp_s * static_cast<double>(ramped_) /
                              static_cast<double>(connections_.size());
    double wait = due - Now();
    if (wait > 0) return static_cast<int>(wait * 1e3) + 1;
    Begin(connections_[ramped_++].get());
  }
  return 100;
}

void Loop::Begin(Connection* c) {
  // A loop, not a recursion: while connects fail, each failure is counted.
  while (MayBegin()) {
    ++begun_;
    c->began = Now();
    if (c->fd >= 0 || Connect(c)) {
      c->busy = true;
      c->sent = 0;
      c->first = 0;
      c->response.Reset();
      ++in_flight_;
      return Write(c);
    }
    result_.faults["connect"]++;
    usleep(1000);
  }
}

bool Loop::Connect(Connection* c) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(options_.port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  // Blocking: on loopback it is done at once or refused.
  if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) !=
      0) {
    close(fd);
    return false;
  }
  int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  c->fd = fd;
  c->answers = 0;
  epoll_event event = {};
  event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
  event.data.ptr = c;
  epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, fd, &event);
  return true;
}

void Loop::Disconnect(Connection* c) {
  if (c->fd >= 0) close(c->fd);
  c->fd = -1;
}

void Loop::Write(Connection* c) {
  while (c->sent < request_.size()) {
    ssize_t n = send(c->fd, request_.data() + c->sent,
                     request_.size() - c->sent, MSG_NOSIGNAL | MSG_DONTWAIT);
    // An error shows when the answer is read.
    if (n < 0) return;
    c->sent += n;
  }
}

void Loop::Read(Connection* c, bool to_end) {
  while (c->fd >= 0) {
    ssize_t n = recv(c->fd, buffer_.data(), buffer_.size(), MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN) return;
    if (!c->busy) {
      // Between two requests only the end may come.
      Disconnect(c);
      result_.reconnects++;
      return;
    }
    if (n <= 0 && !c->response.has_bytes() && c->answers > 0) {
      // A kept-alive connection that died before the first byte: every client
      // must expect that, and sends again.
      result_.reconnects++;
      c->busy = false;
      --in_flight_;
      --begun_;
      Disconnect(c);
      Begin(c);
      return;
    }
    if (n <= 0) {
      c->response.FeedEnd();
    } else {
      c->response.Feed(buffer_.data(), n);
    }
    if (c->first == 0 && c->response.begun()) {
      c->first = Now();
      ++streams_begun_;
    }
    if (c->response.ended()) End(c, c->response.Fault());
    if (!to_end && static_cast<size_t>(n) < buffer_.size()) return;
  }
}

void Loop::End(Connection* c, std::string_view fault) {
  double now = Now();
  c->busy = false;
  --in_flight_;
  ++c->answers;
  if (fault.empty()) {
    result_.completed++;
    result_.latency_us.push_back(static_cast<float>((now - c->began) * 1e6));
    result_.first_us.push_back(static_cast<float>((c->first - c->began) * 1e6));
  } else {
    result_.faults[std::string(fault)]++;
  }
  if (c->response.must_close()) Disconnect(c);
  Begin(c);
}

void Loop::CheckTimeouts() {
  double before = Now() - options_.timeout_s;
  for (auto& c : connections_) {
    if (!c->busy || c->began > before) continue;
    Disconnect(c.get());
    End(c.get(), "timeout");
  }
}

}  // namespace

long LoadResult::failed() const {
  long count = 0;
  for (const auto& fault : faults) count += fault.second;
  return count;
}

LoadResult RunLoad(const LoadOptions& options) { return Loop(options).Run(); }

double Percentile(const std::vector<float>& sorted, double fraction) {
  if (sorted.empty()) return 0;
  size_t rank = static_cast<size_t>(fraction * sorted.size());
  return sorted[std::min(rank, sorted.size() - 1)];
}

std::string ChatBody(const std::string& model, bool streamed,
                     size_t prompt_bytes) {
  static constexpr char kSentence[] =
      "The quick brown fox jumps over the lazy dog. ";
  std::string prompt;
  while (prompt.size() < prompt_bytes) prompt += kSentence;
  prompt.resize(prompt_bytes);
  return "{\"model\":\"" + model +
         "\",\"messages\":[{\"role\":\"user\",\"content\":\"" + prompt +
         "\"}],\"stream\":" + (streamed ? "true" : "false") + "}";
}

}  // namespace bench
