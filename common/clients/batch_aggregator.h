#ifndef GATEWAY_COMMON_CLIENTS_BATCH_AGGREGATOR_H_
#define GATEWAY_COMMON_CLIENTS_BATCH_AGGREGATOR_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "common/concurrency/awaitable.h"
#include "common/rpc/call.h"
#include "gateway/batch_aggregator/v1/batch_aggregator.pb.h"

// batch-aggregator as its callers see it, wherever it runs.
namespace gateway {

// Thread-safe. The service implements it, so do its gRPC client and its fake;
// what each method means and returns stands in the proto.
class BatchAggregator {
 public:
  virtual ~BatchAggregator() = default;

  virtual Awaitable<absl::StatusOr<batch_aggregator::v1::Batch>> SubmitBatch(
      rpc::Call& call,
      rpc::Source<batch_aggregator::v1::SubmitBatchRequest>& source) = 0;
  virtual Awaitable<absl::StatusOr<batch_aggregator::v1::Batch>> GetBatch(
      rpc::Call& call,
      const batch_aggregator::v1::GetBatchRequest& request) = 0;
  virtual Awaitable<absl::StatusOr<batch_aggregator::v1::ListBatchesResponse>>
  ListBatches(rpc::Call& call,
              const batch_aggregator::v1::ListBatchesRequest& request) = 0;
  virtual Awaitable<absl::StatusOr<batch_aggregator::v1::Batch>> CancelBatch(
      rpc::Call& call,
      const batch_aggregator::v1::CancelBatchRequest& request) = 0;
  virtual Awaitable<absl::Status> StreamBatchResults(
      rpc::Call& call,
      const batch_aggregator::v1::StreamBatchResultsRequest& request,
      rpc::Sink<batch_aggregator::v1::StreamBatchResultsResponse>& sink) = 0;
};

}  // namespace gateway

#endif  // GATEWAY_COMMON_CLIENTS_BATCH_AGGREGATOR_H_
