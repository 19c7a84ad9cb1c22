#include "common/http/tls.h"

#include <absl/strings/str_cat.h>
#include <arpa/inet.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

namespace gateway::http {
namespace {

// What one TLS record carries.
constexpr size_t kRecordSize = 16 * 1024;

int FdOf(BIO* bio) {
  return static_cast<int>(reinterpret_cast<intptr_t>(BIO_get_data(bio)));
}

// OpenSSL's own socket BIO raises SIGPIPE.
int BioWrite(BIO* bio, const char* data, int size) {
  BIO_clear_retry_flags(bio);
  const ssize_t n = ::send(FdOf(bio), data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) BIO_set_retry_write(bio);
  return static_cast<int>(n);
}

int BioRead(BIO* bio, char* data, int size) {
  BIO_clear_retry_flags(bio);
  const ssize_t n = ::recv(FdOf(bio), data, size, MSG_DONTWAIT);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) BIO_set_retry_read(bio);
  if (n == 0) BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
  return static_cast<int>(n);
}

long BioControl(BIO* bio, int command, long, void*) {
  if (command == BIO_CTRL_FLUSH) return 1;
  if (command == BIO_CTRL_EOF) return BIO_test_flags(bio, BIO_FLAGS_IN_EOF);
  return 0;
}

int BioCreate(BIO* bio) {
  BIO_set_init(bio, 1);
  return 1;
}

const BIO_METHOD* SocketMethod() {
  static const BIO_METHOD* const kMethod = [] {
    BIO_METHOD* method =
        BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "socket");
    BIO_meth_set_write(method, BioWrite);
    BIO_meth_set_read(method, BioRead);
    BIO_meth_set_ctrl(method, BioControl);
    BIO_meth_set_create(method, BioCreate);
    return method;
  }();
  return kMethod;
}

bool IsAddress(const std::string& host) {
  unsigned char address[sizeof(in6_addr)];
  return ::inet_pton(AF_INET, host.c_str(), address) == 1 ||
         ::inet_pton(AF_INET6, host.c_str(), address) == 1;
}

}  // namespace

absl::StatusOr<std::unique_ptr<TlsContext>> TlsContext::Create(
    const std::string& ca_file) {
  SSL_CTX* context = SSL_CTX_new(TLS_client_method());
  if (context == nullptr) return absl::InternalError("OpenSSL has no memory");
  std::unique_ptr<TlsContext> result(new TlsContext(context));
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE |
                                SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  static constexpr unsigned char kHttp11[] = "\x08http/1.1";
  SSL_CTX_set_alpn_protos(context, kHttp11, sizeof(kHttp11) - 1);
  const bool trusted = ca_file.empty()
                           ? SSL_CTX_set_default_verify_paths(context) == 1
                           : SSL_CTX_load_verify_locations(
                                 context, ca_file.c_str(), nullptr) == 1;
  ERR_clear_error();
  if (!trusted) {
    return absl::NotFoundError(
        absl::StrCat("no certificate authority can be read from ",
                     ca_file.empty() ? "the system's files" : ca_file));
  }
  return result;
}

TlsContext::~TlsContext() { SSL_CTX_free(context_); }

std::unique_ptr<TlsSession> TlsSession::Create(const TlsContext& context,
                                               int fd,
                                               const std::string& host) {
  SSL* ssl = SSL_new(context.get());
  BIO* bio = BIO_new(SocketMethod());
  BIO_set_data(bio, reinterpret_cast<void*>(static_cast<intptr_t>(fd)));
  SSL_set_bio(ssl, bio, bio);
  SSL_set_connect_state(ssl);
  if (IsAddress(host)) {
    X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host.c_str());
  } else {
    SSL_set_tlsext_host_name(ssl, host.c_str());
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    SSL_set1_host(ssl, host.c_str());
  }
  return std::unique_ptr<TlsSession>(new TlsSession(ssl));
}

TlsSession::~TlsSession() { SSL_free(ssl_); }

TlsSession::Want TlsSession::Handshake() {
  ERR_clear_error();
  const int returned = SSL_do_handshake(ssl_);
  if (returned == 1) return Want::kNothing;
  switch (SSL_get_error(ssl_, returned)) {
    case SSL_ERROR_WANT_READ:
      return Want::kRead;
    case SSL_ERROR_WANT_WRITE:
      return Want::kWrite;
    default:
      return Want::kFailed;
  }
}

std::string TlsSession::FailureText() const {
  const long verdict = SSL_get_verify_result(ssl_);
  if (verdict != X509_V_OK) {
    return absl::StrCat("certificate refused: ",
                        X509_verify_cert_error_string(verdict));
  }
  const unsigned long error = ERR_peek_last_error();
  const char* text = error == 0 ? nullptr : ERR_reason_error_string(error);
  return absl::StrCat("TLS handshake failed: ",
                      text == nullptr ? "the connection ended" : text);
}

IoResult TlsSession::ResultOf(int returned) {
  if (returned > 0) {
    return {IoResult::Kind::kBytes, static_cast<size_t>(returned)};
  }
  switch (SSL_get_error(ssl_, returned)) {
    case SSL_ERROR_WANT_READ:
      wants_write_ = false;
      return {IoResult::Kind::kWouldBlock};
    case SSL_ERROR_WANT_WRITE:
      wants_write_ = true;
      return {IoResult::Kind::kWouldBlock};
    case SSL_ERROR_ZERO_RETURN:
      return {IoResult::Kind::kEof};
    default:
      return {IoResult::Kind::kError};
  }
}

IoResult TlsSession::TryReceive(char* data, size_t size) {
  ERR_clear_error();
  return ResultOf(SSL_read(ssl_, data, static_cast<int>(size)));
}

IoResult TlsSession::Flush() {
  while (record_sent_ < record_.size()) {
    ERR_clear_error();
    const IoResult result =
        ResultOf(SSL_write(ssl_, record_.data() + record_sent_,
                           static_cast<int>(record_.size() - record_sent_)));
    if (result.kind != IoResult::Kind::kBytes) return result;
    record_sent_ += result.bytes;
  }
  record_.clear();
  record_sent_ = 0;
  return {IoResult::Kind::kBytes};
}

IoResult TlsSession::TrySend(const iovec* pieces, int count) {
  const IoResult flushed = Flush();
  if (flushed.kind != IoResult::Kind::kBytes) return flushed;
  for (int i = 0; i < count && record_.size() < kRecordSize; ++i) {
    const size_t n = std::min(pieces[i].iov_len, kRecordSize - record_.size());
    record_.append(static_cast<const char*>(pieces[i].iov_base), n);
  }
  const size_t taken = record_.size();
  if (Flush().kind == IoResult::Kind::kError) return {IoResult::Kind::kError};
  return {IoResult::Kind::kBytes, taken};
}

bool TlsSession::LooksIdle() {
  char byte;
  ERR_clear_error();
  // Reads over what is not data, as session tickets.
  const IoResult result = ResultOf(SSL_peek(ssl_, &byte, 1));
  return result.kind == IoResult::Kind::kWouldBlock && !wants_write_;
}

}  // namespace gateway::http
