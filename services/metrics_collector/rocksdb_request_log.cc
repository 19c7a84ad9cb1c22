#include "services/metrics_collector/rocksdb_request_log.h"

#include <algorithm>

#include "common/status/macros.h"
#include "common/storage/prefix_iterator.h"
#include "services/metrics_collector/rocksdb_keys.h"

namespace gateway::metrics_collector {
namespace {

// Records a scan visits before it lets go of the database for a moment.
constexpr int kScanStep = 4096;

std::string BeatKey(const std::string& instance_id) {
  return "s" + instance_id;
}

std::string RecordKey(const v1::RequestRecord& record) {
  return TimeKey(MicrosOf(record.start_time())) + record.request_id();
}

// Where an iterator stands.
class StoredRecord final : public RequestLog::Entry {
 public:
  StoredRecord(const storage::Database::Handle& handle,
               const rocksdb::Iterator* at, Damages& damages)
      : handle_(handle), at_(at), damages_(damages) {}

  std::string Position() const override { return PositionOf(key()); }
  absl::string_view request_id() const override { return key().substr(8); }

  absl::StatusOr<v1::RequestRecord> Record() const override {
    v1::RequestRecord record;
    const rocksdb::Slice value = at_->value();
    if (!record.ParseFromArray(value.data(), static_cast<int>(value.size()))) {
      return Damaged();
    }
    return record;
  }

  absl::Status AddContents(v1::RequestRecord& record) const override {
    std::string contents;
    const rocksdb::Status found = handle_->Get(
        {}, handle_.family(kContentsFamily), at_->key(), &contents);
    if (found.IsNotFound()) return absl::OkStatus();
    const absl::Status read = storage::ToStatus(found);
    v1::RequestRecord stored;
    if (absl::IsDataLoss(read) || !stored.ParseFromString(contents)) {
      return Damaged();
    }
    RETURN_IF_ERROR(read);
    record.MergeFrom(stored);
    return absl::OkStatus();
  }

 private:
  absl::string_view key() const {
    return {at_->key().data(), at_->key().size()};
  }
  absl::Status Damaged() const {
    damages_.Add(std::string(request_id()));
    return storage::DamagedData();
  }

