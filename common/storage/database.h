#ifndef GATEWAY_COMMON_STORAGE_DATABASE_H_
#define GATEWAY_COMMON_STORAGE_DATABASE_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/strings/string_view.h>
#include <rocksdb/db.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <shared_mutex>
#include <string>
#include <utility>
#include <vector>

// RocksDB as every stateful service opens it: one directory, named column
// families, bounded memory, errors in the mesh's own terms.
namespace gateway::storage {

struct DatabaseOptions {
  // Made if absent.
  std::string path;
  // Besides `default`. Made if absent; the directory may hold no others.
  std::vector<std::string> column_families;
  // Block cache and write buffers together.
  int64_t memory_bytes = 64 << 20;
  // Not owned; null: the system's. Tests inject faults here.
  rocksdb::Env* env = nullptr;
};

// Thread-safe.
//
// A failed write leaves RocksDB in a state that no later write may trust, so
// this refuses all further ones until Reopen has succeeded. Reads go on.
class Database {
 public:
  // Holds the database open while it is used: keep it no longer than one
  // operation, and never across a co_await. A thread has one of a database at
  // a time, since the lock behind it is not to be taken twice; debug builds
  // end a program that does.
  class Handle {
   public:
    rocksdb::DB* operator->() const { return database_->db_.get(); }
    // In the order of the options' names.
    rocksdb::ColumnFamilyHandle* family(size_t index) const {
      return database_->families_[index];
    }
    // The value of a key; nullopt if there is none. As ToStatus.
    absl::StatusOr<std::optional<std::string>> Get(
        size_t family, const rocksdb::Slice& key) const;

   private:
    friend class Database;
    explicit Handle(const Database* database)
        : database_(database), only_(database), lock_(database->mu_) {}

    // Sees that a thread takes no second one of the same database.
    class Only {
     public:
      explicit Only(const Database* database);
      Only(Only&& other) noexcept
          : database_(std::exchange(other.database_, nullptr)) {}
      Only& operator=(Only&& other) noexcept {
        std::swap(database_, other.database_);
        return *this;
      }
      ~Only();

     private:
      const Database* database_;
    };

    const Database* database_;
    Only only_;
    std::shared_lock<std::shared_mutex> lock_;
  };

  // FAILED_PRECONDITION: another process holds the directory's lock, or it was
  // written by something else; DATA_LOSS: it is damaged; UNAVAILABLE: it
  // cannot be read or written. The message names the path and the way out.
  static absl::StatusOr<std::unique_ptr<Database>> Open(
      DatabaseOptions options);
  // Closes: what was written and not synced stays with the system; the
  // directory's lock is free afterwards.
  ~Database();

  // UNAVAILABLE `storage_unavailable` while a Reopen has failed.
  absl::StatusOr<Handle> Use() const;

  // Handle::Get, for one key. UNAVAILABLE as Use.
  absl::StatusOr<std::optional<std::string>> Get(
      size_t family, const rocksdb::Slice& key) const;

  // Whoever meets an entry that is damaged, and passes over it, says which one
  // it was: it is logged and counted. Of several at once, `times`, it names the
  // first. Gives DATA_LOSS `data_loss`.
  absl::Status NoteDamage(absl::string_view what, absl::string_view id,
                          int64_t times = 1) const;
  // How often that was.
  int64_t damages() const { return damages_.load(); }

  // Of a store that was just opened: sees that it is of the format `format`,
  // which stands in the family under `format`; a new one is given it.
  // FAILED_PRECONDITION, telling the way out: it is of another. `what` it
  // holds: "sessions".
  absl::Status CheckFormat(size_t family, absl::string_view format,
                           absl::string_view what);

  // Writes; `synced` returns once the disk has it. UNAVAILABLE
  // `storage_unavailable` if it failed, or an earlier one did.
  absl::Status Write(rocksdb::WriteBatch& batch, bool synced);

  // Makes all that was written durable.
  absl::Status Sync();

  // Never blocks. OK if writes work.
  absl::Status Health() const;

  // Does nothing while writes work. Else closes and opens again, and tries a
  // write: what was acknowledged before is there again. For a background
  // thread; waits for handles in use.
  absl::Status Reopen();

  // Whether RocksDB takes no writes: it waits for compaction, or one has
  // failed.
  bool WriteStopped() const;

 private:
  explicit Database(DatabaseOptions options);
  absl::Status OpenEngine();
  void CloseEngine();
  // From here on nothing is written until Reopen has succeeded. Gives what the
  // caller is told: whatever failed, what it brought is not stored.
  absl::Status NoteFailure(const char* what, const rocksdb::Status& status);

  const DatabaseOptions options_;
  // Shared by users, exclusive while it is reopened.
  mutable std::shared_mutex mu_;
  std::unique_ptr<rocksdb::DB> db_;                     // by mu_
  std::vector<rocksdb::ColumnFamilyHandle*> families_;  // by mu_
  std::atomic<bool> write_failed_{false};
  mutable std::atomic<int64_t> damages_{0};
};

// NOT_FOUND stays; DATA_LOSS `data_loss` for a damaged file; whatever else
// fails is UNAVAILABLE `storage_unavailable`. Logs RocksDB's own words, which
// name files and are not for callers.
absl::Status ToStatus(const rocksdb::Status& status);

// DATA_LOSS `data_loss`.
absl::Status DamagedData();

// Tells one key from another in a log that must not name whom it is about: 16
// hex digits.
std::string ShortHash(absl::string_view key);

// Why a start fails, with the ways out: DATA_LOSS.
absl::Status DamagedDirectory(absl::string_view path, absl::string_view what);

// Numbers in keys, so that keys sort as the numbers do.
void AppendBigEndian64(std::string& key, uint64_t value);
uint64_t ReadBigEndian64(const char* bytes);

// A part of a key that is not the last one, with its length (at most 65535), so
// that none, whatever bytes it holds, can reach into what follows.
void AppendSized(std::string& key, absl::string_view part);

}  // namespace gateway::storage

#endif  // GATEWAY_COMMON_STORAGE_DATABASE_H_
