#ifndef GATEWAY_COMMON_STATUS_ERROR_H_
#define GATEWAY_COMMON_STATUS_ERROR_H_

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "gateway/common/v1/error.pb.h"

namespace gateway {

using common::v1::ErrorDetail;
using common::v1::Fault;
using common::v1::Remedy;

// Every error of the gateway is an absl::Status that carries an ErrorDetail.
// What a reason means for a client stands in docs/errors.md.

// The closed list of reasons. They are wire values: do not rename.
namespace reason {
// The request is wrong.
inline constexpr char kInvalidRequest[] = "invalid_request";
inline constexpr char kInvalidJson[] = "invalid_json";
inline constexpr char kInvalidType[] = "invalid_type";
inline constexpr char kInvalidValue[] = "invalid_value";
inline constexpr char kMissingParameter[] = "missing_required_parameter";
inline constexpr char kUnsupportedParameter[] = "unsupported_parameter";
inline constexpr char kDuplicateKey[] = "duplicate_key";
inline constexpr char kContextLengthExceeded[] = "context_length_exceeded";
inline constexpr char kContentFilter[] = "content_filter";
inline constexpr char kPreviousResponseNotFound[] =
    "previous_response_not_found";
inline constexpr char kUpstreamRejected[] = "upstream_rejected";
inline constexpr char kRequestTooLarge[] = "request_too_large";
inline constexpr char kHeadersTooLarge[] = "headers_too_large";
inline constexpr char kMethodNotAllowed[] = "method_not_allowed";
inline constexpr char kRequestTimeout[] = "request_timeout";
// Who is asking, and what for.
inline constexpr char kInvalidApiKey[] = "invalid_api_key";
inline constexpr char kPermissionDenied[] = "permission_denied";
inline constexpr char kModelNotAllowed[] = "model_not_allowed";
inline constexpr char kNotFound[] = "not_found";
inline constexpr char kModelNotFound[] = "model_not_found";
inline constexpr char kSessionNotFound[] = "session_not_found";
inline constexpr char kBatchNotFound[] = "batch_not_found";
// Something else is in the way.
inline constexpr char kAlreadyExists[] = "already_exists";
inline constexpr char kConflict[] = "conflict";
inline constexpr char kSessionBusy[] = "session_busy";
inline constexpr char kSessionTurnMismatch[] = "session_turn_mismatch";
inline constexpr char kLeaseLost[] = "lease_lost";
inline constexpr char kSessionLimit[] = "session_limit";
inline constexpr char kBatchLimit[] = "batch_limit";
inline constexpr char kRateLimitExceeded[] = "rate_limit_exceeded";
inline constexpr char kInsufficientQuota[] = "insufficient_quota";
// The caller went, or the time ran out.
inline constexpr char kClientClosed[] = "client_closed";
inline constexpr char kDeadlineExceeded[] = "deadline_exceeded";
// The provider failed.
inline constexpr char kUpstreamBadResponse[] = "upstream_bad_response";
inline constexpr char kUpstreamUnavailable[] = "upstream_unavailable";
inline constexpr char kUpstreamTimeout[] = "upstream_timeout";
// The gateway failed.
inline constexpr char kInternal[] = "internal";
inline constexpr char kUnimplemented[] = "unimplemented";
inline constexpr char kUnavailable[] = "unavailable";
inline constexpr char kOverloaded[] = "overloaded";
inline constexpr char kDraining[] = "draining";
inline constexpr char kSessionUnavailable[] = "session_unavailable";
inline constexpr char kSessionNotSaved[] = "session_not_saved";
inline constexpr char kStorageUnavailable[] = "storage_unavailable";
inline constexpr char kUsageSpoolFull[] = "usage_spool_full";
inline constexpr char kDataLoss[] = "data_loss";
}  // namespace reason

// What is fixed for a reason.
struct ReasonInfo {
  absl::string_view reason;
  absl::StatusCode code;
  int http_status;
  absl::string_view type;  // OpenAI's `error.type`
  Fault fault;
  Remedy remedy;
  // The advice unless the error says better; ZeroDuration: none.
  absl::Duration retry_delay;
};

// All reasons, in the order of docs/errors.md.
absl::Span<const ReasonInfo> AllReasons();

// Null if `reason` is not in the list: a newer peer may send one.
const ReasonInfo* FindReason(absl::string_view reason);

// The HTTP status of a code that no reason refines.
int DefaultHttpStatus(absl::StatusCode code);

// Builds a status with its detail. Starts from the reason's row, so that most
// errors are `MakeError(reason::kSessionBusy, "...")`; converts to absl::Status
// and thereby to any StatusOr.
class ErrorBuilder {
 public:
  ErrorBuilder(absl::StatusCode code, absl::string_view reason,
               absl::string_view message);

  ErrorBuilder& Fault(gateway::Fault fault);
  ErrorBuilder& Remedy(gateway::Remedy remedy);
  // Cut to 0..60 s. The remedy becomes RETRY.
  ErrorBuilder& RetryAfter(absl::Duration delay);
  // The remedy becomes CHANGE_REQUEST, any delay goes: clients must not send
  // the same again.
  ErrorBuilder& NoRetry();
  ErrorBuilder& Param(absl::string_view param);
  ErrorBuilder& HttpStatus(int status);
  ErrorBuilder& FallbackModel(absl::string_view model);

  absl::Status Build() const;
  operator absl::Status() const { return Build(); }  // NOLINT

 private:
  absl::StatusCode code_;
  std::string message_;
  ErrorDetail detail_;
};

// With the code of the reason's row; INTERNAL for one that has none.
ErrorBuilder MakeError(absl::string_view reason, absl::string_view message);

// The common ones, with their fixed text.
ErrorBuilder InvalidParameter(absl::string_view param,
                              absl::string_view message);
ErrorBuilder MissingParameter(absl::string_view param);
ErrorBuilder ModelNotFound(absl::string_view model);
ErrorBuilder ModelNotAllowed(absl::string_view model);
ErrorBuilder Overloaded(absl::string_view message);
ErrorBuilder Draining();
ErrorBuilder ClientClosed();
ErrorBuilder DeadlineExceeded();
// For callers; what happened belongs in the log.
ErrorBuilder InternalError();

// The detail that rides on `status`; nullopt on OK and on foreign statuses.
std::optional<ErrorDetail> DetailOf(const absl::Status& status);

// The detail, or for a foreign status the one its code stands for.
// Precondition: not OK.
ErrorDetail DetailOrDefault(const absl::Status& status);

// The reason, also of a foreign status; empty on OK.
std::string ReasonOf(const absl::Status& status);

// Whose fault it is, also of a foreign status; unspecified on OK.
gateway::Fault FaultOf(const absl::Status& status);

// "caller", "policy", "provider" or "gateway": the class in logs and metrics.
absl::string_view FaultName(gateway::Fault fault);

// Puts `detail` on `status` in place of any other. OK stays OK.
absl::Status WithDetail(absl::Status status, const ErrorDetail& detail);

// "context: message", code and detail kept.
absl::Status Annotate(const absl::Status& status, absl::string_view context);

// Whether sending the same again may help.
bool IsRetryable(const absl::Status& status);

// The type URL of ErrorDetail, in a status payload and in google.rpc.Status.
inline constexpr char kErrorDetailTypeUrl[] =
    "type.googleapis.com/gateway.common.v1.ErrorDetail";

}  // namespace gateway

#endif  // GATEWAY_COMMON_STATUS_ERROR_H_
