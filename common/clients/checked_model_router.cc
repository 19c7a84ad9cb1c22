#include "common/clients/checked_model_router.h"

#include <utility>

namespace gateway {

using model_router::v1::Catalogue;
using model_router::v1::PlanBatchRequest;
using model_router::v1::PlanBatchResponse;
using model_router::v1::RouteEvent;
using model_router::v1::RouteRequest;
using model_router::v1::WatchCatalogueRequest;

Awaitable<absl::Status> CheckedModelRouter::Route(rpc::Call& call,
                                                  const RouteRequest& request,
                                                  rpc::Sink<RouteEvent>& sink) {
  absl::Status checked = CheckAccount(call, request.context());
  if (!checked.ok()) return Refuse<absl::Status>(std::move(checked));
  return entry_.Enter(call, inner_->Route(call, request, sink));
}

Awaitable<absl::Status> CheckedModelRouter::WatchCatalogue(
    rpc::Call& call, const WatchCatalogueRequest& request,
    rpc::Sink<Catalogue>& sink) {
  absl::Status checked = CheckContext(call, request.context());
  if (!checked.ok()) return Refuse<absl::Status>(std::move(checked));
  return entry_.Enter(call, inner_->WatchCatalogue(call, request, sink));
}

Awaitable<absl::StatusOr<PlanBatchResponse>> CheckedModelRouter::PlanBatch(
    rpc::Call& call, const PlanBatchRequest& request) {
  absl::Status checked = CheckAccount(call, request.context());
  if (!checked.ok())
    return Refuse<absl::StatusOr<PlanBatchResponse>>(std::move(checked));
  return entry_.Enter(call, inner_->PlanBatch(call, request));
}

}  // namespace gateway