  const storage::Database::Handle& handle_;
  const rocksdb::Iterator* const at_;
  Damages& damages_;
};

// Moves the contents out, so that each family has its own retention.
v1::RequestRecord TakeContents(v1::RequestRecord& record) {
  v1::RequestRecord contents;
  contents.set_allocated_request_content(record.release_request_content());
  contents.set_allocated_answer_content(record.release_answer_content());
  return contents;
}

}  // namespace

absl::StatusOr<std::unique_ptr<RocksdbRequestLog>> RocksdbRequestLog::Open(
    storage::Database* database) {
  auto log =
      std::unique_ptr<RocksdbRequestLog>(new RocksdbRequestLog(database));
  RETURN_IF_ERROR(log->Reload());
  return log;
}

absl::Status RocksdbRequestLog::Reload() {
  MutexLock lock(mu_);
  ASSIGN_OR_RETURN(const auto handle, database_->Use());
  return sizes_.Load(handle);
}

absl::Status RocksdbRequestLog::Append(std::vector<v1::RequestRecord> records) {
  rocksdb::WriteBatch batch;
  MutexLock lock(mu_);
  RocksdbSizes::BySlice grown;
  {
    ASSIGN_OR_RETURN(const auto handle, database_->Use());
    for (v1::RequestRecord& record : records) {
      const v1::RequestRecord contents = TakeContents(record);
      const std::string key = RecordKey(record);
      const std::string value = record.SerializeAsString();
      int64_t bytes = key.size() + value.size();
      batch.Put(handle.family(kRequestsFamily), key, value);
      if (contents.ByteSizeLong() > 0) {
        batch.Put(handle.family(kContentsFamily), key,
                  contents.SerializeAsString());
        bytes += key.size() + contents.ByteSizeLong();
      }
      grown[sizes_.SliceOf(MicrosOf(record.start_time()))] += bytes;
    }
    sizes_.AddChange(handle, grown, batch);
  }
  RETURN_IF_ERROR(database_->Write(batch, /*synced=*/false));
  sizes_.Apply(grown);
  return absl::OkStatus();
}

absl::Status RocksdbRequestLog::Scan(const RequestScan& scan,
                                     const Visitor& visit) const {
  std::string before = TimeKey(MicrosOf(scan.end));
  if (!scan.after.empty()) {
    ASSIGN_OR_RETURN(const std::string after, KeyOf(scan.after));
    before = std::min(before, after);
  }
  const std::string from = TimeKey(MicrosOf(scan.start));
  Damages damages(database_, "request record");
  for (bool more = true; more;) {
    ASSIGN_OR_RETURN(more, ScanSome(before, from, visit, damages));
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> RocksdbRequestLog::ScanSome(std::string& before,
                                                 const std::string& from,
                                                 const Visitor& visit,
                                                 Damages& damages) const {
  ASSIGN_OR_RETURN(const auto handle, database_->Use());
  std::unique_ptr<rocksdb::Iterator> it(
      handle->NewIterator({}, handle.family(kRequestsFamily)));
  it->SeekForPrev(before);
  // `before` itself is excluded.
  if (it->Valid() && it->key() == rocksdb::Slice(before)) it->Prev();
  const StoredRecord record(handle, it.get(), damages);
  for (int seen = 0; it->Valid() && it->key().compare(from) >= 0; it->Prev()) {
    if (seen++ == kScanStep) {
      // The successor of the key, which is not excluded thereby.
      before = it->key().ToString() + '\0';
      return true;
    }
    ASSIGN_OR_RETURN(const bool go_on, visit(record));
    if (!go_on) return false;
  }
  RETURN_IF_ERROR(storage::ToStatus(it->status()));
  return false;
}

absl::Status RocksdbRequestLog::Sweep(const RequestLogLimits& limits) {
  // Each is tried, whatever becomes of the other.
  absl::Status swept = DeleteRecords(limits);
  swept.Update(DeleteContentsBefore(MicrosOf(limits.contents_before)));
  return swept;
}

absl::Status RocksdbRequestLog::DeleteRecords(const RequestLogLimits& limits) {
  MutexLock lock(mu_);
  // Whole minutes, so that the stored sizes stay true.
  const uint64_t micros =
      std::max(sizes_.StartOf(MicrosOf(limits.records_before)),
               sizes_.CutFor(limits.max_bytes));
  if (!sizes_.AnyBefore(micros)) return absl::OkStatus();
  rocksdb::WriteBatch batch;
  {
    ASSIGN_OR_RETURN(const auto handle, database_->Use());
    const std::string to = TimeKey(micros);
    batch.DeleteRange(handle.family(kRequestsFamily), "", to);
    batch.DeleteRange(handle.family(kContentsFamily), "", to);
    sizes_.AddRemoval(handle, micros, batch);
  }
  RETURN_IF_ERROR(database_->Write(batch, /*synced=*/false));
  sizes_.Forget(micros);
  return absl::OkStatus();
}

absl::Status RocksdbRequestLog::DeleteContentsBefore(uint64_t micros) {
  rocksdb::WriteBatch batch;
  {
    ASSIGN_OR_RETURN(const auto handle, database_->Use());
    const std::string to = TimeKey(micros);
    storage::PrefixIterator it(handle, kContentsFamily, "");
    it.SeekToFirst();
    // What cannot be read is deleted unread, if it is old enough.
    if (!absl::IsDataLoss(it.status())) {
      RETURN_IF_ERROR(it.status());
      if (!it.Valid() || it.key().compare(to) >= 0) return absl::OkStatus();
    }
    batch.DeleteRange(handle.family(kContentsFamily), "", to);
  }
  return database_->Write(batch, /*synced=*/false);
}

int64_t RocksdbRequestLog::StoredBytes() const {
  MutexLock lock(mu_);
  return sizes_.total();
}

absl::Status RocksdbRequestLog::SaveBeat(const v1::Beat& beat) {
  rocksdb::WriteBatch batch;
  {
    ASSIGN_OR_RETURN(const auto handle, database_->Use());
    batch.Put(handle.family(kMetaFamily), BeatKey(beat.instance_id()),
              beat.SerializeAsString());
  }
  return database_->Write(batch, /*synced=*/false);
}

absl::Status RocksdbRequestLog::ForgetBeat(const std::string& instance_id) {
  rocksdb::WriteBatch batch;
  {
    ASSIGN_OR_RETURN(const auto handle, database_->Use());
    batch.Delete(handle.family(kMetaFamily), BeatKey(instance_id));
  }
  return database_->Write(batch, /*synced=*/false);
}

absl::StatusOr<std::vector<v1::Beat>> RocksdbRequestLog::LoadBeats() const {
  std::vector<v1::Beat> beats;
  ASSIGN_OR_RETURN(const auto handle, database_->Use());
  storage::PrefixIterator it(handle, kMetaFamily, "s");
  for (it.SeekToFirst(); it.Valid(); it.Next()) {
    v1::Beat beat;
    if (!beat.ParseFromArray(it.value().data(),
                             static_cast<int>(it.value().size()))) {
      // Of its requests those are known whose records come.
      (void)database_->NoteDamage("beat", it.rest());
      continue;
    }
    beats.push_back(std::move(beat));
  }
  RETURN_IF_ERROR(it.status());
  return beats;
}

}  // namespace gateway::metrics_collector
