#ifndef GATEWAY_SERVICES_MODEL_ROUTER_ROUTE_OBSERVER_H_
#define GATEWAY_SERVICES_MODEL_ROUTER_ROUTE_OBSERVER_H_

#include <absl/status/status.h>
#include <absl/strings/string_view.h>
#include <absl/time/time.h>

#include <cstdint>
#include <optional>

#include "gateway/chat/v1/chat.pb.h"
#include "gateway/model_router/v1/model_router.pb.h"
#include "services/model_router/catalogue.h"

namespace gateway::model_router {

// An attempt that has ended.
struct AttemptReport {
  const Target& target;
  // CANCELLED: the caller left.
  const absl::Status& status;
  const chat::v1::Usage& usage;
  const v1::Cost& cost;
  absl::Duration elapsed;
  // From the request to the first token. Only of a stream that had one.
  std::optional<absl::Duration> first_token;
  // From the first token to the last run.
  absl::Duration streamed = absl::ZeroDuration();
  // Events that were no JSON.
  int64_t skipped_events = 0;
};

// Who counts what the router does. Thread-safe; never blocks.
class RouteObserver {
 public:
  virtual ~RouteObserver() = default;

  virtual void OnAttemptBegun(const Target& target) = 0;
  // Once for each attempt begun.
  virtual void OnAttemptEnded(const AttemptReport& report) = 0;
  // `from` has failed with `reason`, `to` is asked next.
  virtual void OnFallback(const Target& from, const Target& to,
                          absl::string_view reason) = 0;
};

}  // namespace gateway::model_router

#endif  // GATEWAY_SERVICES_MODEL_ROUTER_ROUTE_OBSERVER_H_
