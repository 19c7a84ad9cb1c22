#ifndef TESTS_FAKES_PROVIDER_SOCKET_H_
#define TESTS_FAKES_PROVIDER_SOCKET_H_

#include <openssl/ssl.h>
#include <sys/types.h>

#include <cstddef>

namespace fake_provider {

// A connected non-blocking socket that it owns, with or without TLS.
class Socket {
 public:
  // What Read and Write return instead of a count.
  static constexpr ssize_t kWouldBlock = -1;
  static constexpr ssize_t kGone = -2;

  // `tls` may be null; it must outlive the socket.
  Socket(int fd, SSL_CTX* tls);
  ~Socket();
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  int fd() const { return fd_; }
  // A byte count > 0, kWouldBlock, or kGone at the end and after errors.
  ssize_t Read(char* data, size_t size);
  ssize_t Write(const char* data, size_t size);
  // Makes the coming close send RST.
  void ResetOnClose();
  // Tells the peer, before the close, that nothing more follows.
  void FinishTls();

 private:
  ssize_t TlsResult(int result);

  const int fd_;
  SSL* ssl_ = nullptr;
};

// A TLS server context with this certificate and key (PEM files), or null
// with the reasons on stderr.
SSL_CTX* MakeServerTls(const char* certificate, const char* key);

// A listening socket on 127.0.0.1 that shares its port with others of the
// same kind; -1 with the reason on stderr.
int Listen(int port);
int PortOf(int fd);

}  // namespace fake_provider

#endif  // TESTS_FAKES_PROVIDER_SOCKET_H_
