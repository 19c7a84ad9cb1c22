#include "services/metrics_collector/rocksdb_usage_ledger.h"

#include <absl/strings/str_cat.h>

#include <cstdint>
#include <map>
#include <optional>

#include "common/status/macros.h"
#include "common/storage/prefix_iterator.h"
#include "services/metrics_collector/rocksdb_keys.h"

namespace gateway::metrics_collector {
namespace {

// Rows a scan visits before it lets go of the database for a moment.
constexpr int kScanStep = 4096;

std::string AttemptKey(const v1::UsageRow& row) {
  std::string key = row.request_id();
  key.push_back('\0');
  storage::AppendBigEndian64(key, row.attempt());
  return key;
}

// nullopt: it is damaged.
std::optional<v1::UsageRow> Parse(const rocksdb::Slice& value) {
  std::optional<v1::UsageRow> row(std::in_place);
  if (!row->ParseFromArray(value.data(), static_cast<int>(value.size()))) {
    row.reset();
  }
  return row;
}

// Of a row by its key, for people.
std::string IdOf(absl::string_view key) {
  constexpr size_t kNumber = 8;
  if (key.size() <= 2 * kNumber) return PositionOf(key);
  const size_t attempt = key.size() - kNumber;
  return absl::StrCat(key.substr(kNumber, attempt - kNumber - 1), "/",
                      storage::ReadBigEndian64(key.data() + attempt));
}

// What a row takes, with its place in the index.
int64_t BytesOf(absl::string_view attempt, size_t row_bytes) {
  return static_cast<int64_t>(2 * (attempt.size() + 8) + row_bytes);
}

// The stored row of an attempt, and its key; nullopt if there is none.
struct Known {
  std::string key;
  int64_t bytes = 0;                // of the row; 0: they cannot be read
  std::optional<v1::UsageRow> row;  // nullopt: it is damaged
};

// `unread` gets the attempt if the index cannot be read there: it is as good as
// unknown, and its row, if there is one, has the key of one that comes again.
absl::StatusOr<std::optional<Known>> Find(const storage::Database::Handle& db,
                                          const std::string& attempt,
                                          Damages& unread) {
  const absl::StatusOr<std::optional<std::string>> time =
      db.Get(kUsageIndexFamily, attempt);
  if (absl::IsDataLoss(time.status()) ||
      (time.ok() && time->has_value() && (*time)->size() != 8)) {
    unread.Add(IdOf(TimeKey(0) + attempt));
    return std::nullopt;
  }
  RETURN_IF_ERROR(time.status());
  if (!time->has_value()) return std::nullopt;
  Known known{.key = **time + attempt};
  const absl::StatusOr<std::optional<std::string>> value =
      db.Get(kUsageFamily, known.key);
  // Its row was deleted unread.
  if (value.ok() && !value->has_value()) return std::nullopt;
  if (!value.ok() && !absl::IsDataLoss(value.status())) return value.status();
  if (value.ok()) {
    known.row = Parse(**value);
    known.bytes = BytesOf(attempt, (*value)->size());
  }
  return known;
}

}  // namespace

absl::StatusOr<UsageLedger::Appended> RocksdbUsageLedger::Append(
    std::span<const v1::UsageRow> rows) {
  Appended appended;
  Damages damages(database_, "usage row");
  Damages unread(database_, "usage index");
  MutexLock lock(append_mu_);
  // Rows of this call that are to be stored, by attempt: a later one of the
  // same attempt counts as a duplicate too.
  std::map<std::string, const v1::UsageRow*> fresh;
  RETURN_IF_ERROR(LoadSizes());
  RocksdbSizes::BySlice change;
  rocksdb::WriteBatch batch;
  for (const v1::UsageRow& row : rows) {
    const std::string attempt = AttemptKey(row);
    const auto earlier = fresh.find(attempt);
    if (earlier != fresh.end() && !Supersedes(row, *earlier->second)) {
      ++appended.duplicates;
      continue;
    }
    ASSIGN_OR_RETURN(const auto handle, database_->Use());
    ASSIGN_OR_RETURN(const std::optional<Known> known,
                     Find(handle, attempt, unread));
    if (known && known->row && !Supersedes(row, *known->row)) {
      ++appended.duplicates;
      continue;
    }
    if (known && !known->row) damages.Add(IdOf(known->key));
    if (known && earlier == fresh.end()) {
      batch.Delete(handle.family(kUsageFamily), known->key);
      change[sizes_.SliceOf(storage::ReadBigEndian64(known->key.data()))] -=
          known->bytes;
    }
    if (earlier != fresh.end()) {
      change[sizes_.SliceOf(MicrosOf(earlier->second->start_time()))] -=
          BytesOf(attempt, earlier->second->ByteSizeLong());
      batch.Delete(handle.family(kUsageFamily),
                   TimeKey(MicrosOf(earlier->second->start_time())) + attempt);
      ++appended.duplicates;
      --appended.stored;
    }
    fresh[attempt] = &row;
    const std::string time = TimeKey(MicrosOf(row.start_time()));
    batch.Put(handle.family(kUsageFamily), time + attempt,
              row.SerializeAsString());
    batch.Put(handle.family(kUsageIndexFamily), attempt, time);
    change[sizes_.SliceOf(MicrosOf(row.start_time()))] +=
        BytesOf(attempt, row.ByteSizeLong());
    ++appended.stored;
  }
  if (appended.stored > 0) {
    {
      ASSIGN_OR_RETURN(const auto handle, database_->Use());
      sizes_.AddChange(handle, change, batch);
    }
    RETURN_IF_ERROR(database_->Write(batch, /*synced=*/true));
    sizes_.Apply(change);
  }
  return appended;
}

absl::Status RocksdbUsageLedger::Scan(const UsageScan& scan,
                                      const Visitor& visit) const {
  Damages damages(database_, "usage row");
  if (!scan.request_id.empty()) return ScanRequest(scan, visit, damages);
  std::string from = TimeKey(MicrosOf(scan.start));
  if (!scan.after.empty()) {
    ASSIGN_OR_RETURN(const std::string after, KeyOf(scan.after));
    from = std::max(from, after + '\0');
  }
  const std::string to = TimeKey(MicrosOf(scan.end));
  for (bool more = true; more;) {
    ASSIGN_OR_RETURN(more, ScanSome(from, to, visit, damages));
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> RocksdbUsageLedger::ScanSome(std::string& from,
                                                  const std::string& to,
                                                  const Visitor& visit,
                                                  Damages& damages) const {
  ASSIGN_OR_RETURN(const auto handle, database_->Use());
  std::unique_ptr<rocksdb::Iterator> it(
      handle->NewIterator({}, handle.family(kUsageFamily)));
  int seen = 0;
  for (it->Seek(from); it->Valid() && it->key().compare(to) < 0; it->Next()) {
    if (seen++ == kScanStep) {
      from = it->key().ToString();
      return true;
    }
    const absl::string_view key(it->key().data(), it->key().size());
    const std::optional<v1::UsageRow> row = Parse(it->value());
    if (!row) damages.Add(IdOf(key));
    ASSIGN_OR_RETURN(const bool go_on,
                     visit(PositionOf(key), row ? &*row : nullptr));
    if (!go_on) return false;
  }
  RETURN_IF_ERROR(storage::ToStatus(it->status()));
  return false;
}

absl::Status RocksdbUsageLedger::ScanRequest(const UsageScan& scan,
                                             const Visitor& visit,
                                             Damages& damages) const {
  std::string after;
  if (!scan.after.empty()) {
    ASSIGN_OR_RETURN(after, KeyOf(scan.after));
  }
  Damages unread(database_, "usage index");
  std::vector<std::string> attempts;
  {
    ASSIGN_OR_RETURN(const auto handle, database_->Use());
    std::unique_ptr<rocksdb::Iterator> it(
        handle->NewIterator({}, handle.family(kUsageIndexFamily)));
    const std::string prefix = scan.request_id + '\0';
    for (it->Seek(prefix); it->Valid() && it->key().starts_with(prefix);
         it->Next()) {
      attempts.push_back(it->key().ToString());
    }
    RETURN_IF_ERROR(storage::ToStatus(it->status()));
  }
  for (const std::string& attempt : attempts) {
    std::optional<Known> known;
    {
      ASSIGN_OR_RETURN(const auto handle, database_->Use());
      ASSIGN_OR_RETURN(known, Find(handle, attempt, unread));
    }
    if (!known || known->key <= after) continue;
    const uint64_t start = storage::ReadBigEndian64(known->key.data());
    if (start < MicrosOf(scan.start) || start >= MicrosOf(scan.end)) continue;
    if (!known->row) damages.Add(IdOf(known->key));
    ASSIGN_OR_RETURN(
        const bool go_on,
        visit(PositionOf(known->key), known->row ? &*known->row : nullptr));
    if (!go_on) break;
  }
  return absl::OkStatus();
}

absl::Status RocksdbUsageLedger::LoadSizes() {
  if (loaded_) return absl::OkStatus();
  bool count = false;
  {
    ASSIGN_OR_RETURN(const auto handle, database_->Use());
    const absl::Status read = sizes_.Load(handle);
    if (!read.ok() && !absl::IsDataLoss(read)) return read;
    if (!read.ok()) (void)database_->NoteDamage("usage sizes", "all");
    count = !read.ok() || sizes_.empty();
  }
  if (count) RETURN_IF_ERROR(CountRows());
  loaded_ = true;
  return absl::OkStatus();
}

absl::Status RocksdbUsageLedger::CountRows() {
  RocksdbSizes::BySlice counted;
  rocksdb::WriteBatch batch;
  {
    ASSIGN_OR_RETURN(const auto handle, database_->Use());
    storage::PrefixIterator it(handle, kUsageFamily, "");
    for (it.SeekToFirst(); it.Valid(); it.Next()) {
      const absl::string_view attempt = it.rest().substr(8);
      counted[sizes_.SliceOf(storage::ReadBigEndian64(it.key().data()))] +=
          BytesOf(attempt, it.value().size());
    }
    const absl::Status read = it.status();
    if (!read.ok() && !absl::IsDataLoss(read)) return read;
    sizes_.AddRemoval(handle, UINT64_MAX, batch);
    sizes_.Forget(UINT64_MAX);
    if (counted.empty()) return absl::OkStatus();
    sizes_.AddChange(handle, counted, batch);
  }
  RETURN_IF_ERROR(database_->Write(batch, /*synced=*/false));
  sizes_.Apply(counted);
  return absl::OkStatus();
}

int64_t RocksdbUsageLedger::StoredBytes() const {
  MutexLock lock(append_mu_);
  return sizes_.total();
}

void RocksdbUsageLedger::Reload() {
  MutexLock lock(append_mu_);
  loaded_ = false;
}

absl::StatusOr<int64_t> RocksdbUsageLedger::Sweep(const UsageLimits& limits) {
  // Whole slices, so that the stored sizes stay true.
  uint64_t by_age = 0, by_size = 0;
  bool aged = false;
  {
    MutexLock lock(append_mu_);
    RETURN_IF_ERROR(LoadSizes());
    by_age = sizes_.StartOf(MicrosOf(limits.rows_before));
    by_size = sizes_.CutFor(limits.max_bytes);
    aged = sizes_.AnyBefore(by_age);
  }
  if (aged) RETURN_IF_ERROR(DeleteBefore(by_age).status());
  const bool large = by_size > by_age;
  {
    MutexLock lock(append_mu_);
    if (!large || !sizes_.AnyBefore(by_size)) return 0;
  }
  return DeleteBefore(by_size);
}

absl::StatusOr<int64_t> RocksdbUsageLedger::DeleteBefore(uint64_t micros) {
  constexpr int kStep = 1000;
  const std::string to = TimeKey(micros);
  int64_t deleted = 0;
  std::string from;
  for (bool more = true; more;) {
    rocksdb::WriteBatch batch;
    {
      ASSIGN_OR_RETURN(const auto handle, database_->Use());
      storage::PrefixIterator it(handle, kUsageFamily, "");
      int step = 0;
      for (it.Seek(from);
           step < kStep && it.Valid() && it.key().compare(to) < 0;
           it.Next(), ++step) {
        rocksdb::Slice attempt = it.key();
        attempt.remove_prefix(8);
        batch.Delete(handle.family(kUsageIndexFamily), attempt);
        from = it.key().ToString() + '\0';
      }
      const absl::Status read = it.status();
      if (!read.ok() && !absl::IsDataLoss(read)) return read;
      // What cannot be read goes unread. What the index has of it leads
      // nowhere.
      if (!read.ok())
        (void)database_->NoteDamage("usage rows", "past their time");
      more = step == kStep && read.ok();
      deleted += step;
    }
    if (batch.Count() > 0) {
      RETURN_IF_ERROR(database_->Write(batch, /*synced=*/false));
    }
  }
  MutexLock lock(append_mu_);
  rocksdb::WriteBatch batch;
  {
    ASSIGN_OR_RETURN(const auto handle, database_->Use());
    batch.DeleteRange(handle.family(kUsageFamily), "", to);
    sizes_.AddRemoval(handle, micros, batch);
  }
  RETURN_IF_ERROR(database_->Write(batch, /*synced=*/false));
  sizes_.Forget(micros);
  return deleted;
}

}  // namespace gateway::metrics_collector
