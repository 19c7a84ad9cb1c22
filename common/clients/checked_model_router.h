#ifndef GATEWAY_COMMON_CLIENTS_CHECKED_MODEL_ROUTER_H_
#define GATEWAY_COMMON_CLIENTS_CHECKED_MODEL_ROUTER_H_

#include "common/clients/checks.h"
#include "common/clients/model_router.h"

namespace gateway {

// The first step of every call, however it comes in; see checks.h. Thread-safe.
class CheckedModelRouter final : public ModelRouter {
 public:
  // `inner` outlives it.
  CheckedModelRouter(ModelRouter* inner, Entry entry)
      : inner_(inner), entry_(entry) {}

  Awaitable<absl::Status> Route(
      rpc::Call& call, const model_router::v1::RouteRequest& request,
      rpc::Sink<model_router::v1::RouteEvent>& sink) override;
  Awaitable<absl::Status> WatchCatalogue(
      rpc::Call& call, const model_router::v1::WatchCatalogueRequest& request,
      rpc::Sink<model_router::v1::Catalogue>& sink) override;
  Awaitable<absl::StatusOr<model_router::v1::PlanBatchResponse>> PlanBatch(
      rpc::Call& call,
      const model_router::v1::PlanBatchRequest& request) override;

 private:
  ModelRouter* const inner_;
  const EntryRule entry_;
};

}  // namespace gateway

#endif  // GATEWAY_COMMON_CLIENTS_CHECKED_MODEL_ROUTER_H_
