#ifndef GATEWAY_COMMON_CLIENTS_GRPC_METRICS_COLLECTOR_H_
#define GATEWAY_COMMON_CLIENTS_GRPC_METRICS_COLLECTOR_H_

#include <grpcpp/channel.h>

#include <memory>

#include "common/clients/metrics_collector.h"

namespace gateway {

// metrics-collector in another process. Thread-safe.
std::unique_ptr<UsageRecorder> MakeGrpcUsageRecorder(
    std::shared_ptr<grpc::Channel> channel);
std::unique_ptr<TelemetryReceiver> MakeGrpcTelemetryReceiver(
    std::shared_ptr<grpc::Channel> channel);
std::unique_ptr<MetricsQuery> MakeGrpcMetricsQuery(
    std::shared_ptr<grpc::Channel> channel);

}  // namespace gateway

#endif  // GATEWAY_COMMON_CLIENTS_GRPC_METRICS_COLLECTOR_H_
