#ifndef GATEWAY_COMMON_CLIENTS_GRPC_MODEL_ROUTER_H_
#define GATEWAY_COMMON_CLIENTS_GRPC_MODEL_ROUTER_H_

#include <grpcpp/channel.h>

#include <memory>

#include "common/clients/model_router.h"

namespace gateway {

// model-router in another process. Thread-safe.
std::unique_ptr<ModelRouter> MakeGrpcModelRouter(
    std::shared_ptr<grpc::Channel> channel);

}  // namespace gateway

#endif  // GATEWAY_COMMON_CLIENTS_GRPC_MODEL_ROUTER_H_
