#ifndef GATEWAY_COMMON_HTTP_TRANSPORT_ERROR_H_
#define GATEWAY_COMMON_HTTP_TRANSPORT_ERROR_H_

#include <absl/status/status.h>
#include <absl/strings/string_view.h>

#include <optional>

namespace gateway::http {

// Where an exchange with an origin failed. The code of the status in brackets.
enum class TransportError {
  kResolve = 1,     // The host name gave no address. [UNAVAILABLE]
  kConnect,         // No address accepted the connection. [UNAVAILABLE]
  kTls,             // Handshake or certificate. [UNAVAILABLE]
  kReset,           // The connection ended before a response. [UNAVAILABLE]
  kTimeoutConnect,  // Neither, in time. [DEADLINE_EXCEEDED]
  kTimeoutHeaders,  // No response head in time. [DEADLINE_EXCEEDED]
  kBadResponse,     // Not HTTP, malformed, or too large a head. [INTERNAL]
  kTruncated,       // The body ended before its announced end. [DATA_LOSS]
  kTimeoutRead,     // No byte of the body in time. [DEADLINE_EXCEEDED]
  kBodyTooLarge,    // More than its reader takes. [RESOURCE_EXHAUSTED]
};

// `kResolve` is "resolve", and so on: for logs and metric labels.
absl::string_view Name(TransportError kind);

absl::Status MakeTransportError(TransportError kind, absl::string_view message);

// The kind that a status of this library carries; nothing for CANCELLED,
// INVALID_ARGUMENT and statuses of others.
std::optional<TransportError> TransportErrorOf(const absl::Status& status);

}  // namespace gateway::http

#endif  // GATEWAY_COMMON_HTTP_TRANSPORT_ERROR_H_
