#include "common/process/local_http.h"

#include <absl/strings/match.h>
#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>
#include <absl/time/clock.h>
#include <netdb.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <string>

#include "common/status/macros.h"

namespace gateway::process {
namespace {

constexpr int kTimeoutSeconds = 3;

// One blocking connection, closed at the end.
class Socket {
 public:
  explicit Socket(int fd) : fd_(fd) {
    const timeval timeout{.tv_sec = kTimeoutSeconds};
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
    setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
  }
  ~Socket() { close(fd_); }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  bool Connect(const addrinfo& to) {
    return connect(fd_, to.ai_addr, to.ai_addrlen) == 0;
  }

  // Sends all and returns what comes until the end or the timeout.
  std::string Exchange(const std::string& request) {
    if (send(fd_, request.data(), request.size(), MSG_NOSIGNAL) !=
        static_cast<ssize_t>(request.size())) {
      return "";
    }
    std::string answer;
    char bytes[4096];
    ssize_t count;
    while (answer.size() < 64 * 1024 &&
           (count = recv(fd_, bytes, sizeof(bytes), 0)) > 0) {
      answer.append(bytes, count);
    }
    return answer;
  }

 private:
  const int fd_;
};

}  // namespace

absl::StatusOr<LocalReply> AskLocal(const Address& address,
                                    const std::string& method,
                                    const std::string& path) {
  std::string host = address.host;
  if (host == "0.0.0.0") host = "127.0.0.1";
  if (host == "::") host = "::1";
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (getaddrinfo(host.c_str(), std::to_string(address.port).c_str(), &hints,
                  &found) != 0) {
    return absl::UnavailableError(absl::StrCat("no such address: ", host));
  }
  Socket socket(::socket(found->ai_family, SOCK_STREAM, 0));
  const bool connected = socket.Connect(*found);
  freeaddrinfo(found);
  if (!connected) {
    return absl::UnavailableError(
        absl::StrCat("nothing listens on ", address.ToString()));
  }
  const std::string answer = socket.Exchange(
      absl::StrCat(method, " ", path,
                   " HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n"
                   "content-length: 0\r\n\r\n"));
  const size_t body = answer.find("\r\n\r\n");
  LocalReply reply;
  if (body == std::string::npos || !absl::StartsWith(answer, "HTTP/1.1 ") ||
      !absl::SimpleAtoi(answer.substr(9, 3), &reply.status)) {
    return absl::UnavailableError(
        absl::StrCat("no answer from ", address.ToString()));
  }
  reply.body = answer.substr(body + 4);
  return reply;
}

absl::Status AskReadiness(const Address& ops) {
  ASSIGN_OR_RETURN(const LocalReply reply, AskLocal(ops, "GET", "/readyz"));
  if (reply.status == 200) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat("not ready: ", reply.body));
}

absl::Status AskDrain(const Address& admin, absl::Duration timeout) {
  const absl::Time end = absl::Now() + timeout;
  ASSIGN_OR_RETURN(const LocalReply reply, AskLocal(admin, "POST", "/drain"));
  if (reply.status != 200) {
    return absl::UnavailableError(absl::StrCat("refused: ", reply.body));
  }
  // Its admin port is the last that it closes.
  while (AskLocal(admin, "GET", "/logging").ok()) {
    if (absl::Now() >= end) {
      return absl::DeadlineExceededError("it still drains");
    }
    absl::SleepFor(absl::Milliseconds(100));
  }
  return absl::OkStatus();
}

}  // namespace gateway::process
