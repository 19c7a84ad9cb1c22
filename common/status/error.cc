#include "common/status/error.h"

#include <algorithm>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "common/status/text.h"

namespace gateway {
namespace {

using absl::StatusCode;

constexpr absl::Duration kMaxRetryDelay = absl::Seconds(60);
constexpr size_t kMaxMessageBytes = 8 * 1024;
constexpr size_t kMaxFieldBytes = 256;

constexpr Fault kCaller = common::v1::FAULT_CALLER;
constexpr Fault kPolicy = common::v1::FAULT_POLICY;
constexpr Fault kProvider = common::v1::FAULT_PROVIDER;
constexpr Fault kGateway = common::v1::FAULT_GATEWAY;
constexpr Remedy kRetry = common::v1::REMEDY_RETRY;
constexpr Remedy kChange = common::v1::REMEDY_CHANGE_REQUEST;
constexpr Remedy kOperator = common::v1::REMEDY_ASK_OPERATOR;

constexpr char kTypeInvalid[] = "invalid_request_error";
constexpr char kTypeAuthentication[] = "authentication_error";
constexpr char kTypePermission[] = "permission_error";
constexpr char kTypeNotFound[] = "not_found_error";
constexpr char kTypeConflict[] = "conflict_error";
constexpr char kTypeRateLimit[] = "rate_limit_error";
constexpr char kTypeQuota[] = "insufficient_quota";
constexpr char kTypeClosed[] = "client_closed";
constexpr char kTypeServer[] = "server_error";
constexpr char kTypeUpstream[] = "upstream_error";
constexpr char kTypeOverloaded[] = "overloaded_error";
constexpr char kTypeTimeout[] = "timeout_error";

constexpr absl::Duration kNone = absl::ZeroDuration();
constexpr absl::Duration kSoon = absl::Seconds(1);

// docs/errors.md repeats this table; a test compares the two.
// Not constexpr: UBSan's checks are no constant expressions to GCC 12. Within a
// function: an error that is made while statics are built finds it too.
absl::Span<const ReasonInfo> Reasons() {
  static const ReasonInfo kReasons[] = {
      {reason::kInvalidRequest, StatusCode::kInvalidArgument, 400, kTypeInvalid,
       kCaller, kChange, kNone},
      {reason::kInvalidJson, StatusCode::kInvalidArgument, 400, kTypeInvalid,
       kCaller, kChange, kNone},
      {reason::kInvalidType, StatusCode::kInvalidArgument, 400, kTypeInvalid,
       kCaller, kChange, kNone},
      {reason::kInvalidValue, StatusCode::kInvalidArgument, 400, kTypeInvalid,
       kCaller, kChange, kNone},
      {reason::kMissingParameter, StatusCode::kInvalidArgument, 400,
       kTypeInvalid, kCaller, kChange, kNone},
      {reason::kUnsupportedParameter, StatusCode::kInvalidArgument, 400,
       kTypeInvalid, kCaller, kChange, kNone},
      {reason::kDuplicateKey, StatusCode::kInvalidArgument, 400, kTypeInvalid,
       kCaller, kChange, kNone},
      {reason::kContextLengthExceeded, StatusCode::kInvalidArgument, 400,
       kTypeInvalid, kCaller, kChange, kNone},
      {reason::kContentFilter, StatusCode::kInvalidArgument, 400, kTypeInvalid,
       kCaller, kChange, kNone},
      {reason::kPreviousResponseNotFound, StatusCode::kInvalidArgument, 400,
       kTypeInvalid, kCaller, kChange, kNone},
      {reason::kUpstreamRejected, StatusCode::kInvalidArgument, 400,
       kTypeInvalid, kCaller, kChange, kNone},
      {reason::kRequestTooLarge, StatusCode::kInvalidArgument, 413,
       kTypeInvalid, kCaller, kChange, kNone},
      {reason::kHeadersTooLarge, StatusCode::kInvalidArgument, 431,
       kTypeInvalid, kCaller, kChange, kNone},
      {reason::kMethodNotAllowed, StatusCode::kInvalidArgument, 405,
       kTypeInvalid, kCaller, kChange, kNone},
      {reason::kRequestTimeout, StatusCode::kInvalidArgument, 408, kTypeInvalid,
       kCaller, kChange, kNone},
      {reason::kInvalidApiKey, StatusCode::kUnauthenticated, 401,
       kTypeAuthentication, kPolicy, kChange, kNone},
      {reason::kPermissionDenied, StatusCode::kPermissionDenied, 403,
       kTypePermission, kPolicy, kChange, kNone},
      {reason::kModelNotAllowed, StatusCode::kPermissionDenied, 403,
       kTypePermission, kPolicy, kChange, kNone},
      {reason::kNotFound, StatusCode::kNotFound, 404, kTypeNotFound, kCaller,
       kChange, kNone},
      {reason::kModelNotFound, StatusCode::kNotFound, 404, kTypeNotFound,
       kCaller, kChange, kNone},
      {reason::kSessionNotFound, StatusCode::kNotFound, 404, kTypeNotFound,
       kCaller, kChange, kNone},
      {reason::kBatchNotFound, StatusCode::kNotFound, 404, kTypeNotFound,
       kCaller, kChange, kNone},
      {reason::kAlreadyExists, StatusCode::kAlreadyExists, 409, kTypeConflict,
       kCaller, kChange, kNone},
      {reason::kConflict, StatusCode::kAborted, 409, kTypeConflict, kCaller,
       kRetry, kSoon},
      {reason::kSessionBusy, StatusCode::kAborted, 409, kTypeConflict, kCaller,
       kRetry, kSoon},
      {reason::kSessionTurnMismatch, StatusCode::kAborted, 409, kTypeConflict,
       kCaller, kChange, kNone},
      {reason::kLeaseLost, StatusCode::kAborted, 409, kTypeConflict, kCaller,
       kChange, kNone},
      {reason::kSessionLimit, StatusCode::kResourceExhausted, 429,
       kTypeRateLimit, kPolicy, kChange, kNone},
      {reason::kBatchLimit, StatusCode::kResourceExhausted, 429, kTypeRateLimit,
       kPolicy, kChange, kNone},
      {reason::kRateLimitExceeded, StatusCode::kResourceExhausted, 429,
       kTypeRateLimit, kPolicy, kRetry, kSoon},
      {reason::kInsufficientQuota, StatusCode::kResourceExhausted, 429,
       kTypeQuota, kPolicy, kOperator, kNone},
      {reason::kClientClosed, StatusCode::kCancelled, 499, kTypeClosed, kCaller,
       kChange, kNone},
      {reason::kDeadlineExceeded, StatusCode::kDeadlineExceeded, 504,
       kTypeTimeout, kCaller, kRetry, kNone},
      {reason::kUpstreamBadResponse, StatusCode::kUnavailable, 502,
       kTypeUpstream, kProvider, kRetry, kNone},
      {reason::kUpstreamUnavailable, StatusCode::kUnavailable, 503,
       kTypeOverloaded, kProvider, kRetry, kSoon},
      {reason::kUpstreamTimeout, StatusCode::kDeadlineExceeded, 504,
       kTypeTimeout, kProvider, kRetry, kNone},
      {reason::kInternal, StatusCode::kInternal, 500, kTypeServer, kGateway,
       kRetry, kNone},
      {reason::kUnimplemented, StatusCode::kUnimplemented, 501, kTypeServer,
       kGateway, kChange, kNone},
      {reason::kUnavailable, StatusCode::kUnavailable, 503, kTypeOverloaded,
       kGateway, kRetry, kSoon},
      {reason::kOverloaded, StatusCode::kUnavailable, 503, kTypeOverloaded,
       kGateway, kRetry, kSoon},
      {reason::kDraining, StatusCode::kUnavailable, 503, kTypeOverloaded,
       kGateway, kRetry, kSoon},
      {reason::kSessionUnavailable, StatusCode::kUnavailable, 503,
       kTypeOverloaded, kGateway, kRetry, kSoon},
      {reason::kSessionNotSaved, StatusCode::kInternal, 500, kTypeServer,
       kGateway, kChange, kNone},
      {reason::kStorageUnavailable, StatusCode::kUnavailable, 503,
       kTypeOverloaded, kGateway, kRetry, kSoon},
      {reason::kUsageSpoolFull, StatusCode::kUnavailable, 503, kTypeOverloaded,
       kGateway, kRetry, absl::Seconds(5)},
      {reason::kDataLoss, StatusCode::kDataLoss, 500, kTypeServer, kGateway,
       kOperator, kNone},
  };
  return kReasons;
}

absl::string_view DefaultReason(StatusCode code) {
  switch (code) {
    case StatusCode::kInvalidArgument:
    case StatusCode::kFailedPrecondition:
    case StatusCode::kOutOfRange:
      return reason::kInvalidRequest;
    case StatusCode::kUnauthenticated:
      return reason::kInvalidApiKey;
    case StatusCode::kPermissionDenied:
      return reason::kPermissionDenied;
    case StatusCode::kNotFound:
      return reason::kNotFound;
    case StatusCode::kAlreadyExists:
      return reason::kAlreadyExists;
    case StatusCode::kAborted:
      return reason::kConflict;
    case StatusCode::kResourceExhausted:
      return reason::kRateLimitExceeded;
    case StatusCode::kCancelled:
      return reason::kClientClosed;
    case StatusCode::kUnimplemented:
      return reason::kUnimplemented;
    case StatusCode::kUnavailable:
      return reason::kUnavailable;
    case StatusCode::kDeadlineExceeded:
      return reason::kDeadlineExceeded;
    default:
      return reason::kInternal;
  }
}

void SetDelay(absl::Duration delay, ErrorDetail& detail) {
  delay = std::clamp(delay, absl::ZeroDuration(), kMaxRetryDelay);
  auto& proto = *detail.mutable_retry_delay();
  absl::Duration rest;
  proto.set_seconds(absl::IDivDuration(delay, absl::Seconds(1), &rest));
  proto.set_nanos(static_cast<int>(absl::ToInt64Nanoseconds(rest)));
}

ErrorDetail DetailFromRow(StatusCode code, absl::string_view reason) {
  ErrorDetail detail;
  detail.set_reason(CleanText(reason, kMaxFieldBytes));
  const ReasonInfo* row = FindReason(reason);
  if (row == nullptr) row = FindReason(DefaultReason(code));
  detail.set_fault(row->fault);
  detail.set_remedy(row->remedy);
  if (row->retry_delay > absl::ZeroDuration()) {
    SetDelay(row->retry_delay, detail);
  }
  if (row->http_status != DefaultHttpStatus(code)) {
    detail.set_http_status(row->http_status);
  }
  return detail;
}

}  // namespace

absl::Span<const ReasonInfo> AllReasons() { return Reasons(); }

const ReasonInfo* FindReason(absl::string_view reason) {
  for (const ReasonInfo& row : Reasons()) {
    if (row.reason == reason) return &row;
  }
  return nullptr;
}

int DefaultHttpStatus(StatusCode code) {
  switch (code) {
    case StatusCode::kOk:
      return 200;
    case StatusCode::kInvalidArgument:
    case StatusCode::kFailedPrecondition:
    case StatusCode::kOutOfRange:
      return 400;
    case StatusCode::kUnauthenticated:
      return 401;
    case StatusCode::kPermissionDenied:
      return 403;
    case StatusCode::kNotFound:
      return 404;
    case StatusCode::kAlreadyExists:
    case StatusCode::kAborted:
      return 409;
    case StatusCode::kResourceExhausted:
      return 429;
    case StatusCode::kCancelled:
      return 499;
    case StatusCode::kUnimplemented:
      return 501;
    case StatusCode::kUnavailable:
      return 503;
    case StatusCode::kDeadlineExceeded:
      return 504;
    default:
      return 500;
  }
}

ErrorBuilder::ErrorBuilder(StatusCode code, absl::string_view reason,
                           absl::string_view message)
    : code_(code),
      message_(CleanText(message, kMaxMessageBytes)),
      detail_(DetailFromRow(code, reason)) {}

ErrorBuilder& ErrorBuilder::Fault(gateway::Fault fault) {
  detail_.set_fault(fault);
  return *this;
}

ErrorBuilder& ErrorBuilder::Remedy(gateway::Remedy remedy) {
  detail_.set_remedy(remedy);
  return *this;
}

ErrorBuilder& ErrorBuilder::RetryAfter(absl::Duration delay) {
  detail_.set_remedy(kRetry);
  SetDelay(delay, detail_);
  return *this;
}

ErrorBuilder& ErrorBuilder::NoRetry() {
  detail_.set_remedy(kChange);
  detail_.clear_retry_delay();
  return *this;
}

ErrorBuilder& ErrorBuilder::Param(absl::string_view param) {
  detail_.set_param(CleanText(param, kMaxFieldBytes));
  return *this;
}

ErrorBuilder& ErrorBuilder::HttpStatus(int status) {
  detail_.set_http_status(status == DefaultHttpStatus(code_) ? 0 : status);
  return *this;
}

ErrorBuilder& ErrorBuilder::FallbackModel(absl::string_view model) {
  detail_.set_fallback_model(CleanText(model, kMaxFieldBytes));
  return *this;
}

absl::Status ErrorBuilder::Build() const {
  return WithDetail(absl::Status(code_, message_), detail_);
}

ErrorBuilder MakeError(absl::string_view reason, absl::string_view message) {
  const ReasonInfo* row = FindReason(reason);
  return ErrorBuilder(row != nullptr ? row->code : StatusCode::kInternal,
                      reason, message);
}

ErrorBuilder InvalidParameter(absl::string_view param,
                              absl::string_view message) {
  return MakeError(reason::kInvalidValue, message).Param(param);
}

ErrorBuilder MissingParameter(absl::string_view param) {
  return MakeError(reason::kMissingParameter,
                   absl::StrCat("Missing required parameter: '",
                                CleanText(param, kMaxFieldBytes), "'."))
      .Param(param);
}

ErrorBuilder ModelNotFound(absl::string_view model) {
  return MakeError(reason::kModelNotFound,
                   absl::StrCat("The model '", CleanText(model, kMaxFieldBytes),
                                "' does not exist."))
      .Param("model");
}

ErrorBuilder ModelNotAllowed(absl::string_view model) {
  return MakeError(reason::kModelNotAllowed,
                   absl::StrCat("This key may not use the model '",
                                CleanText(model, kMaxFieldBytes), "'."))
      .Param("model");
}

ErrorBuilder Overloaded(absl::string_view message) {
  return MakeError(reason::kOverloaded, message);
}

ErrorBuilder Draining() {
  return MakeError(reason::kDraining,
                   "This instance is shutting down. Please try again.");
}

ErrorBuilder ClientClosed() {
  return MakeError(reason::kClientClosed, "The client cancelled the request.");
}

ErrorBuilder DeadlineExceeded() {
  return MakeError(reason::kDeadlineExceeded,
                   "The request's deadline passed before it was answered.");
}

ErrorBuilder InternalError() {
  return MakeError(reason::kInternal, "The gateway had an internal error.");
}

std::optional<ErrorDetail> DetailOf(const absl::Status& status) {
  const auto payload = status.GetPayload(kErrorDetailTypeUrl);
  if (!payload.has_value()) return std::nullopt;
  ErrorDetail detail;
  if (!detail.ParseFromString(std::string(*payload))) return std::nullopt;
  if (detail.reason().empty()) return std::nullopt;
  return detail;
}

ErrorDetail DetailOrDefault(const absl::Status& status) {
  std::optional<ErrorDetail> detail = DetailOf(status);
  if (detail.has_value()) return *std::move(detail);
  return DetailFromRow(status.code(), DefaultReason(status.code()));
}

std::string ReasonOf(const absl::Status& status) {
  if (status.ok()) return "";
  return DetailOrDefault(status).reason();
}

gateway::Fault FaultOf(const absl::Status& status) {
  if (status.ok()) return common::v1::FAULT_UNSPECIFIED;
  return DetailOrDefault(status).fault();
}

absl::string_view FaultName(gateway::Fault fault) {
  switch (fault) {
    case kCaller:
      return "caller";
    case kPolicy:
      return "policy";
    case kProvider:
      return "provider";
    default:
      return "gateway";
  }
}

absl::Status WithDetail(absl::Status status, const ErrorDetail& detail) {
  if (!status.ok()) {
    status.SetPayload(kErrorDetailTypeUrl,
                      absl::Cord(detail.SerializeAsString()));
  }
  return status;
}

absl::Status Annotate(const absl::Status& status, absl::string_view context) {
  if (status.ok()) return status;
  absl::Status annotated(status.code(),
                         absl::StrCat(context, ": ", status.message()));
  status.ForEachPayload(
      [&](absl::string_view type_url, const absl::Cord& payload) {
        annotated.SetPayload(type_url, payload);
      });
  return annotated;
}

bool IsRetryable(const absl::Status& status) {
  return !status.ok() && DetailOrDefault(status).remedy() == kRetry;
}

}  // namespace gateway
