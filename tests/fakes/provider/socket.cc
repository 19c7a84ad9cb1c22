#include "tests/fakes/provider/socket.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

namespace fake_provider {

Socket::Socket(int fd, SSL_CTX* tls) : fd_(fd) {
  int on = 1;
  setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  if (tls == nullptr) return;
  ssl_ = SSL_new(tls);
  SSL_set_fd(ssl_, fd_);
  SSL_set_accept_state(ssl_);
}

Socket::~Socket() {
  SSL_free(ssl_);
  close(fd_);
}

ssize_t Socket::Read(char* data, size_t size) {
  if (ssl_ != nullptr) {
    ERR_clear_error();
    return TlsResult(SSL_read(ssl_, data, static_cast<int>(size)));
  }
  ssize_t n = recv(fd_, data, size, 0);
  if (n > 0) return n;
  return n < 0 && errno == EAGAIN ? kWouldBlock : kGone;
}

ssize_t Socket::Write(const char* data, size_t size) {
  if (ssl_ != nullptr) {
    ERR_clear_error();
    return TlsResult(SSL_write(ssl_, data, static_cast<int>(size)));
  }
  ssize_t n = send(fd_, data, size, MSG_NOSIGNAL);
  if (n > 0) return n;
  return n < 0 && errno == EAGAIN ? kWouldBlock : kGone;
}

ssize_t Socket::TlsResult(int result) {
  if (result > 0) return result;
  int error = SSL_get_error(ssl_, result);
  bool wait = error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE;
  return wait ? kWouldBlock : kGone;
}

void Socket::ResetOnClose() {
  linger now = {1, 0};
  setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
}

void Socket::FinishTls() {
  if (ssl_ != nullptr) SSL_shutdown(ssl_);
}

SSL_CTX* MakeServerTls(const char* certificate, const char* key) {
  SSL_CTX* tls = SSL_CTX_new(TLS_server_method());
  if (SSL_CTX_use_certificate_chain_file(tls, certificate) == 1 &&
      SSL_CTX_use_PrivateKey_file(tls, key, SSL_FILETYPE_PEM) == 1) {
    SSL_CTX_set_mode(tls, SSL_MODE_ENABLE_PARTIAL_WRITE |
                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    return tls;
  }
  ERR_print_errors_fp(stderr);
  SSL_CTX_free(tls);
  return nullptr;
}

int Listen(int port) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0 &&
      listen(fd, 4096) == 0) {
    return fd;
  }
  std::perror("listen");
  close(fd);
  return -1;
}

int PortOf(int fd) {
  sockaddr_in address = {};
  socklen_t size = sizeof(address);
  getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  return ntohs(address.sin_port);
}

}  // namespace fake_provider
