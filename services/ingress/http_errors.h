#ifndef GATEWAY_SERVICES_INGRESS_HTTP_ERRORS_H_
#define GATEWAY_SERVICES_INGRESS_HTTP_ERRORS_H_

#include <absl/status/status.h>
#include <absl/strings/string_view.h>

#include "common/http/message.h"
#include "common/http/server.h"
#include "services/ingress/metrics.h"

namespace gateway::ingress {

inline constexpr char kJsonType[] = "application/json";

// An error as a client of the OpenAI API reads it: `{"error":{…}}`, with
// `x-request-id` and what advice there is about a retry.
http::Response ErrorResponse(const absl::Status& error,
                             absl::string_view request_id);

// What the HTTP server itself refuses, in the same shape. Each is counted.
class HttpErrorRenderer final : public http::ErrorRenderer {
 public:
  // `metrics` outlives it.
  explicit HttpErrorRenderer(Metrics* metrics) : metrics_(metrics) {}
  http::Response Render(const http::ServerError& error,
                        const http::Request* request) override;

 private:
  Metrics* const metrics_;
};

}  // namespace gateway::ingress

#endif  // GATEWAY_SERVICES_INGRESS_HTTP_ERRORS_H_
