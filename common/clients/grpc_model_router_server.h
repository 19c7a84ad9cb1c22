#ifndef GATEWAY_COMMON_CLIENTS_GRPC_MODEL_ROUTER_SERVER_H_
#define GATEWAY_COMMON_CLIENTS_GRPC_MODEL_ROUTER_SERVER_H_

#include "common/clients/model_router.h"
#include "common/rpc/server.h"
#include "common/rpc/server_bridge.h"

namespace gateway {

// Serves `target` to other processes. `target` outlives the server.
rpc::NamedService MakeModelRouterService(const rpc::ServerBridge& bridge,
                                         ModelRouter* target);

}  // namespace gateway

#endif  // GATEWAY_COMMON_CLIENTS_GRPC_MODEL_ROUTER_SERVER_H_
