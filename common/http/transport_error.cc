#include "common/http/transport_error.h"

#include <absl/status/statusor.h>
#include <absl/strings/cord.h>
#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>

namespace gateway::http {
namespace {

constexpr absl::string_view kPayload = "gateway.http.TransportError";

absl::StatusCode CodeOf(TransportError kind) {
  switch (kind) {
    case TransportError::kTimeoutConnect:
    case TransportError::kTimeoutHeaders:
    case TransportError::kTimeoutRead:
      return absl::StatusCode::kDeadlineExceeded;
    case TransportError::kBadResponse:
      return absl::StatusCode::kInternal;
    case TransportError::kTruncated:
      return absl::StatusCode::kDataLoss;
    case TransportError::kBodyTooLarge:
      return absl::StatusCode::kResourceExhausted;
    default:
      return absl::StatusCode::kUnavailable;
  }
}

}  // namespace

absl::string_view Name(TransportError kind) {
  switch (kind) {
    case TransportError::kResolve:
      return "resolve";
    case TransportError::kConnect:
      return "connect";
    case TransportError::kTls:
      return "tls";
    case TransportError::kReset:
      return "reset";
    case TransportError::kTimeoutConnect:
      return "timeout_connect";
    case TransportError::kTimeoutHeaders:
      return "timeout_headers";
    case TransportError::kBadResponse:
      return "bad_response";
    case TransportError::kTruncated:
      return "truncated";
    case TransportError::kTimeoutRead:
      return "timeout_read";
    case TransportError::kBodyTooLarge:
      return "body_too_large";
  }
  return "unknown";
}

absl::Status MakeTransportError(TransportError kind,
                                absl::string_view message) {
  absl::Status status(CodeOf(kind), message);
  status.SetPayload(kPayload, absl::Cord(absl::StrCat(static_cast<int>(kind))));
  return status;
}

std::optional<TransportError> TransportErrorOf(const absl::Status& status) {
  const auto payload = status.GetPayload(kPayload);
  int kind = 0;
  if (!payload.has_value() || !absl::SimpleAtoi(std::string(*payload), &kind)) {
    return std::nullopt;
  }
  return static_cast<TransportError>(kind);
}

}  // namespace gateway::http
