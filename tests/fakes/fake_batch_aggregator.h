#ifndef GATEWAY_TESTS_FAKES_FAKE_BATCH_AGGREGATOR_H_
#define GATEWAY_TESTS_FAKES_FAKE_BATCH_AGGREGATOR_H_

#include <map>
#include <string>
#include <vector>

#include "common/clients/batch_aggregator.h"
#include "common/concurrency/mutex.h"
#include "common/rpc/wakeup.h"

namespace gateway {

// A batch-aggregator in memory, where a test plays the model: items wait until
// Answer() or Fail() is called for them. Without pages. Thread-safe.
class FakeBatchAggregator final : public BatchAggregator {
 public:
  // Ends an item of a batch with a text, or an error.
  void Answer(const std::string& batch_id, const std::string& custom_id,
              const std::string& text);
  void Fail(const std::string& batch_id, const std::string& custom_id,
            const absl::Status& error);

  // Of a batch, in their order.
  std::vector<batch_aggregator::v1::BatchItem> Items(
      const std::string& batch_id) const;
  batch_aggregator::v1::BatchHeader Header(const std::string& batch_id) const;
  // How many exist.
  int batches() const;
  // Bytes of items read from sources, also of batches never made.
  int64_t bytes_read() const;
  // SubmitBatch calls whose source failed.
  int broken_submits() const;

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
  class Follower;
  struct StoredBatch {
    batch_aggregator::v1::BatchHeader header;
    batch_aggregator::v1::Batch batch;
    std::vector<batch_aggregator::v1::BatchItem> items;
    std::vector<batch_aggregator::v1::ItemResult> results;
  };

  absl::StatusOr<StoredBatch*> Find(const common::v1::CallContext& context,
                                    const std::string& batch_id)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void AddResult(const std::string& batch_id,
                 batch_aggregator::v1::ItemResult result)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  batch_aggregator::v1::Batch Store(
      batch_aggregator::v1::BatchHeader header,
      std::vector<batch_aggregator::v1::BatchItem> items)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  mutable Mutex mu_;
  // By id, which rises.
  std::map<std::string, StoredBatch> batches_ ABSL_GUARDED_BY(mu_);
  std::vector<Follower*> followers_ ABSL_GUARDED_BY(mu_);
  int64_t bytes_read_ ABSL_GUARDED_BY(mu_) = 0;
  int broken_submits_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace gateway

#endif  // GATEWAY_TESTS_FAKES_FAKE_BATCH_AGGREGATOR_H_
