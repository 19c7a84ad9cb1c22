#include "common/status/http_status.h"

#include <algorithm>

#include "common/status/error.h"
#include "common/status/text.h"

namespace gateway {
namespace {

constexpr size_t kMaxMessageBytes = 8 * 1024;
constexpr absl::Duration kMaxRetryAfter = absl::Seconds(60);

// What both SDKs retry unless told otherwise.
bool RetriedByDefault(int http_status) {
  return http_status == 408 || http_status == 409 || http_status == 429 ||
         http_status >= 500;
}

absl::string_view TypeOfHttpStatus(int http_status) {
  switch (http_status) {
    case 401:
      return "authentication_error";
    case 403:
      return "permission_error";
    case 404:
      return "not_found_error";
    case 409:
      return "conflict_error";
    case 429:
      return "rate_limit_error";
    case 499:
      return "client_closed";
    case 502:
      return "upstream_error";
    case 503:
      return "overloaded_error";
    case 504:
      return "timeout_error";
    default:
      return http_status < 500 ? "invalid_request_error" : "server_error";
  }
}

std::string SafeMessage(const absl::Status& status, bool has_detail) {
  if (has_detail) return CleanText(status.message(), kMaxMessageBytes);
  switch (status.code()) {
    case absl::StatusCode::kUnavailable:
      return "A part of the gateway is unavailable. Please try again.";
    case absl::StatusCode::kInternal:
    case absl::StatusCode::kUnknown:
    case absl::StatusCode::kDataLoss:
    case absl::StatusCode::kUnimplemented:
      return "The gateway had an internal error.";
    default:
      return CleanText(status.message(), kMaxMessageBytes);
  }
}

absl::Duration FromProto(const google::protobuf::Duration& proto) {
  return absl::Seconds(proto.seconds()) + absl::Nanoseconds(proto.nanos());
}

int StatusFrom(const absl::Status& status, const ErrorDetail& detail) {
  const int given = detail.http_status();
  if (given >= 400 && given <= 599) return given;
  return DefaultHttpStatus(status.code());
}

}  // namespace

int HttpError::RetryAfterSeconds() const {
  return static_cast<int>(
      absl::ToInt64Seconds(absl::Ceil(retry_after.value(), absl::Seconds(1))));
}

int HttpError::RetryAfterMilliseconds() const {
  return static_cast<int>(absl::ToInt64Milliseconds(
      absl::Ceil(retry_after.value(), absl::Milliseconds(1))));
}

HttpError ToHttpError(const absl::Status& status) {
  const std::optional<ErrorDetail> own = DetailOf(status);
  const ErrorDetail detail = own ? *own : DetailOrDefault(status);

  HttpError error;
  error.http_status = StatusFrom(status, detail);
  error.code = detail.reason();
  const ReasonInfo* row = FindReason(detail.reason());
  error.type =
      std::string(row != nullptr && row->http_status == error.http_status
                      ? row->type
                      : TypeOfHttpStatus(error.http_status));
  error.message = SafeMessage(status, own.has_value());
  error.param = detail.param();

  const bool retry = detail.remedy() == common::v1::REMEDY_RETRY;
  if (retry && detail.has_retry_delay()) {
    error.retry_after = std::clamp(FromProto(detail.retry_delay()),
                                   absl::ZeroDuration(), kMaxRetryAfter);
  }
  if (RetriedByDefault(error.http_status)) error.should_retry = retry;
  return error;
}

int HttpStatusOf(const absl::Status& status) {
  if (status.ok()) return 200;
  return StatusFrom(status, DetailOrDefault(status));
}

absl::StatusCode CodeOfHttpStatus(int http_status) {
  switch (http_status) {
    case 401:
      return absl::StatusCode::kUnauthenticated;
    case 403:
      return absl::StatusCode::kPermissionDenied;
    case 404:
      return absl::StatusCode::kNotFound;
    case 409:
      return absl::StatusCode::kAborted;
    case 429:
      return absl::StatusCode::kResourceExhausted;
    case 499:
      return absl::StatusCode::kCancelled;
    case 501:
      return absl::StatusCode::kUnimplemented;
    case 408:
    case 504:
      return absl::StatusCode::kDeadlineExceeded;
    case 502:
    case 503:
    case 529:
      return absl::StatusCode::kUnavailable;
    default:
      break;
  }
  if (http_status >= 200 && http_status < 300) return absl::StatusCode::kOk;
  if (http_status >= 400 && http_status < 500) {
    return absl::StatusCode::kInvalidArgument;
  }
  return absl::StatusCode::kInternal;
}

}  // namespace gateway
