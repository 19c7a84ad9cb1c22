#ifndef GATEWAY_SERVICES_INGRESS_HTTP_CHAT_H_
#define GATEWAY_SERVICES_INGRESS_HTTP_CHAT_H_

#include <absl/status/status.h>
#include <absl/time/time.h>

#include "common/concurrency/awaitable.h"
#include "common/http/server.h"
#include "services/ingress/arrival.h"
#include "services/ingress/deadline.h"
#include "services/ingress/exchange.h"

namespace gateway::ingress {

struct HttpChatOptions {
  DeadlineOptions deadline;
  // Of silence in a stream before a heartbeat.
  absl::Duration heartbeat_interval = absl::Seconds(15);
};

// POST /v1/chat/completions: a body in OpenAI's dialect, answered as JSON or
// server-sent events.
class HttpChat {
 public:
  // `services` outlives it.
  HttpChat(ExchangeServices* services, HttpChatOptions options)
      : services_(services), options_(options) {}

  Awaitable<void> Handle(const Arrival& arrival, http::Request& request,
                         http::ResponseWriter& writer);

 private:
  ExchangeServices* const services_;
  const HttpChatOptions options_;
};

}  // namespace gateway::ingress

#endif  // GATEWAY_SERVICES_INGRESS_HTTP_CHAT_H_
