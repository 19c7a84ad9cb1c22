#include "common/clients/grpc_model_router_server.h"

#include <memory>

#include "gateway/model_router/v1/model_router.grpc.pb.h"

namespace gateway {

namespace {

using model_router::v1::Catalogue;
using model_router::v1::PlanBatchRequest;
using model_router::v1::PlanBatchResponse;
using model_router::v1::RouteEvent;
using model_router::v1::RouteRequest;
using model_router::v1::WatchCatalogueRequest;

class ModelRouterAdapter final
    : public model_router::v1::ModelRouterService::CallbackService {
 public:
  ModelRouterAdapter(const rpc::ServerBridge& bridge, ModelRouter* target)
      : bridge_(bridge), target_(target) {}

  grpc::ServerWriteReactor<RouteEvent>* Route(
      grpc::CallbackServerContext* context,
      const RouteRequest* request) override {
    return rpc::ServeServerStream<RouteEvent>(
        bridge_, context, *request,
        [this, request](rpc::Call& call, rpc::Sink<RouteEvent>& sink) {
          return target_->Route(call, *request, sink);
        });
  }

  grpc::ServerWriteReactor<Catalogue>* WatchCatalogue(
      grpc::CallbackServerContext* context,
      const WatchCatalogueRequest* request) override {
    return rpc::ServeServerStream<Catalogue>(
        bridge_, context, *request,
        [this, request](rpc::Call& call, rpc::Sink<Catalogue>& sink) {
          return target_->WatchCatalogue(call, *request, sink);
        },
        rpc::DrainRule::kEnd);
  }

  grpc::ServerUnaryReactor* PlanBatch(grpc::CallbackServerContext* context,
                                      const PlanBatchRequest* request,
                                      PlanBatchResponse* response) override {
    return rpc::ServeUnary(bridge_, context, *request, response,
                           [this, request](rpc::Call& call) {
                             return target_->PlanBatch(call, *request);
                           });
  }

 private:
  const rpc::ServerBridge bridge_;
  ModelRouter* const target_;
};

}  // namespace

rpc::NamedService MakeModelRouterService(const rpc::ServerBridge& bridge,
                                         ModelRouter* target) {
  return {model_router::v1::ModelRouterService::service_full_name(),
          std::make_shared<ModelRouterAdapter>(bridge, target)};
}

}  // namespace gateway
