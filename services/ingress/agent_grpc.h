#ifndef GATEWAY_SERVICES_INGRESS_AGENT_GRPC_H_
#define GATEWAY_SERVICES_INGRESS_AGENT_GRPC_H_

#include "common/rpc/server.h"
#include "common/rpc/server_bridge.h"
#include "services/ingress/agent_api.h"

namespace gateway::ingress {

// Serves `api` over gRPC. `bridge` exposes metadata; `api` outlives the server.
rpc::NamedService MakeAgentService(const rpc::ServerBridge& bridge,
                                   AgentApi* api);

}  // namespace gateway::ingress

#endif  // GATEWAY_SERVICES_INGRESS_AGENT_GRPC_H_
