#include "common/clients/grpc_model_router.h"

#include <utility>

#include "common/rpc/client_bridge.h"
#include "gateway/model_router/v1/model_router.grpc.pb.h"

namespace gateway {

namespace {

using model_router::v1::Catalogue;
using model_router::v1::PlanBatchRequest;
using model_router::v1::PlanBatchResponse;
using model_router::v1::RouteEvent;
using model_router::v1::RouteRequest;
using model_router::v1::WatchCatalogueRequest;

class GrpcModelRouter final : public ModelRouter {
 public:
  explicit GrpcModelRouter(std::shared_ptr<grpc::Channel> channel)
      : stub_(
            model_router::v1::ModelRouterService::NewStub(std::move(channel))) {
  }

  Awaitable<absl::Status> Route(rpc::Call& call, const RouteRequest& request,
                                rpc::Sink<RouteEvent>& sink) override {
    return rpc::CallServerStream(stub_->async(), &Async::Route, call, request,
                                 sink);
  }

  Awaitable<absl::Status> WatchCatalogue(rpc::Call& call,
                                         const WatchCatalogueRequest& request,
                                         rpc::Sink<Catalogue>& sink) override {
    return rpc::CallServerStream(stub_->async(), &Async::WatchCatalogue, call,
                                 request, sink);
  }

  Awaitable<absl::StatusOr<PlanBatchResponse>> PlanBatch(
      rpc::Call& call, const PlanBatchRequest& request) override {
    return rpc::CallUnary(stub_->async(), &Async::PlanBatch, call, request);
  }

 private:
  using Async =
      model_router::v1::ModelRouterService::StubInterface::async_interface;

  const std::unique_ptr<model_router::v1::ModelRouterService::StubInterface>
      stub_;
};

}  // namespace

std::unique_ptr<ModelRouter> MakeGrpcModelRouter(
    std::shared_ptr<grpc::Channel> channel) {
  return std::make_unique<GrpcModelRouter>(std::move(channel));
}

}  // namespace gateway
