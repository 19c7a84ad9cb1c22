#ifndef GATEWAY_SERVICES_SESSION_STORE_ROCKSDB_SESSION_REPOSITORY_H_
#define GATEWAY_SERVICES_SESSION_STORE_ROCKSDB_SESSION_REPOSITORY_H_

#include <absl/container/flat_hash_map.h>
#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/strings/string_view.h>
#include <absl/time/time.h>

#include <array>
#include <atomic>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/concurrency/mutex.h"
#include "common/concurrency/periodic_thread.h"
#include "common/storage/database.h"
#include "services/session_store/session_repository.h"

namespace gateway::session_store {

struct RocksDbSessionRepositoryOptions {
  // Made if absent. One process at a time.
  std::string path;
  // Block cache and write buffers together.
  int64_t memory_bytes = 64 << 20;
  // What is acknowledged survives the process at once, and the machine after
  // this. Infinite: only what the system writes by itself.
  absl::Duration sync_interval = absl::Milliseconds(50);
  // Not owned; null: the system's. Tests inject faults here.
  rocksdb::Env* env = nullptr;
};

// Sessions in one RocksDB directory; the format stands in README.md. A thread
// of its own syncs. After a write has failed every other is refused until
// Repair has succeeded.
class RocksDbSessionRepository : public SessionRepository {
 public:
  // FAILED_PRECONDITION: another process holds it, or it is of another format;
  // DATA_LOSS: it is damaged; UNAVAILABLE: it cannot be read or written. The
  // message names the path and the way out.
  static absl::StatusOr<std::unique_ptr<RocksDbSessionRepository>> Open(
      const RocksDbSessionRepositoryOptions& options);
  // Syncs and closes.
  ~RocksDbSessionRepository() override;

  // OK if it can be written. Never blocks.
  absl::Status Health() const { return database_->Health(); }
  // Whether RocksDB takes no writes: it waits for compaction, or one has
  // failed.
  bool WriteStopped() const { return database_->WriteStopped(); }
  // For a background thread, every second or so: opens the store again after a
  // failed write. Does nothing while writes work.
  absl::Status Repair();
  // How often something stored was met damaged.
  int64_t Damages() const { return database_->damages(); }

  absl::StatusOr<std::optional<SessionRecord>> FindSession(
      const SessionName& name) override;
  absl::StatusOr<std::vector<std::pair<std::string, SessionRecord>>>
  ListSessions(const Owner& owner, const std::string& after,
               size_t limit) override;
  absl::Status CreateSession(const SessionName& name,
                             SessionRecord& record) override;
  absl::Status UpdateSession(const SessionName& name,
                             SessionRecord& record) override;
  absl::Status RemoveSession(const SessionName& name,
                             const SessionRecord& record) override;
  absl::Status RemoveDamagedSession(const SessionName& name) override;
  absl::Status AddTurn(const SessionName& name, SessionRecord& record,
                       const TurnRecord& turn,
                       const std::vector<TurnRecord>& dropped,
                       const std::string* system_text) override;
  absl::StatusOr<std::optional<TurnRecord>> FindTurn(const std::string& tenant,
                                                     uint64_t life,
                                                     uint64_t number) override;
  absl::StatusOr<std::vector<TurnRecord>> ListTurns(const std::string& tenant,
                                                    uint64_t life,
                                                    uint64_t first,
                                                    size_t limit) override;
  absl::StatusOr<Branch> ReadBranch(const std::string& tenant, uint64_t life,
                                    uint64_t number,
                                    int64_t max_bytes) override;
  absl::StatusOr<std::string> ReadSystemText(const std::string& tenant,
                                             uint64_t life) override;
  absl::StatusOr<std::optional<TurnAlias>> FindAlias(
      const Owner& owner, const std::string& answer_id) override;
  absl::StatusOr<std::optional<uint64_t>> FindCommit(
      const std::string& tenant, uint64_t life,
      const std::string& request_id) override;
  int64_t SessionCount(const std::string& tenant) const override;
  int64_t TotalSessionCount() const override;
  std::vector<std::string> Tenants() const override;
  absl::StatusOr<std::vector<DueSession>> FindDue(const std::string& tenant,
                                                  absl::Time now,
                                                  size_t limit) override;
  absl::Status Reschedule(const SessionName& name, SessionRecord& record,
                          absl::Time due_time) override;
  absl::Status Postpone(const DueSession& session,
                        absl::Time due_time) override;
  absl::StatusOr<bool> CollectGarbage(size_t limit) override;

 private:
  explicit RocksDbSessionRepository(
      const RocksDbSessionRepositoryOptions& options);

  // Reads what Open and a reopening need.
  absl::Status LoadCounts() ABSL_EXCLUSIVE_LOCKS_REQUIRED(count_mu_);
  // Writes `batch`, which adds or removes a session of the tenant.
  absl::Status WriteAndCount(rocksdb::WriteBatch& batch,
                             const std::string& tenant, int64_t change);
  absl::Status Write(rocksdb::WriteBatch& batch);
  // The error of a read, as callers are to see it. What is damaged is noted as
  // `what`, which `id` names.
  absl::Status ReadError(const absl::Status& cause, absl::string_view what,
                         absl::string_view id) const;
  // Adds the removal of a turn and of what names it.
  absl::Status DropTurn(const storage::Database::Handle& db,
                        rocksdb::WriteBatch& batch, const Owner& owner,
                        uint64_t life, const TurnRecord& turn);
  // Adds the removal of up to `limit` turns of the life that a removal's key
  // and value name, and takes what it used from `limit`. Whether some are left.
  absl::StatusOr<bool> CollectLife(const storage::Database::Handle& db,
                                   rocksdb::WriteBatch& batch,
                                   absl::string_view key,
                                   const rocksdb::Slice& value, size_t& limit);
  void SyncIfDirty();

  // Set at construction.
  const RocksDbSessionRepositoryOptions options_;
  std::unique_ptr<storage::Database> database_;  // self-locking

  // Written and not synced yet.
  std::atomic<bool> dirty_ = false;

  // Held while a session is added or removed, so that the stored count and
  // this one change together; shared by all tenants, since it is rare and an
  // unsynced write is short.
  mutable Mutex count_mu_;
  absl::flat_hash_map<std::string, int64_t> counts_ ABSL_GUARDED_BY(count_mu_);
  // Changes with them; read without the lock, which a reopening holds for long.
  std::atomic<int64_t> total_ = 0;

  PeriodicThread syncer_;
};

}  // namespace gateway::session_store

#endif  // GATEWAY_SERVICES_SESSION_STORE_ROCKSDB_SESSION_REPOSITORY_H_
