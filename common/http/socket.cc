#include "common/http/socket.h"

#include <poll.h>
#include <sys/socket.h>

#include <cerrno>

namespace gateway::http {

IoResult TryReceive(int fd, char* data, size_t size) {
  while (true) {
    const ssize_t n = ::recv(fd, data, size, MSG_DONTWAIT);
    if (n > 0) return {IoResult::Kind::kBytes, static_cast<size_t>(n)};
    if (n == 0) return {IoResult::Kind::kEof};
    if (errno == EINTR) continue;
    if (errno == EAGAIN || errno == EWOULDBLOCK) {
      return {IoResult::Kind::kWouldBlock};
    }
    return {IoResult::Kind::kError};
  }
}

IoResult TrySend(int fd, const iovec* pieces, int count) {
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(pieces);
  message.msg_iovlen = count;
  while (true) {
    const ssize_t n = ::sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n >= 0) return {IoResult::Kind::kBytes, static_cast<size_t>(n)};
    if (errno == EINTR) continue;
    if (errno == EAGAIN || errno == EWOULDBLOCK) {
      return {IoResult::Kind::kWouldBlock};
    }
    return {IoResult::Kind::kError};
  }
}

bool PeerHasEnded(int fd) {
  pollfd look = {.fd = fd, .events = POLLRDHUP, .revents = 0};
  return ::poll(&look, 1, 0) > 0;
}

bool GatherList::Add(absl::string_view piece) {
  if (piece.empty()) return true;
  if (count_ == kMaxPieces) return false;
  pieces_[count_].iov_base = const_cast<char*>(piece.data());
  pieces_[count_].iov_len = piece.size();
  ++count_;
  return true;
}

void GatherList::Consume(size_t bytes) {
  while (first_ < count_ && bytes >= pieces_[first_].iov_len) {
    bytes -= pieces_[first_].iov_len;
    ++first_;
  }
  if (bytes > 0) {
    pieces_[first_].iov_base =
        static_cast<char*>(pieces_[first_].iov_base) + bytes;
    pieces_[first_].iov_len -= bytes;
  }
}

}  // namespace gateway::http
