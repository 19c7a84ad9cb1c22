#ifndef GATEWAY_COMMON_STATUS_HTTP_STATUS_H_
#define GATEWAY_COMMON_STATUS_HTTP_STATUS_H_

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace gateway {

// An error as an HTTP client is to see it. A dialect's errors.cc gives it the
// dialect's shape; the strings are valid UTF-8, not yet escaped.
struct HttpError {
  int http_status = 500;
  std::string type;     // OpenAI's `error.type`
  std::string code;     // `error.code`: the reason
  std::string message;  // fit for a stranger's eyes
  std::string param;    // empty: `error.param` is null
  // For the headers `retry-after` and `retry-after-ms`; 0 to 60 s.
  std::optional<absl::Duration> retry_after;
  // For the header `x-should-retry`; nullopt: leave it out, since SDKs do not
  // retry the status anyway.
  std::optional<bool> should_retry;

  // Whole seconds, rounded up. Precondition: retry_after is set.
  int RetryAfterSeconds() const;
  int RetryAfterMilliseconds() const;
};

// Precondition: `status` is not OK. The text of a status without ErrorDetail
// whose code hides a fault of ours is replaced: it may name internals.
HttpError ToHttpError(const absl::Status& status);

// The HTTP status alone; 200 for OK.
int HttpStatusOf(const absl::Status& status);

// The code a foreign HTTP status stands for.
absl::StatusCode CodeOfHttpStatus(int http_status);

}  // namespace gateway

#endif  // GATEWAY_COMMON_STATUS_HTTP_STATUS_H_
