#ifndef GATEWAY_SERVICES_BATCH_AGGREGATOR_BATCH_AGGREGATOR_SERVICE_H_
#define GATEWAY_SERVICES_BATCH_AGGREGATOR_BATCH_AGGREGATOR_SERVICE_H_

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "common/clients/batch_aggregator.h"
#include "common/concurrency/bounded_executor.h"
#include "common/time/clock.h"
#include "services/batch_aggregator/batch_draft.h"
#include "services/batch_aggregator/batch_repository.h"
#include "services/batch_aggregator/dispatcher.h"
#include "services/batch_aggregator/result_watch.h"

namespace gateway::batch_aggregator {

struct ServiceOptions {
  BatchLimits limits;
  // Of a tenant.
  int64_t max_open_batches = 100;
};

// The interface of the service: takes batches in, shows them, hands results
// out. Thread-safe. Callers reach it through a CheckedBatchAggregator, which
// checks deadline and account.
//
// An executor whose queue is full answers UNAVAILABLE `overloaded`.
class BatchAggregatorService : public BatchAggregator {
 public:
  // All outlive it.
  struct Parts {
    BatchRepository* repository;
    BoundedExecutor* blocking;
    Dispatcher* dispatcher;
    ResultWatch* watch;
    const Clock* clock;
  };

  BatchAggregatorService(const ServiceOptions& options, const Parts& parts)
      : options_(options), parts_(parts) {}

  // From here on new batches get UNAVAILABLE `draining`. Any thread.
  void BeginDrain() { draining_.store(true); }

  Awaitable<absl::StatusOr<v1::Batch>> SubmitBatch(
      rpc::Call& call, rpc::Source<v1::SubmitBatchRequest>& source) override;
  Awaitable<absl::StatusOr<v1::Batch>> GetBatch(
      rpc::Call& call, const v1::GetBatchRequest& request) override;
  Awaitable<absl::StatusOr<v1::ListBatchesResponse>> ListBatches(
      rpc::Call& call, const v1::ListBatchesRequest& request) override;
  Awaitable<absl::StatusOr<v1::Batch>> CancelBatch(
      rpc::Call& call, const v1::CancelBatchRequest& request) override;
  Awaitable<absl::Status> StreamBatchResults(
      rpc::Call& call, const v1::StreamBatchResultsRequest& request,
      rpc::Sink<v1::StreamBatchResultsResponse>& sink) override;

 private:
  // A batch that is coming in.
  struct Incoming {
    explicit Incoming(const BatchLimits& limits) : draft(limits) {}
    BatchDraft draft;
    uint64_t number = 0;
    // Not staged yet, and their size.
    std::vector<StagedItem> chunk;
    int64_t chunk_bytes = 0;
    uint32_t staged = 0;
    // For the dispatcher.
    std::vector<OpenBatch::Item> items;
    // The batch that the idempotency key made before.
    std::optional<stored::v1::Batch> before;
  };

  Awaitable<absl::Status> Receive(rpc::Source<v1::SubmitBatchRequest>& source,
                                  Incoming& incoming);
  Awaitable<absl::Status> Begin(const v1::BatchHeader& header,
                                Incoming& incoming);
  Awaitable<absl::Status> Stage(Incoming& incoming);
  Awaitable<absl::StatusOr<CommittedBatch>> Commit(Incoming& incoming);
  Awaitable<void> Discard(const Incoming& incoming);

  const ServiceOptions options_;
  const Parts parts_;
  std::atomic<bool> draining_{false};
};

}  // namespace gateway::batch_aggregator

#endif  // GATEWAY_SERVICES_BATCH_AGGREGATOR_BATCH_AGGREGATOR_SERVICE_H_
