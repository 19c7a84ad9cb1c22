#include "services/ingress/http_errors.h"

#include <absl/strings/str_cat.h>

#include "common/clients/request_id.h"
#include "common/dialect/openai_chat/error_codec.h"
#include "common/status/error.h"
#include "common/status/http_status.h"

namespace gateway::ingress {
namespace {

absl::Status StatusOf(const http::ServerError& error) {
  switch (error.status) {
    case 408:
      return MakeError(reason::kRequestTimeout, error.message);
    case 413:
      return MakeError(reason::kRequestTooLarge, error.message);
    case 431:
      return MakeError(reason::kHeadersTooLarge, error.message);
    case 503:
      return Overloaded(error.message);
    case 500:
      return InternalError();
    case 501:
      return MakeError(reason::kUnimplemented, error.message);
    default:
      return MakeError(reason::kInvalidRequest, error.message)
          .HttpStatus(error.status);
  }
}

}  // namespace

http::Response ErrorResponse(const absl::Status& error,
                             absl::string_view request_id) {
  const HttpError http = ToHttpError(error);
  http::Response response;
  response.status = http.http_status;
  response.headers.Add("content-type", kJsonType);
  response.headers.Add("x-request-id", request_id);
  if (http.retry_after) {
    response.headers.Add("retry-after", absl::StrCat(http.RetryAfterSeconds()));
    response.headers.Add("retry-after-ms",
                         absl::StrCat(http.RetryAfterMilliseconds()));
  }
  if (http.should_retry) {
    response.headers.Add("x-should-retry",
                         *http.should_retry ? "true" : "false");
  }
  response.body = dialect::openai_chat::EncodeError(error);
  return response;
}

http::Response HttpErrorRenderer::Render(const http::ServerError& error,
                                         const http::Request* request) {
  const absl::Status status = StatusOf(error);
  metrics_->RequestEnded(Protocol::kHttp, Method::kOther, EndClassOf(status));
  return ErrorResponse(status, NewRequestId());
}

}  // namespace gateway::ingress
