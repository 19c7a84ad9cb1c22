#ifndef GATEWAY_SERVICES_BATCH_AGGREGATOR_BATCH_REPOSITORY_H_
#define GATEWAY_SERVICES_BATCH_AGGREGATOR_BATCH_REPOSITORY_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "gateway/batch_aggregator/stored/v1/stored.pb.h"
#include "services/batch_aggregator/flush_window.h"

// Where batches are kept, in the words of the rules that need it.
namespace gateway::batch_aggregator {

// An item of a batch that is coming in.
struct StagedItem {
  stored::v1::Item item;
  stored::v1::PendingItem pending;
};

// What a batch with items left needs to go on.
struct OpenBatch {
  uint64_t number = 0;
  stored::v1::Batch batch;
  struct Item {
    uint32_t index = 0;
    // Without its custom id, which ReadCustomId knows.
    stored::v1::PendingItem pending;
    // It cannot be sent: what is stored of it cannot be read.
    bool damaged = false;
  };
  // Those without a result.
  std::vector<Item> items;
};

struct CommittedBatch {
  stored::v1::Batch batch;
  // False: this is the batch that the idempotency key made before.
  bool created = false;
};

struct NewResult {
  ItemRef ref;
  v1::ItemResult result;
};

struct StoredResult {
  // From 1, in the order in which they came.
  uint64_t sequence = 0;
  v1::ItemResult result;
};

struct ResultPage {
  std::vector<StoredResult> results;
  // As of before the results were read: if it had ended, these are followed by
  // no others than those that are stored.
  stored::v1::Batch batch;
};

// Thread-safe, and blocks: call it from an executor. All methods fail with
// UNAVAILABLE `storage_unavailable` if the storage cannot be read or written;
// what is said to be durable survives power loss once the method has returned
// OK. Numbers name batches inside this process; batch ids and tenants outside.
//
// What is damaged is logged and counted. It gives DATA_LOSS `data_loss` to
// those who ask for it, and stands in nobody else's way.
class BatchRepository {
 public:
  virtual ~BatchRepository() = default;

  // The number for a batch that is about to come in.
  virtual uint64_t Reserve() = 0;

  // Keeps items of a batch that is not made yet: unless Commit follows they
  // are gone after Discard or a restart.
  virtual absl::Status Stage(uint64_t number, uint32_t first_index,
                             const std::vector<StagedItem>& items) = 0;
  virtual absl::Status Discard(uint64_t number) = 0;

  // Makes the batch of what was staged; durable. If its idempotency key has
  // made a batch already, gives that one and discards what was staged, also
  // when both come at once. RESOURCE_EXHAUSTED `batch_limit` over
  // `max_open_batches` of the tenant. After an error there is no batch, unless
  // the process ends before the storage can be written again.
  virtual absl::StatusOr<CommittedBatch> Commit(uint64_t number,
                                                const stored::v1::Batch& batch,
                                                int64_t max_open_batches,
                                                absl::Time now) = 0;

  // The batch that the key made; nullopt if there is none.
  virtual absl::StatusOr<std::optional<stored::v1::Batch>> FindByKey(
      const std::string& tenant, const std::string& idempotency_key,
      absl::Time now) = 0;

  // NOT_FOUND `batch_not_found`, also for another tenant's.
  virtual absl::StatusOr<stored::v1::Batch> Find(const std::string& tenant,
                                                 const std::string& batch_id,
                                                 absl::Time now) = 0;

  // Newest first, beginning behind the batch `after` if that is not empty.
  // Damaged ones are left out.
  virtual absl::StatusOr<std::vector<stored::v1::Batch>> List(
      const std::string& tenant, const std::string& after, size_t limit,
      absl::Time now) = 0;

  // Marks the batch as being cancelled, unless it has ended; durable. Its
  // number goes with it.
  struct CancelledBatch {
    uint64_t number = 0;
    stored::v1::Batch batch;
  };
  virtual absl::StatusOr<CancelledBatch> BeginCancel(
      const std::string& tenant, const std::string& batch_id,
      absl::Time now) = 0;

  // NOT_FOUND if the item has its result; DATA_LOSS if it is damaged.
  virtual absl::StatusOr<stored::v1::Item> ReadItem(const ItemRef& ref) = 0;

  // Likewise; the name may be known of an item whose body is damaged.
  virtual absl::StatusOr<std::string> ReadCustomId(const ItemRef& ref) = 0;

  // Records that these items go out together; durable. Gives their share keys,
  // in order. What an error leaves of the record goes with the next one.
  virtual absl::StatusOr<std::vector<std::string>> RecordFlush(
      const QueueKey& queue, const std::string& planned_target,
      const std::vector<ItemRef>& items) = 0;

  // Stores results, and what they mean for their batches; durable, and only
  // then visible. An item that has its result keeps it.
  struct Appended {
    // Those of the results that are stored, by their place: by this call, or by
    // an earlier one that seemed to fail.
    std::vector<size_t> stored;
    // Batches that are damaged: their results are not stored, and they count as
    // open no more.
    std::vector<uint64_t> damaged;
  };
  virtual absl::StatusOr<Appended> AppendResults(
      const std::vector<NewResult>& results, absl::Time now) = 0;

  // Results behind sequence number `after`, up to about `max_bytes` but at
  // least one. NOT_FOUND as Find. A damaged one stands there as a failure.
  virtual absl::StatusOr<ResultPage> ReadResults(const std::string& tenant,
                                                 const std::string& batch_id,
                                                 uint64_t after,
                                                 int64_t max_bytes,
                                                 absl::Time now) = 0;

  // After a start: all that has no result yet. Damaged batches are left out.
  struct Unfinished {
    std::vector<OpenBatch> batches;
    std::vector<stored::v1::Flush> flushes;
  };
  virtual absl::StatusOr<Unfinished> LoadUnfinished() = 0;

  // Deletes batches whose time is over, at most `limit`. Whether more are due.
  virtual absl::StatusOr<bool> DeleteExpired(absl::Time now, size_t limit) = 0;

  // Batches that have not ended.
  virtual int64_t OpenBatches() const = 0;
};

// The number that a batch id holds; nullopt: it is none.
std::optional<uint64_t> BatchNumber(const std::string& batch_id);

// How the ids of a batch begin, for logs.
std::string BatchIdPrefix(uint64_t number);

// `batch_`, the number and something random.
std::string MakeBatchId(uint64_t number);

}  // namespace gateway::batch_aggregator

#endif  // GATEWAY_SERVICES_BATCH_AGGREGATOR_BATCH_REPOSITORY_H_
