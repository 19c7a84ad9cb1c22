#ifndef GATEWAY_COMMON_CLIENTS_GRPC_BATCH_AGGREGATOR_SERVER_H_
#define GATEWAY_COMMON_CLIENTS_GRPC_BATCH_AGGREGATOR_SERVER_H_

#include "common/clients/batch_aggregator.h"
#include "common/rpc/server.h"
#include "common/rpc/server_bridge.h"

namespace gateway {

// Serves `target` to other processes. `target` outlives the server.
rpc::NamedService MakeBatchAggregatorService(const rpc::ServerBridge& bridge,
                                             BatchAggregator* target);

}  // namespace gateway

#endif  // GATEWAY_COMMON_CLIENTS_GRPC_BATCH_AGGREGATOR_SERVER_H_
