#ifndef GATEWAY_COMMON_CLIENTS_GRPC_BATCH_AGGREGATOR_H_
#define GATEWAY_COMMON_CLIENTS_GRPC_BATCH_AGGREGATOR_H_

#include <grpcpp/channel.h>

#include <memory>

#include "common/clients/batch_aggregator.h"

namespace gateway {

// batch-aggregator in another process. Thread-safe.
std::unique_ptr<BatchAggregator> MakeGrpcBatchAggregator(
    std::shared_ptr<grpc::Channel> channel);

}  // namespace gateway

#endif  // GATEWAY_COMMON_CLIENTS_GRPC_BATCH_AGGREGATOR_H_
