#ifndef GATEWAY_COMMON_HTTP_SOCKET_H_
#define GATEWAY_COMMON_HTTP_SOCKET_H_

#include <absl/strings/string_view.h>
#include <sys/uio.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <cstddef>

namespace gateway::http {

// Bound to the concrete executor: nothing is type-erased on the way of a byte.
using TcpSocket =
    boost::asio::basic_stream_socket<boost::asio::ip::tcp,
                                     boost::asio::io_context::executor_type>;

// What one non-blocking system call did. The calls are made directly and only
// a wait goes through Asio: an Asio operation that succeeds at once would pay a
// trip through its queue and another epoll_wait.
struct IoResult {
  enum class Kind { kBytes, kWouldBlock, kEof, kError };
  Kind kind;
  size_t bytes = 0;
};

IoResult TryReceive(int fd, char* data, size_t size);
// Sends as much as the kernel takes.
IoResult TrySend(int fd, const iovec* pieces, int count);

// Whether the peer has closed or reset the connection, also behind bytes that
// are not yet received.
bool PeerHasEnded(int fd);

// Pieces that go out by one gather write, and what is left of them.
class GatherList {
 public:
  static constexpr int kMaxPieces = 64;

  // Empty pieces are left out. False if there is no room.
  bool Add(absl::string_view piece);
  // Takes the pieces that were sent off the front.
  void Consume(size_t bytes);

  const iovec* pieces() const { return pieces_ + first_; }
  int count() const { return count_ - first_; }
  bool empty() const { return first_ == count_; }

 private:
  iovec pieces_[kMaxPieces];
  int first_ = 0;
  int count_ = 0;
};

}  // namespace gateway::http

#endif  // GATEWAY_COMMON_HTTP_SOCKET_H_
