#ifndef GATEWAY_COMMON_CLIENTS_MODEL_ROUTER_H_
#define GATEWAY_COMMON_CLIENTS_MODEL_ROUTER_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "common/concurrency/awaitable.h"
#include "common/rpc/call.h"
#include "gateway/model_router/v1/model_router.pb.h"

// model-router as its callers see it, wherever it runs.
namespace gateway {

// Thread-safe. The service implements it, so do its gRPC client and its fake;
// what each method means and returns stands in the proto.
class ModelRouter {
 public:
  virtual ~ModelRouter() = default;

  virtual Awaitable<absl::Status> Route(
      rpc::Call& call, const model_router::v1::RouteRequest& request,
      rpc::Sink<model_router::v1::RouteEvent>& sink) = 0;
  virtual Awaitable<absl::Status> WatchCatalogue(
      rpc::Call& call, const model_router::v1::WatchCatalogueRequest& request,
      rpc::Sink<model_router::v1::Catalogue>& sink) = 0;
  virtual Awaitable<absl::StatusOr<model_router::v1::PlanBatchResponse>>
  PlanBatch(rpc::Call& call,
            const model_router::v1::PlanBatchRequest& request) = 0;
};

}  // namespace gateway

#endif  // GATEWAY_COMMON_CLIENTS_MODEL_ROUTER_H_
