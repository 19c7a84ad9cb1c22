#ifndef GATEWAY_TESTS_UNIT_COMMON_HTTP_RAW_SOCKET_H_
#define GATEWAY_TESTS_UNIT_COMMON_HTTP_RAW_SOCKET_H_

#include <absl/strings/string_view.h>

#include <cstdint>
#include <string>

namespace gateway::http {

// A blocking socket of a test: what the other end says is under its control to
// the byte. A receive that waits for ten seconds ends as if the peer had left.
class RawSocket {
 public:
  RawSocket() = default;
  explicit RawSocket(int fd) : fd_(fd) {}
  RawSocket(RawSocket&& other) noexcept;
  RawSocket& operator=(RawSocket&& other) noexcept;
  ~RawSocket();

  static RawSocket Connect(uint16_t port);

  bool Send(absl::string_view bytes);
  // What one receive gives; empty at the end.
  std::string Receive();
  // Until `mark` was received, or the end.
  std::string ReceiveUntil(absl::string_view mark);
  // Until the other end closes.
  std::string ReceiveAll();
  // A head, and the body its content-length announces.
  std::string ReceiveMessage();
  void ShutdownSend();
  // Ends with RST instead of FIN.
  void Reset();
  void Close();
  bool open() const { return fd_ >= 0; }
  int fd() const { return fd_; }

 private:
  int fd_ = -1;
  std::string kept_;
};

// Listens on a free loopback port.
class RawListener {
 public:
  RawListener();
  ~RawListener();
  uint16_t port() const { return port_; }
  RawSocket Accept();

 private:
  int fd_;
  uint16_t port_;
};

}  // namespace gateway::http

#endif  // GATEWAY_TESTS_UNIT_COMMON_HTTP_RAW_SOCKET_H_
