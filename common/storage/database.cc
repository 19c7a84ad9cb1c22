#include "common/storage/database.h"

#include <absl/base/internal/endian.h>
#include <absl/strings/escaping.h>
#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>
#include <openssl/evp.h>
#include <rocksdb/cache.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/table.h>
#include <rocksdb/write_buffer_manager.h>

#include <cassert>
#include <filesystem>

#include "common/log/log.h"
#include "common/status/error.h"
#include "common/status/macros.h"

namespace gateway::storage {
namespace {

rocksdb::Options EngineOptions(const DatabaseOptions& options) {
  rocksdb::Options engine;
  if (options.env != nullptr) engine.env = options.env;
  engine.create_if_missing = true;
  engine.create_missing_column_families = true;
  engine.max_background_jobs = 2;
  engine.max_open_files = 512;
  engine.keep_log_file_num = 4;
  engine.max_log_file_size = 8 << 20;
  // A log may end in the middle of a record: so a loss of power leaves it.
  // Whatever else cannot be read there stops the start, since what follows it
  // would be lost unseen (docs/adr/0004-a-damaged-log-stops-the-start.md).
  engine.wal_recovery_mode =
      rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords;
  // Write buffers are charged to the cache: one bound for both.
  auto cache = rocksdb::NewLRUCache(options.memory_bytes);
  engine.write_buffer_manager = std::make_shared<rocksdb::WriteBufferManager>(
      options.memory_bytes / 2, cache);
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = cache;
  table.cache_index_and_filter_blocks = true;
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  engine.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  engine.write_buffer_size = options.memory_bytes / 8;
  return engine;
}

absl::Status OpenError(const std::string& path, const rocksdb::Status& status) {
  const std::string text = status.ToString();
  if (absl::StrContains(text, "lock hold by current process") ||
      (absl::StrContains(text, "While lock file") &&
       absl::StrContains(text, "Resource temporarily unavailable"))) {
    return absl::FailedPreconditionError(
        absl::StrCat("another process uses ", path, ": ", text));
  }
  if (status.IsCorruption()) {
    return DamagedDirectory(path, text);
  }
  if (status.IsInvalidArgument()) {
    return absl::FailedPreconditionError(
        absl::StrCat(path, " was not written by this service: ", text));
  }
  return absl::UnavailableError(absl::StrCat("cannot open ", path, ": ", text));
}

absl::Status CannotWrite() {
  return MakeError(reason::kStorageUnavailable, "the store cannot be written");
}

}  // namespace

Database::Database(DatabaseOptions options) : options_(std::move(options)) {}

absl::StatusOr<std::unique_ptr<Database>> Database::Open(
    DatabaseOptions options) {
  std::error_code error;
  std::filesystem::create_directories(options.path, error);
  if (error) {
    return absl::UnavailableError(
        absl::StrCat("cannot make ", options.path, ": ", error.message()));
  }
  auto database = std::unique_ptr<Database>(new Database(std::move(options)));
  RETURN_IF_ERROR(database->OpenEngine());
  return database;
}

Database::~Database() { CloseEngine(); }

absl::Status Database::OpenEngine() {
  const rocksdb::Options engine = EngineOptions(options_);
  std::vector<rocksdb::ColumnFamilyDescriptor> descriptors;
  descriptors.emplace_back(rocksdb::kDefaultColumnFamilyName, engine);
  for (const std::string& name : options_.column_families) {
    descriptors.emplace_back(name, engine);
  }
  rocksdb::DB* db = nullptr;
  rocksdb::Status opened =
      rocksdb::DB::Open(engine, options_.path, descriptors, &families_, &db);
  if (!opened.ok()) return OpenError(options_.path, opened);
  db_.reset(db);
  // The families that callers name follow the default one, which none uses.
  db->DestroyColumnFamilyHandle(families_.front());
  families_.erase(families_.begin());
  return absl::OkStatus();
}

void Database::CloseEngine() {
  if (db_ == nullptr) return;
  for (rocksdb::ColumnFamilyHandle* family : families_) {
    db_->DestroyColumnFamilyHandle(family);
  }
  families_.clear();
  db_->Close();
  db_.reset();
}

absl::StatusOr<Database::Handle> Database::Use() const {
  Handle handle(this);
  if (db_ == nullptr) {
    return MakeError(reason::kStorageUnavailable, "the store is closed");
  }
  return handle;
}

absl::StatusOr<std::optional<std::string>> Database::Get(
    size_t family, const rocksdb::Slice& key) const {
  ASSIGN_OR_RETURN(const Handle handle, Use());
  return handle.Get(family, key);
}

absl::StatusOr<std::optional<std::string>> Database::Handle::Get(
    size_t family, const rocksdb::Slice& key) const {
  std::string value;
  const rocksdb::Status got =
      database_->db_->Get({}, this->family(family), key, &value);
  if (got.IsNotFound()) return std::optional<std::string>();
  RETURN_IF_ERROR(ToStatus(got));
  return std::optional<std::string>(std::move(value));
}

namespace {
// Whose handle this thread has. It may have those of two databases, and then
// knows of the later one alone.
thread_local const Database* held = nullptr;
}  // namespace

Database::Handle::Only::Only(const Database* database) : database_(database) {
  assert(held != database);
  held = database;
}

Database::Handle::Only::~Only() {
  if (database_ != nullptr) held = nullptr;
}

absl::Status Database::NoteDamage(absl::string_view what, absl::string_view id,
                                  int64_t times) const {
  damages_.fetch_add(times);
  LOG_ERROR(
      "storage", "stored data is damaged",
      {{"path", options_.path}, {"what", what}, {"id", id}, {"times", times}});
  return DamagedData();
}

absl::Status Database::CheckFormat(size_t family, absl::string_view format,
                                   absl::string_view what) {
  constexpr char kKey[] = "format";
  rocksdb::WriteBatch batch;
  {
    ASSIGN_OR_RETURN(const Handle handle, Use());
    ASSIGN_OR_RETURN(const std::optional<std::string> stored,
                     handle.Get(family, kKey));
    if (stored == format) return absl::OkStatus();
    if (stored.has_value()) {
      return absl::FailedPreconditionError(
          absl::StrCat(options_.path, " holds ", what, " in format '", *stored,
                       "', and this version reads only '", format,
                       "': run the version that wrote it, or move it away"));
    }
    batch.Put(handle.family(family), kKey,
              rocksdb::Slice(format.data(), format.size()));
  }
  return Write(batch, /*synced=*/true);
}

absl::Status Database::Write(rocksdb::WriteBatch& batch, bool synced) {
  RETURN_IF_ERROR(Health());
  ASSIGN_OR_RETURN(const Handle handle, Use());
  rocksdb::WriteOptions options;
  options.sync = synced;
  const rocksdb::Status written = handle->Write(options, &batch);
  return written.ok() ? absl::OkStatus() : NoteFailure("write", written);
}

absl::Status Database::Sync() {
  RETURN_IF_ERROR(Health());
  ASSIGN_OR_RETURN(const Handle handle, Use());
  const rocksdb::Status synced = handle->SyncWAL();
  return synced.ok() ? absl::OkStatus() : NoteFailure("sync", synced);
}

absl::Status Database::NoteFailure(const char* what,
                                   const rocksdb::Status& status) {
  write_failed_.store(true);
  LOG_ERROR("storage", "the store can no longer be written",
            {{"path", options_.path},
             {"operation", what},
             {"error", status.ToString()}});
  return CannotWrite();
}

absl::Status Database::Health() const {
  return write_failed_.load() ? CannotWrite() : absl::OkStatus();
}

absl::Status Database::Reopen() {
  if (!write_failed_.load()) return absl::OkStatus();
  {
    std::unique_lock lock(mu_);
    CloseEngine();
    RETURN_IF_ERROR(OpenEngine());
  }
  write_failed_.store(false);
  rocksdb::WriteBatch probe;
  probe.Put("probe", "");
  return Write(probe, /*synced=*/true);
}

bool Database::WriteStopped() const {
  // While it is opened again, others would have to wait.
  if (!Health().ok()) return true;
  absl::StatusOr<Handle> handle = Use();
  if (!handle.ok()) return true;
  uint64_t stopped = 0;
  (*handle)->GetIntProperty(rocksdb::DB::Properties::kIsWriteStopped, &stopped);
  return stopped != 0;
}

absl::Status ToStatus(const rocksdb::Status& status) {
  if (status.ok()) return absl::OkStatus();
  if (status.IsNotFound()) return absl::NotFoundError("no such key");
  if (status.IsCorruption()) {
    LOG_ERROR("storage", "a file is damaged", {{"error", status.ToString()}});
    return DamagedData();
  }
  LOG_WARNING_EVERY(absl::Seconds(1), "storage", "the store failed",
                    {{"error", status.ToString()}});
  return MakeError(reason::kStorageUnavailable, "the store cannot be used");
}

absl::Status DamagedData() {
  return MakeError(reason::kDataLoss, "what is stored is damaged");
}

std::string ShortHash(absl::string_view key) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  EVP_Digest(key.data(), key.size(), digest, nullptr, EVP_sha256(), nullptr);
  return absl::BytesToHexString(
      absl::string_view(reinterpret_cast<const char*>(digest), 8));
}

absl::Status DamagedDirectory(absl::string_view path, absl::string_view what) {
  return absl::DataLossError(absl::StrCat(
      path,
      " is damaged; restore it from a backup or move it away to start afresh: ",
      what));
}

void AppendBigEndian64(std::string& key, uint64_t value) {
  char bytes[8];
  absl::big_endian::Store64(bytes, value);
  key.append(bytes, sizeof(bytes));
}

void AppendSized(std::string& key, absl::string_view part) {
  key.push_back(static_cast<char>(part.size() >> 8));
  key.push_back(static_cast<char>(part.size()));
  key.append(part.data(), part.size());
}

uint64_t ReadBigEndian64(const char* bytes) {
  return absl::big_endian::Load64(bytes);
}

}  // namespace gateway::storage
