#ifndef GATEWAY_COMMON_CLIENTS_CHECKED_BATCH_AGGREGATOR_H_
#define GATEWAY_COMMON_CLIENTS_CHECKED_BATCH_AGGREGATOR_H_

#include "common/clients/batch_aggregator.h"
#include "common/clients/checks.h"

namespace gateway {

// The first step of every call, however it comes in; see checks.h. Thread-safe.
class CheckedBatchAggregator final : public BatchAggregator {
 public:
  // `inner` outlives it.
  CheckedBatchAggregator(BatchAggregator* inner, Entry entry)
      : inner_(inner), entry_(entry) {}

  Awaitable<absl::StatusOr<batch_aggregator::v1::Batch>> SubmitBatch(
      rpc::Call& call,
      rpc::Source<batch_aggregator::v1::SubmitBatchRequest>& source) override;
  Awaitable<absl::StatusOr<batch_aggregator::v1::Batch>> GetBatch(
      rpc::Call& call,
      const batch_aggregator::v1::GetBatchRequest& request) override;
  Awaitable<absl::StatusOr<batch_aggregator::v1::ListBatchesResponse>>
  ListBatches(rpc::Call& call,
              const batch_aggregator::v1::ListBatchesRequest& request) override;
  Awaitable<absl::StatusOr<batch_aggregator::v1::Batch>> CancelBatch(
      rpc::Call& call,
      const batch_aggregator::v1::CancelBatchRequest& request) override;
  Awaitable<absl::Status> StreamBatchResults(
      rpc::Call& call,
      const batch_aggregator::v1::StreamBatchResultsRequest& request,
      rpc::Sink<batch_aggregator::v1::StreamBatchResultsResponse>& sink)
      override;

 private:
  BatchAggregator* const inner_;
  const EntryRule entry_;
};

}  // namespace gateway

#endif  // GATEWAY_COMMON_CLIENTS_CHECKED_BATCH_AGGREGATOR_H_
