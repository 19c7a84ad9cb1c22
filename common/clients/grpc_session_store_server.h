#ifndef GATEWAY_COMMON_CLIENTS_GRPC_SESSION_STORE_SERVER_H_
#define GATEWAY_COMMON_CLIENTS_GRPC_SESSION_STORE_SERVER_H_

#include "common/clients/session_store.h"
#include "common/rpc/server.h"
#include "common/rpc/server_bridge.h"

namespace gateway {

// Serves `target` to other processes. `target` outlives the server.
rpc::NamedService MakeSessionStoreService(const rpc::ServerBridge& bridge,
                                          SessionStore* target);

}  // namespace gateway

#endif  // GATEWAY_COMMON_CLIENTS_GRPC_SESSION_STORE_SERVER_H_
