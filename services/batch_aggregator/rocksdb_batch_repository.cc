#include "services/batch_aggregator/rocksdb_batch_repository.h"

#include <absl/cleanup/cleanup.h>
#include <absl/strings/str_cat.h>
#include <rocksdb/write_batch.h>

#include <algorithm>
#include <map>
#include <utility>

#include "common/status/error.h"
#include "common/status/macros.h"
#include "common/storage/prefix_iterator.h"
#include "services/batch_aggregator/batch_tally.h"

namespace gateway::batch_aggregator {
namespace {

using storage::AppendBigEndian64;
using storage::AppendSized;
using storage::PrefixIterator;
using storage::ReadBigEndian64;

// The column families, in the order in which they are named at Open.
enum Family : size_t { kBatches, kItems, kPending, kResults, kMeta };

constexpr char kFormat[] = "1";
constexpr char kLastNumberKey[] = "last";
constexpr char kIdempotencyPrefix = 'i';
constexpr char kFlushPrefix = 'F';
constexpr char kExpiryPrefix = 'x';

std::string TenantPrefix(const std::string& tenant) {
  std::string key;
  AppendSized(key, tenant);
  return key;
}

std::string BatchKey(const std::string& tenant, uint64_t number) {
  std::string key = TenantPrefix(tenant);
  AppendBigEndian64(key, number);
  return key;
}

std::string NumberKey(uint64_t number) {
  std::string key;
  AppendBigEndian64(key, number);
  return key;
}

std::string ItemKeyOf(const ItemRef& ref) {
  std::string key = NumberKey(ref.batch);
  AppendBigEndian64(key, ref.index);
  return key;
}

std::string ResultKey(uint64_t number, uint64_t sequence) {
  std::string key = NumberKey(number);
  AppendBigEndian64(key, sequence);
  return key;
}

std::string IdempotencyKey(const std::string& tenant,
                           const std::string& idempotency_key) {
  std::string key(1, kIdempotencyPrefix);
  AppendSized(key, tenant);
  key.append(idempotency_key);
  return key;
}

std::string FlushKey(uint64_t flush) {
  std::string key(1, kFlushPrefix);
  AppendBigEndian64(key, flush);
  return key;
}

std::string ExpiryKey(int64_t expire_time_us, uint64_t number) {
  std::string key(1, kExpiryPrefix);
  AppendBigEndian64(key, static_cast<uint64_t>(expire_time_us));
  AppendBigEndian64(key, number);
  return key;
}

uint64_t LastNumberIn(const rocksdb::Slice& key) {
  return ReadBigEndian64(key.data() + key.size() - 8);
}

absl::Status BatchNotFound() {
  return MakeError(reason::kBatchNotFound, "there is no such batch");
}

// Calls `visit` with each entry that begins with `prefix`, from `from` on,
// until it returns false.
template <class Visit>
absl::Status Scan(const storage::Database& database, size_t family,
                  const std::string& prefix, const std::string& from,
                  Visit visit) {
  ASSIGN_OR_RETURN(const storage::Database::Handle db, database.Use());
  PrefixIterator it(db, family, prefix);
  for (it.Seek(from); it.Valid(); it.Next()) {
    if (!visit(it.key(), it.value())) break;
  }
  return it.status();
}

bool Parse(const rocksdb::Slice& value, google::protobuf::MessageLite* to) {
  return to->ParseFromArray(value.data(), static_cast<int>(value.size()));
}

}  // namespace

absl::StatusOr<std::unique_ptr<RocksDbBatchRepository>>
RocksDbBatchRepository::Open(const RocksDbBatchRepositoryOptions& options) {
  std::unique_ptr<RocksDbBatchRepository> repository(
      new RocksDbBatchRepository(options));
  ASSIGN_OR_RETURN(repository->database_,
                   storage::Database::Open(
                       {.path = options.path,
                        .column_families = {"batches", "items", "pending",
                                            "results", "meta"},
                        .memory_bytes = options.memory_bytes,
                        .env = options.env}));
  RETURN_IF_ERROR(
      repository->database_->CheckFormat(kMeta, kFormat, "batches"));
  absl::Status loaded = repository->LoadBatches();
  if (loaded.ok()) loaded = repository->LoadFlushes();
  if (absl::IsDataLoss(loaded)) {
    return storage::DamagedDirectory(options.path,
                                     "its batches cannot be listed");
  }
  RETURN_IF_ERROR(loaded);
  return repository;
}

absl::Status RocksDbBatchRepository::LoadBatches() {
  std::set<uint64_t> known;
  ASSIGN_OR_RETURN(const std::optional<std::string> last,
                   database_->Get(kMeta, kLastNumberKey));
  {
    MutexLock lock(mu_);
    if (last.has_value()) next_number_ = ReadBigEndian64(last->data()) + 1;
  }
  RETURN_IF_ERROR(
      Scan(*database_, kBatches, "", "",
           [&](const rocksdb::Slice& key, const rocksdb::Slice& value) {
             stored::v1::Batch batch;
             const uint64_t number = LastNumberIn(key);
             known.insert(number);
             const bool damaged = !Parse(value, &batch);
             if (damaged) {
               (void)database_->NoteDamage("batch", BatchIdPrefix(number));
             }
             MutexLock lock(mu_);
             next_number_ = std::max(next_number_, number + 1);
             if (!damaged && !HasEnded(batch)) {
               open_.emplace(number, batch.account().tenant());
               ++open_by_tenant_[batch.account().tenant()];
             }
             return true;
           }));
  return DropOrphans(known);
}

absl::Status RocksDbBatchRepository::DropOrphans(
    const std::set<uint64_t>& known) {
  // From the first orphan of each gap between the batches to its last.
  std::vector<std::pair<uint64_t, uint64_t>> orphans;
  {
    ASSIGN_OR_RETURN(const storage::Database::Handle db, database_->Use());
    PrefixIterator it(db, kPending, "");
    uint64_t first = 0;
    const auto look = [&](uint64_t end) -> absl::Status {
      it.Seek(NumberKey(first));
      const absl::Status status = it.status();
      // What cannot be read may be one.
      const bool any = absl::IsDataLoss(status) ||
                       (it.Valid() && ReadBigEndian64(it.key().data()) < end);
      if (any && first < end) orphans.emplace_back(first, end);
      first = end + 1;
      return absl::IsDataLoss(status) ? absl::OkStatus() : status;
    };
    for (const uint64_t number : known) RETURN_IF_ERROR(look(number));
    RETURN_IF_ERROR(look(UINT64_MAX));
  }
  for (const auto& [first, end] : orphans) {
    RETURN_IF_ERROR(DiscardRange(first, end));
  }
  return absl::OkStatus();
}

absl::Status RocksDbBatchRepository::LoadFlushes() {
  const std::string prefix(1, kFlushPrefix);
  std::vector<std::pair<uint64_t, stored::v1::Flush>> stored;
  RETURN_IF_ERROR(
      Scan(*database_, kMeta, prefix, prefix,
           [&](const rocksdb::Slice& key, const rocksdb::Slice& value) {
             stored::v1::Flush flush;
             const uint64_t number = LastNumberIn(key);
             // Without it its items wait for another one.
             if (!Parse(value, &flush)) {
               (void)database_->NoteDamage("flush", std::to_string(number));
               flush.Clear();
             }
             stored.emplace_back(number, std::move(flush));
             return true;
           }));
  rocksdb::WriteBatch done;
  MutexLock lock(write_mu_);
  for (const auto& [number, flush] : stored) {
    next_flush_ = std::max(next_flush_, number + 1);
    for (const stored::v1::FlushItem& item : flush.items()) {
      const ItemRef ref{item.batch(), item.index()};
      ASSIGN_OR_RETURN(const bool pending, IsPending(ref));
      // It goes out with the first flush that names it.
      if (!pending || !flush_of_.emplace(ref, number).second) continue;
      ++flushes_[number];
    }
    if (flushes_.contains(number)) continue;
    ASSIGN_OR_RETURN(const storage::Database::Handle db, database_->Use());
    done.Delete(db.family(kMeta), FlushKey(number));
  }
  return database_->Write(done, /*synced=*/false);
}

template <class Message>
absl::StatusOr<std::optional<Message>> RocksDbBatchRepository::GetMessage(
    size_t family, const std::string& key) const {
  ASSIGN_OR_RETURN(const std::optional<std::string> value,
                   database_->Get(family, key));
  if (!value.has_value()) return std::optional<Message>();
  Message message;
  if (!message.ParseFromString(*value)) return storage::DamagedData();
  return std::optional<Message>(std::move(message));
}

absl::StatusOr<std::optional<stored::v1::Batch>> RocksDbBatchRepository::Load(
    const std::string& tenant, uint64_t number, absl::Time now) const {
  {
    MutexLock lock(mu_);
    if (doubtful_.contains(number)) return std::optional<stored::v1::Batch>();
  }
  ASSIGN_OR_RETURN(
      std::optional<stored::v1::Batch> batch,
      GetMessage<stored::v1::Batch>(kBatches, BatchKey(tenant, number)));
  if (batch.has_value() && HasExpired(*batch, now)) batch.reset();
  return batch;
}

uint64_t RocksDbBatchRepository::Reserve() {
  MutexLock lock(mu_);
  return next_number_++;
}

absl::Status RocksDbBatchRepository::Stage(
    uint64_t number, uint32_t first_index,
    const std::vector<StagedItem>& items) {
  rocksdb::WriteBatch batch;
  {
    ASSIGN_OR_RETURN(const storage::Database::Handle db, database_->Use());
    uint32_t index = first_index;
    for (const StagedItem& item : items) {
      const std::string key = ItemKeyOf({number, index++});
      batch.Put(db.family(kItems), key, item.item.SerializeAsString());
      batch.Put(db.family(kPending), key, item.pending.SerializeAsString());
    }
  }
  return database_->Write(batch, /*synced=*/false);
}

absl::Status RocksDbBatchRepository::Discard(uint64_t number) {
  return DiscardRange(number, number + 1);
}

absl::Status RocksDbBatchRepository::DiscardRange(uint64_t first,
                                                  uint64_t end) {
  rocksdb::WriteBatch batch;
  {
    ASSIGN_OR_RETURN(const storage::Database::Handle db, database_->Use());
    for (const Family family : {kItems, kPending}) {
      batch.DeleteRange(db.family(family), NumberKey(first), NumberKey(end));
    }
  }
  return database_->Write(batch, /*synced=*/false);
}

absl::StatusOr<CommittedBatch> RocksDbBatchRepository::Commit(
    uint64_t number, const stored::v1::Batch& batch, int64_t max_open_batches,
    absl::Time now) {
  RETURN_IF_ERROR(TakeBackDoubtful());
  const std::string& tenant = batch.account().tenant();
  if (batch.idempotency_key().empty()) {
    return CommitOnce(number, batch, max_open_batches);
  }
  // Of calls with the same key, each waits until the one before has ended.
  const std::string key = IdempotencyKey(tenant, batch.idempotency_key());
  {
    MutexLock lock(mu_);
    while (!committing_.insert(key).second) commit_ended_.Wait(mu_);
  }
  const absl::Cleanup ended = [&] {
    MutexLock lock(mu_);
    committing_.erase(key);
    commit_ended_.NotifyAll();
  };
  ASSIGN_OR_RETURN(std::optional<stored::v1::Batch> before,
                   FindByKey(tenant, batch.idempotency_key(), now));
  if (before.has_value()) {
    RETURN_IF_ERROR(Discard(number));
    return CommittedBatch{*std::move(before), false};
  }
  return CommitOnce(number, batch, max_open_batches);
}

absl::StatusOr<CommittedBatch> RocksDbBatchRepository::CommitOnce(
    uint64_t number, const stored::v1::Batch& batch, int64_t max_open_batches) {
  const std::string& tenant = batch.account().tenant();
  {
    MutexLock lock(mu_);
    int64_t& open = open_by_tenant_[tenant];
    if (open >= max_open_batches) {
      return MakeError(reason::kBatchLimit,
                       absl::StrCat("the tenant has ", open,
                                    " open batches, at most ", max_open_batches,
                                    " are allowed"))
          .Build();
    }
    ++open;
    open_.emplace(number, tenant);
  }
  const absl::Status written = WriteCommit(number, batch);
  if (written.ok()) return CommittedBatch{batch, true};
  Close(number);
  MutexLock lock(mu_);
  doubtful_.emplace(number, tenant);
  return written;
}

absl::Status RocksDbBatchRepository::WriteCommit(
    uint64_t number, const stored::v1::Batch& batch) {
  rocksdb::WriteBatch write;
  const std::string& tenant = batch.account().tenant();
  {
    ASSIGN_OR_RETURN(const storage::Database::Handle db, database_->Use());
    write.Put(db.family(kBatches), BatchKey(tenant, number),
              batch.SerializeAsString());
    write.Put(db.family(kMeta), kLastNumberKey, NumberKey(number));
    if (!batch.idempotency_key().empty()) {
      write.Put(db.family(kMeta),
                IdempotencyKey(tenant, batch.idempotency_key()),
                NumberKey(number));
    }
  }
  return database_->Write(write, /*synced=*/true);
}

void RocksDbBatchRepository::Close(uint64_t number) {
  MutexLock lock(mu_);
  const auto open = open_.find(number);
  if (open == open_.end()) return;
  const auto count = open_by_tenant_.find(open->second);
  if (--count->second == 0) open_by_tenant_.erase(count);
  open_.erase(open);
}

absl::Status RocksDbBatchRepository::TakeBackDoubtful() {
  absl::flat_hash_map<uint64_t, std::string> doubtful;
  {
    MutexLock lock(mu_);
    doubtful = doubtful_;
  }
  for (const auto& [number, tenant] : doubtful) {
    rocksdb::WriteBatch batch;
    RETURN_IF_ERROR(AddDeletion(tenant, number, batch));
    RETURN_IF_ERROR(database_->Write(batch, /*synced=*/true));
    MutexLock lock(mu_);
    doubtful_.erase(number);
  }
  return absl::OkStatus();
}

absl::Status RocksDbBatchRepository::Repair() {
  RETURN_IF_ERROR(database_->Reopen());
  return TakeBackDoubtful();
}

absl::StatusOr<std::optional<stored::v1::Batch>>
RocksDbBatchRepository::FindByKey(const std::string& tenant,
                                  const std::string& idempotency_key,
                                  absl::Time now) {
  if (idempotency_key.empty()) return std::optional<stored::v1::Batch>();
  ASSIGN_OR_RETURN(
      const std::optional<std::string> number,
      database_->Get(kMeta, IdempotencyKey(tenant, idempotency_key)));
  if (!number.has_value()) return std::optional<stored::v1::Batch>();
  return Load(tenant, ReadBigEndian64(number->data()), now);
}

absl::StatusOr<stored::v1::Batch> RocksDbBatchRepository::Find(
    const std::string& tenant, const std::string& batch_id, absl::Time now) {
  const std::optional<uint64_t> number = BatchNumber(batch_id);
  if (!number.has_value()) return BatchNotFound();
  ASSIGN_OR_RETURN(std::optional<stored::v1::Batch> batch,
                   Load(tenant, *number, now));
  if (!batch.has_value() || batch->batch_id() != batch_id) {
    return BatchNotFound();
  }
  return *std::move(batch);
}

absl::StatusOr<std::vector<stored::v1::Batch>> RocksDbBatchRepository::List(
    const std::string& tenant, const std::string& after, size_t limit,
    absl::Time now) {
  uint64_t before = UINT64_MAX;
  if (!after.empty()) {
    const std::optional<uint64_t> number = BatchNumber(after);
    if (!number.has_value()) {
      return InvalidParameter("page_token", "this is not a page token").Build();
    }
    before = *number;
  }
  absl::flat_hash_map<uint64_t, std::string> hidden;
  {
    MutexLock lock(mu_);
    hidden = doubtful_;
  }
  ASSIGN_OR_RETURN(const storage::Database::Handle db, database_->Use());
  PrefixIterator it(db, kBatches, TenantPrefix(tenant));
  std::vector<stored::v1::Batch> batches;
  for (it.SeekForPrev(BatchKey(tenant, before));
       it.Valid() && batches.size() < limit; it.Prev()) {
    const uint64_t number = LastNumberIn(it.key());
    if (number == before || hidden.contains(number)) continue;
    stored::v1::Batch batch;
    if (!Parse(it.value(), &batch)) {
      (void)database_->NoteDamage("batch", BatchIdPrefix(number));
      continue;
    }
    if (!HasExpired(batch, now)) batches.push_back(std::move(batch));
  }
  RETURN_IF_ERROR(it.status());
  return batches;
}

absl::StatusOr<BatchRepository::CancelledBatch>
RocksDbBatchRepository::BeginCancel(const std::string& tenant,
                                    const std::string& batch_id,
                                    absl::Time now) {
  MutexLock lock(write_mu_);
  ASSIGN_OR_RETURN(stored::v1::Batch batch, Find(tenant, batch_id, now));
  const uint64_t number = *BatchNumber(batch_id);
  if (!batch_aggregator::BeginCancel(batch))
    return CancelledBatch{number, batch};
  rocksdb::WriteBatch write;
  {
    ASSIGN_OR_RETURN(const storage::Database::Handle db, database_->Use());
    write.Put(db.family(kBatches), BatchKey(tenant, number),
              batch.SerializeAsString());
  }
  RETURN_IF_ERROR(database_->Write(write, /*synced=*/true));
  return CancelledBatch{number, batch};
}

absl::Status RocksDbBatchRepository::ItemDamaged(const ItemRef& ref) const {
  return database_->NoteDamage(
      "batch item", absl::StrCat(BatchIdPrefix(ref.batch), "/", ref.index));
}

absl::StatusOr<bool> RocksDbBatchRepository::IsPending(
    const ItemRef& ref) const {
  const absl::StatusOr<std::optional<std::string>> pending =
      database_->Get(kPending, ItemKeyOf(ref));
  // A result would have deleted it, and hidden what is damaged.
  if (absl::IsDataLoss(pending.status())) return true;
  if (!pending.ok()) return pending.status();
  return pending->has_value();
}

absl::StatusOr<stored::v1::Item> RocksDbBatchRepository::ReadItem(
    const ItemRef& ref) {
  absl::StatusOr<std::optional<stored::v1::Item>> item =
      GetMessage<stored::v1::Item>(kItems, ItemKeyOf(ref));
  if (absl::IsDataLoss(item.status())) return ItemDamaged(ref);
  if (!item.ok()) return item.status();
  if (item->has_value()) return **std::move(item);
  ASSIGN_OR_RETURN(const bool pending, IsPending(ref));
  if (pending) return ItemDamaged(ref);
  return absl::NotFoundError("the item has its result");
}

absl::StatusOr<std::string> RocksDbBatchRepository::ReadCustomId(
    const ItemRef& ref) {
  const absl::StatusOr<std::optional<stored::v1::PendingItem>> pending =
      GetMessage<stored::v1::PendingItem>(kPending, ItemKeyOf(ref));
  if (!pending.ok() && !absl::IsDataLoss(pending.status())) {
    return pending.status();
  }
  if (pending.ok() && pending->has_value() &&
      !(*pending)->custom_id().empty()) {
    return (*pending)->custom_id();
  }
  ASSIGN_OR_RETURN(const stored::v1::Item item, ReadItem(ref));
  return item.item().custom_id();
}

absl::StatusOr<std::vector<std::string>> RocksDbBatchRepository::RecordFlush(
    const QueueKey& queue, const std::string& planned_target,
    const std::vector<ItemRef>& items) {
  stored::v1::Flush flush;
  flush.set_tenant(queue.tenant);
  flush.set_model(queue.model);
  flush.set_planned_target(planned_target);
  std::vector<std::string> share_keys;
  MutexLock lock(write_mu_);
  for (const ItemRef& ref : items) {
    const absl::StatusOr<std::optional<stored::v1::PendingItem>> pending =
        GetMessage<stored::v1::PendingItem>(kPending, ItemKeyOf(ref));
    const bool damaged = absl::IsDataLoss(pending.status());
    if (!pending.ok() && !damaged) return pending.status();
    // A damaged one is sent by itself.
    const bool has_key = pending.ok() && pending->has_value();
    share_keys.push_back(has_key ? (*pending)->share_key() : "");
    if (!has_key && !damaged) continue;
    flush.add_items()->set_batch(ref.batch);
    flush.mutable_items()->rbegin()->set_index(ref.index);
  }
  if (flush.items().empty()) return share_keys;
  // If the write fails, what it may have left is overwritten by the next.
  const uint64_t number = next_flush_;
  rocksdb::WriteBatch write;
  {
    ASSIGN_OR_RETURN(const storage::Database::Handle db, database_->Use());
    write.Put(db.family(kMeta), FlushKey(number), flush.SerializeAsString());
  }
  RETURN_IF_ERROR(database_->Write(write, /*synced=*/true));
  ++next_flush_;
  flushes_[number] = flush.items_size();
  for (const stored::v1::FlushItem& item : flush.items()) {
    flush_of_[ItemRef{item.batch(), item.index()}] = number;
  }
  return share_keys;
}

struct RocksDbBatchRepository::Changes {
  struct Entry {
    std::string tenant;
    stored::v1::Batch batch;
    bool changed = false;
    bool damaged = false;
  };
  std::map<uint64_t, Entry> batches;
  absl::flat_hash_set<ItemRef> answered;
  std::vector<size_t> stored;
};

absl::Status RocksDbBatchRepository::AddChange(const NewResult& result,
                                               size_t place, absl::Time now,
                                               Changes& changes,
                                               rocksdb::WriteBatch& write) {
  const uint64_t number = result.ref.batch;
  auto entry = changes.batches.find(number);
  if (entry == changes.batches.end()) {
    std::string tenant;
    {
      MutexLock lock(mu_);
      const auto open = open_.find(number);
      if (open == open_.end()) return absl::OkStatus();
      tenant = open->second;
    }
    absl::StatusOr<std::optional<stored::v1::Batch>> batch =
        GetMessage<stored::v1::Batch>(kBatches, BatchKey(tenant, number));
    if (!batch.ok() && !absl::IsDataLoss(batch.status())) return batch.status();
    entry = changes.batches.emplace(number, Changes::Entry{tenant, {}}).first;
    if (batch.ok() && batch->has_value()) {
      entry->second.batch = **std::move(batch);
    } else {
      entry->second.damaged = true;
    }
  }
  if (entry->second.damaged) return absl::OkStatus();
  if (!changes.answered.insert(result.ref).second) return absl::OkStatus();
  ASSIGN_OR_RETURN(const bool pending, IsPending(result.ref));
  if (pending || doubtful_results_.contains(result.ref)) {
    changes.stored.push_back(place);
  }
  if (!pending) return absl::OkStatus();
  stored::v1::Batch& batch = entry->second.batch;
  entry->second.changed = true;
  ASSIGN_OR_RETURN(const storage::Database::Handle db, database_->Use());
  write.Delete(db.family(kPending), ItemKeyOf(result.ref));
  write.Delete(db.family(kItems), ItemKeyOf(result.ref));
  write.Put(db.family(kResults),
            ResultKey(number, static_cast<uint64_t>(Answered(batch)) + 1),
            result.result.SerializeAsString());
  AddResult(result.result, now, options_.retention, batch);
  return absl::OkStatus();
}

absl::StatusOr<BatchRepository::Appended> RocksDbBatchRepository::AppendResults(
    const std::vector<NewResult>& results, absl::Time now) {
  MutexLock lock(write_mu_);
  Changes changes;
  rocksdb::WriteBatch write;
  for (size_t i = 0; i < results.size(); ++i) {
    RETURN_IF_ERROR(AddChange(results[i], i, now, changes, write));
  }
  absl::flat_hash_map<uint64_t, size_t> answered_of_flush;
  for (const ItemRef& ref : changes.answered) {
    const auto flush = flush_of_.find(ref);
    if (flush != flush_of_.end()) ++answered_of_flush[flush->second];
  }
  {
    ASSIGN_OR_RETURN(const storage::Database::Handle db, database_->Use());
    for (const auto& [number, entry] : changes.batches) {
      if (!entry.changed) continue;
      write.Put(db.family(kBatches), BatchKey(entry.tenant, number),
                entry.batch.SerializeAsString());
      if (!HasEnded(entry.batch)) continue;
      write.Put(db.family(kMeta),
                ExpiryKey(entry.batch.expire_time_us(), number), entry.tenant);
    }
    for (const auto& [flush, answered] : answered_of_flush) {
      if (flushes_.at(flush) == answered) {
        write.Delete(db.family(kMeta), FlushKey(flush));
      }
    }
  }
  const absl::Status written = database_->Write(write, /*synced=*/true);
  if (!written.ok()) {
    for (const size_t place : changes.stored) {
      doubtful_results_.insert(results[place].ref);
    }
    return written;
  }
  for (const size_t place : changes.stored) {
    doubtful_results_.erase(results[place].ref);
  }
  for (const auto& [flush, answered] : answered_of_flush) {
    if ((flushes_.at(flush) -= answered) == 0) flushes_.erase(flush);
  }
  for (const ItemRef& ref : changes.answered) flush_of_.erase(ref);
  Appended appended{std::move(changes.stored), {}};
  for (const auto& [number, entry] : changes.batches) {
    if (entry.damaged) {
      (void)database_->NoteDamage("batch", BatchIdPrefix(number));
      appended.damaged.push_back(number);
    }
    if (entry.damaged || HasEnded(entry.batch)) Close(number);
  }
  return appended;
}

absl::StatusOr<ResultPage> RocksDbBatchRepository::ReadResults(
    const std::string& tenant, const std::string& batch_id, uint64_t after,
    int64_t max_bytes, absl::Time now) {
  ResultPage page;
  ASSIGN_OR_RETURN(page.batch, Find(tenant, batch_id, now));
  const uint64_t number = *BatchNumber(batch_id);
  int64_t bytes = 0;
  const auto add = [&](uint64_t sequence, const rocksdb::Slice* value) {
    StoredResult& result = page.results.emplace_back();
    result.sequence = sequence;
    if (value != nullptr && Parse(*value, &result.result)) return;
    result.result = FailedResult(
        "", database_->NoteDamage(
                "result", absl::StrCat(BatchIdPrefix(number), "/", sequence)));
  };
  const absl::Status scanned = Scan(
      *database_, kResults, NumberKey(number), ResultKey(number, after + 1),
      [&](const rocksdb::Slice& key, const rocksdb::Slice& value) {
        add(LastNumberIn(key), &value);
        bytes += static_cast<int64_t>(value.size());
        return bytes < max_bytes;
      });
  if (!scanned.ok() && !absl::IsDataLoss(scanned)) return scanned;
  // No way leads past what is damaged but from one number to the next.
  if (absl::IsDataLoss(scanned) && page.results.empty() &&
      after < static_cast<uint64_t>(Answered(page.batch))) {
    const absl::StatusOr<std::optional<std::string>> value =
        database_->Get(kResults, ResultKey(number, after + 1));
    if (!value.ok() && !absl::IsDataLoss(value.status())) return value.status();
    const bool has_value = value.ok() && value->has_value();
    const rocksdb::Slice slice = has_value ? rocksdb::Slice(**value) : "";
    add(after + 1, has_value ? &slice : nullptr);
  }
  return page;
}

absl::StatusOr<BatchRepository::Unfinished>
RocksDbBatchRepository::LoadUnfinished() {
  Unfinished unfinished;
  std::map<uint64_t, std::string> open;
  {
    MutexLock lock(mu_);
    open.insert(open_.begin(), open_.end());
  }
  for (const auto& [number, tenant] : open) {
    absl::StatusOr<std::optional<stored::v1::Batch>> batch =
        GetMessage<stored::v1::Batch>(kBatches, BatchKey(tenant, number));
    if (!batch.ok() && !absl::IsDataLoss(batch.status())) return batch.status();
    if (!batch.ok() || !batch->has_value()) {
      (void)database_->NoteDamage("batch", BatchIdPrefix(number));
      Close(number);
      continue;
    }
    OpenBatch loaded{number, **std::move(batch), {}};
    RETURN_IF_ERROR(LoadItems(loaded));
    unfinished.batches.push_back(std::move(loaded));
  }
  const std::string prefix(1, kFlushPrefix);
  RETURN_IF_ERROR(
      Scan(*database_, kMeta, prefix, prefix,
           [&](const rocksdb::Slice& key, const rocksdb::Slice& value) {
             stored::v1::Flush flush;
             if (Parse(value, &flush)) {
               unfinished.flushes.push_back(std::move(flush));
             }
             return true;
           }));
  return unfinished;
}

absl::Status RocksDbBatchRepository::LoadItems(OpenBatch& batch) const {
  const std::string prefix = NumberKey(batch.number);
  const absl::Status scanned =
      Scan(*database_, kPending, prefix, prefix,
           [&](const rocksdb::Slice& key, const rocksdb::Slice& value) {
             OpenBatch::Item& item = batch.items.emplace_back();
             item.index = static_cast<uint32_t>(LastNumberIn(key));
             item.damaged = !Parse(value, &item.pending);
             item.pending.clear_custom_id();
             return true;
           });
  if (absl::IsDataLoss(scanned)) RETURN_IF_ERROR(LoadItemsOneByOne(batch));
  if (!scanned.ok() && !absl::IsDataLoss(scanned)) return scanned;
  const auto models = static_cast<uint32_t>(batch.batch.models_size());
  for (OpenBatch::Item& item : batch.items) {
    if (item.pending.model() >= models) item.damaged = true;
    if (item.damaged) (void)ItemDamaged({batch.number, item.index});
  }
  return absl::OkStatus();
}

// A scan ends at what is damaged; a look at a single key does not.
absl::Status RocksDbBatchRepository::LoadItemsOneByOne(OpenBatch& batch) const {
  batch.items.clear();
  for (int64_t index = 0; index < batch.batch.total_items(); ++index) {
    const ItemRef ref{batch.number, static_cast<uint32_t>(index)};
    absl::StatusOr<std::optional<stored::v1::PendingItem>> pending =
        GetMessage<stored::v1::PendingItem>(kPending, ItemKeyOf(ref));
    const bool damaged = absl::IsDataLoss(pending.status());
    if (!pending.ok() && !damaged) return pending.status();
    if (!damaged && !pending->has_value()) continue;
    OpenBatch::Item& item = batch.items.emplace_back();
    item.index = ref.index;
    item.damaged = damaged;
    if (damaged) continue;
    item.pending = **std::move(pending);
    item.pending.clear_custom_id();
  }
  return absl::OkStatus();
}

absl::Status RocksDbBatchRepository::AddDeletion(
    const std::string& tenant, uint64_t number,
    rocksdb::WriteBatch& write) const {
  const absl::StatusOr<std::optional<stored::v1::Batch>> batch =
      GetMessage<stored::v1::Batch>(kBatches, BatchKey(tenant, number));
  // The key of a damaged batch stays, and leads nowhere.
  if (!batch.ok() && !absl::IsDataLoss(batch.status())) return batch.status();
  std::string key;
  if (batch.ok() && batch->has_value() &&
      !(*batch)->idempotency_key().empty()) {
    key = IdempotencyKey(tenant, (*batch)->idempotency_key());
    // A later batch may have the key by now.
    ASSIGN_OR_RETURN(const std::optional<std::string> owner,
                     database_->Get(kMeta, key));
    if (owner != NumberKey(number)) key.clear();
  }
  ASSIGN_OR_RETURN(const storage::Database::Handle db, database_->Use());
  if (!key.empty()) write.Delete(db.family(kMeta), key);
  write.Delete(db.family(kBatches), BatchKey(tenant, number));
  for (const Family family : {kItems, kPending, kResults}) {
    write.DeleteRange(db.family(family), NumberKey(number),
                      NumberKey(number + 1));
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> RocksDbBatchRepository::DeleteExpired(absl::Time now,
                                                           size_t limit) {
  struct Due {
    std::string key;
    std::string tenant;
  };
  std::vector<Due> due;
  const std::string prefix(1, kExpiryPrefix);
  const std::string end = ExpiryKey(absl::ToUnixMicros(now) + 1, 0);
  RETURN_IF_ERROR(
      Scan(*database_, kMeta, prefix, prefix,
           [&](const rocksdb::Slice& key, const rocksdb::Slice& tenant) {
             if (key.ToString() >= end) return false;
             due.push_back({key.ToString(), tenant.ToString()});
             return due.size() < limit;
           }));
  for (const Due& batch : due) {
    rocksdb::WriteBatch write;
    RETURN_IF_ERROR(AddDeletion(batch.tenant, LastNumberIn(batch.key), write));
    {
      ASSIGN_OR_RETURN(const storage::Database::Handle db, database_->Use());
      write.Delete(db.family(kMeta), batch.key);
    }
    RETURN_IF_ERROR(database_->Write(write, /*synced=*/false));
  }
  return due.size() == limit;
}

int64_t RocksDbBatchRepository::OpenBatches() const {
  MutexLock lock(mu_);
  return static_cast<int64_t>(open_.size());
}

}  // namespace gateway::batch_aggregator
