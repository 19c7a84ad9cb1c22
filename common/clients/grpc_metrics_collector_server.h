#ifndef GATEWAY_COMMON_CLIENTS_GRPC_METRICS_COLLECTOR_SERVER_H_
#define GATEWAY_COMMON_CLIENTS_GRPC_METRICS_COLLECTOR_SERVER_H_

#include "common/clients/metrics_collector.h"
#include "common/rpc/server.h"
#include "common/rpc/server_bridge.h"

namespace gateway {

// Serves `target` to other processes. `target` outlives the server.
rpc::NamedService MakeUsageRecorderService(const rpc::ServerBridge& bridge,
                                           UsageRecorder* target);
rpc::NamedService MakeTelemetryReceiverService(const rpc::ServerBridge& bridge,
                                               TelemetryReceiver* target);
rpc::NamedService MakeMetricsQueryService(const rpc::ServerBridge& bridge,
                                          MetricsQuery* target);

}  // namespace gateway

#endif  // GATEWAY_COMMON_CLIENTS_GRPC_METRICS_COLLECTOR_SERVER_H_
