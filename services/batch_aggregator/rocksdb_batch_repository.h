#ifndef GATEWAY_SERVICES_BATCH_AGGREGATOR_ROCKSDB_BATCH_REPOSITORY_H_
#define GATEWAY_SERVICES_BATCH_AGGREGATOR_ROCKSDB_BATCH_REPOSITORY_H_

#include <absl/container/flat_hash_map.h>
#include <absl/container/flat_hash_set.h>

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "common/concurrency/mutex.h"
#include "common/storage/database.h"
#include "services/batch_aggregator/batch_repository.h"

namespace gateway::batch_aggregator {

struct RocksDbBatchRepositoryOptions {
  // Made if absent. One process at a time.
  std::string path;
  // How long an ended batch is kept.
  absl::Duration retention = absl::Hours(7 * 24);
  // Block cache and write buffers together.
  int64_t memory_bytes = 64 << 20;
  // Not owned; null: the system's. Tests inject faults here.
  rocksdb::Env* env = nullptr;
};

// Batches in one RocksDB directory; the format stands in README.md.
class RocksDbBatchRepository : public BatchRepository {
 public:
  // Drops what was staged and never committed. FAILED_PRECONDITION: another
  // process holds it, or it is of another format; DATA_LOSS: it is damaged, so
  // that not all batches can be found; UNAVAILABLE: it cannot be read or
  // written.
  static absl::StatusOr<std::unique_ptr<RocksDbBatchRepository>> Open(
      const RocksDbBatchRepositoryOptions& options);

  // OK if it can be written. Never blocks.
  absl::Status Health() const { return database_->Health(); }
  bool WriteStopped() const { return database_->WriteStopped(); }
  // How often something stored was met damaged.
  int64_t Damages() const { return database_->damages(); }
  // For a background thread, every few seconds: opens the storage again after
  // a failed write, and takes back the batches whose makers were told no.
  absl::Status Repair();

  uint64_t Reserve() override;
  absl::Status Stage(uint64_t number, uint32_t first_index,
                     const std::vector<StagedItem>& items) override;
  absl::Status Discard(uint64_t number) override;
  absl::StatusOr<CommittedBatch> Commit(uint64_t number,
                                        const stored::v1::Batch& batch,
                                        int64_t max_open_batches,
                                        absl::Time now) override;
  absl::StatusOr<std::optional<stored::v1::Batch>> FindByKey(
      const std::string& tenant, const std::string& idempotency_key,
      absl::Time now) override;
  absl::StatusOr<stored::v1::Batch> Find(const std::string& tenant,
                                         const std::string& batch_id,
                                         absl::Time now) override;
  absl::StatusOr<std::vector<stored::v1::Batch>> List(const std::string& tenant,
                                                      const std::string& after,
                                                      size_t limit,
                                                      absl::Time now) override;
  absl::StatusOr<CancelledBatch> BeginCancel(const std::string& tenant,
                                             const std::string& batch_id,
                                             absl::Time now) override;
  absl::StatusOr<stored::v1::Item> ReadItem(const ItemRef& ref) override;
  absl::StatusOr<std::vector<std::string>> RecordFlush(
      const QueueKey& queue, const std::string& planned_target,
      const std::vector<ItemRef>& items) override;
  absl::StatusOr<std::string> ReadCustomId(const ItemRef& ref) override;
  absl::StatusOr<Appended> AppendResults(const std::vector<NewResult>& results,
                                         absl::Time now) override;
  absl::StatusOr<ResultPage> ReadResults(const std::string& tenant,
                                         const std::string& batch_id,
                                         uint64_t after, int64_t max_bytes,
                                         absl::Time now) override;
  absl::StatusOr<Unfinished> LoadUnfinished() override;
  absl::StatusOr<bool> DeleteExpired(absl::Time now, size_t limit) override;
  int64_t OpenBatches() const override;

 private:
  // What a group of results changes.
  struct Changes;

  explicit RocksDbBatchRepository(const RocksDbBatchRepositoryOptions& options)
      : options_(options) {}

  absl::Status LoadBatches();
  absl::Status DropOrphans(const std::set<uint64_t>& known);
  absl::Status LoadFlushes();
  // Drops what was staged for these numbers, without `end`.
  absl::Status DiscardRange(uint64_t first, uint64_t end);

  // nullopt: no such key.
  template <class Message>
  absl::StatusOr<std::optional<Message>> GetMessage(
      size_t family, const std::string& key) const;
  absl::StatusOr<std::optional<stored::v1::Batch>> Load(
      const std::string& tenant, uint64_t number, absl::Time now) const;

  absl::StatusOr<CommittedBatch> CommitOnce(uint64_t number,
                                            const stored::v1::Batch& batch,
                                            int64_t max_open_batches);
  absl::Status WriteCommit(uint64_t number, const stored::v1::Batch& batch);
  // The items without a result.
  absl::Status LoadItems(OpenBatch& batch) const;
  absl::Status LoadItemsOneByOne(OpenBatch& batch) const;
  // Whether it has no result.
  absl::StatusOr<bool> IsPending(const ItemRef& ref) const;
  absl::Status ItemDamaged(const ItemRef& ref) const;
  // The batch counts as open no longer.
  void Close(uint64_t number);
  absl::Status TakeBackDoubtful();
  // Adds one result, by its place in the group, to the group's write.
  absl::Status AddChange(const NewResult& result, size_t place, absl::Time now,
                         Changes& changes, rocksdb::WriteBatch& write)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(write_mu_);
  absl::Status AddDeletion(const std::string& tenant, uint64_t number,
                           rocksdb::WriteBatch& batch) const;

  // Set at construction.
  const RocksDbBatchRepositoryOptions options_;
  std::unique_ptr<storage::Database> database_;  // self-locking

  // Held while batches and flushes change, through their synced write: results
  // come from one writer, and the others are rare.
  mutable Mutex write_mu_;
  // Recorded flushes, with how many of their items have no result.
  absl::flat_hash_map<uint64_t, size_t> flushes_ ABSL_GUARDED_BY(write_mu_);
  absl::flat_hash_map<ItemRef, uint64_t> flush_of_ ABSL_GUARDED_BY(write_mu_);
  uint64_t next_flush_ ABSL_GUARDED_BY(write_mu_) = 1;
  // Items whose results may be stored although their write failed.
  absl::flat_hash_set<ItemRef> doubtful_results_ ABSL_GUARDED_BY(write_mu_);

  mutable Mutex mu_;
  CondVar commit_ended_;
  uint64_t next_number_ ABSL_GUARDED_BY(mu_) = 1;
  // Batches that have not ended, with their tenants.
  absl::flat_hash_map<uint64_t, std::string> open_ ABSL_GUARDED_BY(mu_);
  absl::flat_hash_map<std::string, int64_t> open_by_tenant_
      ABSL_GUARDED_BY(mu_);
  // Idempotency keys, as stored, of batches that are being written.
  absl::flat_hash_set<std::string> committing_ ABSL_GUARDED_BY(mu_);
  // Batches whose write failed: they may be there, and must not be.
  absl::flat_hash_map<uint64_t, std::string> doubtful_ ABSL_GUARDED_BY(mu_);
};

}  // namespace gateway::batch_aggregator

#endif  // GATEWAY_SERVICES_BATCH_AGGREGATOR_ROCKSDB_BATCH_REPOSITORY_H_
