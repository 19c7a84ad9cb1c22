#ifndef GATEWAY_COMMON_HTTP_TLS_H_
#define GATEWAY_COMMON_HTTP_TLS_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <sys/uio.h>

#include <memory>
#include <string>

#include "common/http/socket.h"

typedef struct ssl_ctx_st SSL_CTX;
typedef struct ssl_st SSL;

namespace gateway::http {

// Client-side settings of TLS. Immutable.
class TlsContext {
 public:
  static absl::StatusOr<std::unique_ptr<TlsContext>> Create(
      const std::string& ca_file);
  ~TlsContext();
  SSL_CTX* get() const { return context_; }

 private:
  explicit TlsContext(SSL_CTX* context) : context_(context) {}
  SSL_CTX* const context_;
};

// TLS over a non-blocking socket that it does not own. OpenSSL does its own
// system calls on the descriptor; who uses it waits when it says so.
// Thread-compatible.
class TlsSession {
 public:
  enum class Want { kNothing, kRead, kWrite, kFailed };

  // `host` is a name, sent as SNI, or an IP address; the certificate has to
  // carry it.
  static std::unique_ptr<TlsSession> Create(const TlsContext& context, int fd,
                                            const std::string& host);
  ~TlsSession();

  // To be repeated until it wants nothing.
  Want Handshake();
  // Why the handshake failed; for people.
  std::string FailureText() const;

  IoResult TryReceive(char* data, size_t size);
  // Takes bytes into its own record first: they count as sent, and Flush has to
  // see to the rest.
  IoResult TrySend(const iovec* pieces, int count);
  // kBytes once nothing is left.
  IoResult Flush();
  // Whether the connection is alive and silent.
  bool LooksIdle();
  // What the last kWouldBlock waits for.
  bool wants_write() const { return wants_write_; }

 private:
  explicit TlsSession(SSL* ssl) : ssl_(ssl) {}
  IoResult ResultOf(int returned);

  SSL* const ssl_;
  std::string record_;
  size_t record_sent_ = 0;
  bool wants_write_ = false;
};

}  // namespace gateway::http

#endif  // GATEWAY_COMMON_HTTP_TLS_H_
