#ifndef GATEWAY_SERVICES_INGRESS_HTTP_API_H_
#define GATEWAY_SERVICES_INGRESS_HTTP_API_H_

#include <absl/strings/string_view.h>

#include <cstdint>
#include <optional>

#include "common/concurrency/awaitable.h"
#include "common/http/server.h"
#include "services/ingress/exchange.h"
#include "services/ingress/http_chat.h"

namespace gateway::ingress {

// The HTTP API: which path is which, and the models. Thread-safe.
class HttpApi final : public http::Handler {
 public:
  // `services` outlives it.
  HttpApi(ExchangeServices* services, HttpChatOptions options)
      : services_(services), chat_(services, options) {}

  std::optional<http::Response> OnHead(const http::Request& request) override;
  Awaitable<void> Handle(http::Request& request,
                         http::ResponseWriter& writer) override;

 private:
  http::Response Answer(const Arrival& arrival, const http::Request& request);
  // Fills `context` once the caller is known.
  absl::StatusOr<std::string> Models(const Arrival& arrival,
                                     absl::string_view path,
                                     common::v1::CallContext& context);

  ExchangeServices* const services_;
  HttpChat chat_;
};

}  // namespace gateway::ingress

#endif  // GATEWAY_SERVICES_INGRESS_HTTP_API_H_
