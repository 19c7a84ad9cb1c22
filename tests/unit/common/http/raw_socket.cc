#include "tests/unit/common/http/raw_socket.h"

#include <absl/strings/match.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <utility>

namespace gateway::http {
namespace {

sockaddr_in Loopback(uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

void Prepare(int fd) {
  const timeval limit{10, 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

}  // namespace

RawSocket::RawSocket(RawSocket&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), kept_(std::move(other.kept_)) {}

RawSocket& RawSocket::operator=(RawSocket&& other) noexcept {
  Close();
  fd_ = std::exchange(other.fd_, -1);
  kept_ = std::move(other.kept_);
  return *this;
}

RawSocket::~RawSocket() { Close(); }

RawSocket RawSocket::Connect(uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  Prepare(fd);
  const sockaddr_in address = Loopback(port);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address),
                sizeof(address)) != 0) {
    ::close(fd);
    return RawSocket();
  }
  return RawSocket(fd);
}

bool RawSocket::Send(absl::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n <= 0) return false;
    bytes.remove_prefix(n);
  }
  return true;
}

std::string RawSocket::Receive() {
  if (!kept_.empty()) return std::exchange(kept_, {});
  char buffer[65536];
  const ssize_t n = ::recv(fd_, buffer, sizeof(buffer), 0);
  return n > 0 ? std::string(buffer, n) : std::string();
}

std::string RawSocket::ReceiveUntil(absl::string_view mark) {
  std::string all;
  while (true) {
    const std::string more = Receive();
    if (more.empty()) return all;
    all += more;
    const size_t at = absl::string_view(all).find(mark);
    if (at != absl::string_view::npos) {
      kept_ = all.substr(at + mark.size());
      all.resize(at + mark.size());
      return all;
    }
  }
}

std::string RawSocket::ReceiveAll() {
  std::string all;
  while (true) {
    const std::string more = Receive();
    if (more.empty()) return all;
    all += more;
  }
}

std::string RawSocket::ReceiveMessage() {
  std::string message = ReceiveUntil("\r\n\r\n");
  size_t length = 0;
  constexpr absl::string_view kName = "\r\ncontent-length:";
  for (size_t at = 0; at + kName.size() < message.size(); ++at) {
    if (strncasecmp(message.data() + at, kName.data(), kName.size()) == 0) {
      length = std::strtoul(message.data() + at + kName.size(), nullptr, 10);
    }
  }
  std::string body;
  while (body.size() < length) {
    const std::string more = Receive();
    if (more.empty()) break;
    body += more;
  }
  if (body.size() > length) {
    kept_ = body.substr(length);
    body.resize(length);
  }
  return message + body;
}

void RawSocket::ShutdownSend() { ::shutdown(fd_, SHUT_WR); }

void RawSocket::Reset() {
  const linger now{1, 0};
  setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
  Close();
}

void RawSocket::Close() {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

RawListener::RawListener() : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
  sockaddr_in address = Loopback(0);
  socklen_t size = sizeof(address);
  ::bind(fd_, reinterpret_cast<sockaddr*>(&address), size);
  ::listen(fd_, 128);
  ::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size);
  port_ = ntohs(address.sin_port);
  Prepare(fd_);
}

RawListener::~RawListener() { ::close(fd_); }

RawSocket RawListener::Accept() {
  const int fd = ::accept(fd_, nullptr, nullptr);
  if (fd < 0) return RawSocket();
  Prepare(fd);
  return RawSocket(fd);
}

}  // namespace gateway::http
