#include "services/model_router/model_router_service.h"

#include <utility>

#include "common/status/error.h"
#include "services/model_router/route_flow.h"
#include "services/model_router/target_choice.h"

namespace gateway::model_router {
namespace {

// How soon a change of the catalogue is told.
constexpr absl::Duration kWatchInterval = absl::Milliseconds(500);

// Counts one while it lives.
class Counted {
 public:
  explicit Counted(std::atomic<int64_t>& counter) : counter_(counter) {
    counter_.fetch_add(1, std::memory_order_relaxed);
  }
  ~Counted() { counter_.fetch_sub(1, std::memory_order_relaxed); }
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;

 private:
  std::atomic<int64_t>& counter_;
};

}  // namespace

ModelRouterService::ModelRouterService(RouterParts parts)
    : parts_(std::make_shared<const RouterParts>(std::move(parts))) {}

void ModelRouterService::Replace(RouterParts parts) {
  parts.version = parts_.Get()->version + 1;
  parts_.Set(std::make_shared<const RouterParts>(std::move(parts)));
}

Awaitable<absl::Status> ModelRouterService::Route(
    rpc::Call& call, const v1::RouteRequest& request,
    rpc::Sink<v1::RouteEvent>& sink) {
  if (draining_.load(std::memory_order_relaxed)) co_return Draining();
  Counted counted(active_);
  const Parts parts = parts_.Get();
  RouteFlow flow(*parts, call, request, sink);
  co_return co_await flow.Run();
}

Awaitable<absl::Status> ModelRouterService::WatchCatalogue(
    rpc::Call& call, const v1::WatchCatalogueRequest& request,
    rpc::Sink<v1::Catalogue>& sink) {
  if (draining_.load(std::memory_order_relaxed)) co_return Draining();
  std::shared_ptr<const Catalogue> told;
  while (true) {
    const Parts parts = parts_.Get();
    if (parts->catalogue != told) {
      told = parts->catalogue;
      v1::Catalogue catalogue = told->snapshot();
      catalogue.set_version(parts->version);
      const absl::Status written = co_await sink.Write(std::move(catalogue));
      if (!written.ok()) co_return written;
    }
    const bool slept = co_await parts->clock->SleepFor(kWatchInterval);
    if (!slept) co_return ClientClosed();
  }
}

Awaitable<absl::StatusOr<v1::PlanBatchResponse>> ModelRouterService::PlanBatch(
    rpc::Call& call, const v1::PlanBatchRequest& request) {
  if (draining_.load(std::memory_order_relaxed)) co_return Draining();
  const Parts parts = parts_.Get();
  const Model* model = parts->catalogue->Find(request.model());
  if (model == nullptr) co_return ModelNotFound(request.model());
  v1::PlanBatchResponse response;
  response.set_planned_target(OrderTargets(*model, {}, parts->draw())[0]->id);
  co_return response;
}

}  // namespace gateway::model_router
