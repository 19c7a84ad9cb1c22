#include "common/process/healthcheck.h"

#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>
#include <netdb.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <string>

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

absl::Status AskReadiness(const Address& ops) {
  const bool any = ops.host == "0.0.0.0" || ops.host == "::";
  const std::string host =
      !any ? ops.host : (ops.host == "::" ? "::1" : "127.0.0.1");
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (getaddrinfo(host.c_str(), std::to_string(ops.port).c_str(), &hints,
                  &found) != 0) {
    return absl::UnavailableError(absl::StrCat("no such address: ", host));
  }
  Socket socket(::socket(found->ai_family, SOCK_STREAM, 0));
  const bool connected = socket.Connect(*found);
  freeaddrinfo(found);
  if (!connected) {
    return absl::UnavailableError(
        absl::StrCat("nothing listens on ", ops.ToString()));
  }
  const std::string answer = socket.Exchange(
      "GET /readyz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
  if (absl::StartsWith(answer, "HTTP/1.1 200")) return absl::OkStatus();
  const size_t body = answer.find("\r\n\r\n");
  return absl::UnavailableError(
      body == std::string::npos
          ? "no answer from the ops port"
          : absl::StrCat("not ready: ", answer.substr(body + 4)));
}

}  // namespace gateway::process
