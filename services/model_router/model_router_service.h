#ifndef GATEWAY_SERVICES_MODEL_ROUTER_MODEL_ROUTER_SERVICE_H_
#define GATEWAY_SERVICES_MODEL_ROUTER_MODEL_ROUTER_SERVICE_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "common/clients/model_router.h"
#include "common/concurrency/hot_value.h"
#include "common/time/clock.h"
#include "services/model_router/catalogue.h"
#include "services/model_router/model_provider.h"
#include "services/model_router/route_observer.h"
#include "services/model_router/usage_spool.h"

namespace gateway::model_router {

// What an event may hold beside an answer: usage, cost, receipt, and the names
// and ids of messages that carry the answer further.
inline constexpr size_t kEventOverhead = 256 << 10;

// What a call needs of the router, the same from its begin to its end. All of
// it outlives the calls.
struct RouterParts {
  std::shared_ptr<const Catalogue> catalogue;
  // By Provider::index.
  std::vector<ModelProvider*> providers;
  UsageSpool* spool = nullptr;
  RouteObserver* observer = nullptr;
  Clock* clock = nullptr;
  // The largest event that reaches the caller. At least kEventOverhead.
  size_t max_event_bytes = 33 << 20;
  // 64 random bits at each call; thread-safe.
  std::function<uint64_t()> draw;
  // The catalogue's, as clients see it. Set by the service.
  int64_t version = 1;
  // Owns what the pointers name and no one else does. Released on any thread.
  std::shared_ptr<const void> owned = nullptr;
};

// The router as a service: checks what every way in must check, and runs one
// RouteFlow a call. Thread-safe.
class ModelRouterService final : public ModelRouter {
 public:
  explicit ModelRouterService(RouterParts parts);

  // For the calls that come from here on; those that watch the catalogue get
  // the new one within half a second. One call at a time.
  void Replace(RouterParts parts);

  Awaitable<absl::Status> Route(rpc::Call& call,
                                const v1::RouteRequest& request,
                                rpc::Sink<v1::RouteEvent>& sink) override;
  Awaitable<absl::Status> WatchCatalogue(
      rpc::Call& call, const v1::WatchCatalogueRequest& request,
      rpc::Sink<v1::Catalogue>& sink) override;
  Awaitable<absl::StatusOr<v1::PlanBatchResponse>> PlanBatch(
      rpc::Call& call, const v1::PlanBatchRequest& request) override;

  std::shared_ptr<const Catalogue> catalogue() const {
    return parts_.Get()->catalogue;
  }

  // New calls get UNAVAILABLE `draining` from here on.
  void BeginDrain() { draining_.store(true, std::memory_order_relaxed); }
  // Calls of Route that run.
  int64_t active() const { return active_.load(std::memory_order_relaxed); }

 private:
  using Parts = std::shared_ptr<const RouterParts>;

  HotValue<Parts> parts_;
  std::atomic<bool> draining_{false};
  std::atomic<int64_t> active_{0};
};

}  // namespace gateway::model_router

#endif  // GATEWAY_SERVICES_MODEL_ROUTER_MODEL_ROUTER_SERVICE_H_
