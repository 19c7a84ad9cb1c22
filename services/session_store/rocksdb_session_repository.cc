#include "services/session_store/rocksdb_session_repository.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/string_view.h>

#include <algorithm>
#include <limits>

#include "common/log/log.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "common/storage/prefix_iterator.h"
#include "gateway/session_store/stored/v1/stored.pb.h"

namespace gateway::session_store {
namespace {

using rocksdb::Slice;
using rocksdb::WriteBatch;
using storage::AppendBigEndian64;
using storage::AppendSized;
using storage::Database;
using storage::PrefixIterator;
using storage::ReadBigEndian64;

// The order of the families' names below. Stored: do not change.
enum Family : size_t { kStore = 0, kTenants = 1 };
const char* const kFamilyNames[] = {"store", "tenants"};

constexpr char kFormat[] = "1";

// What a key in kTenants is about, its second component. Stored: do not
// renumber.
enum Kind : char {
  kSession = 's',
  kTurn = 't',
  kAlias = 'a',
  kCommit = 'c',
  kSystemText = 'y',
  kDue = 'x',
};

// Keys in kStore.
constexpr char kCountPrefix = 'n';
constexpr char kGarbagePrefix = 'g';

constexpr size_t kNumberSize = 8;

std::string KindPrefix(absl::string_view tenant, Kind kind) {
  std::string key;
  key.reserve(64);
  AppendSized(key, tenant);
  key.push_back(kind);
  return key;
}

std::string OwnerPrefix(const Owner& owner, Kind kind) {
  std::string key = KindPrefix(owner.tenant, kind);
  AppendSized(key, owner.user);
  return key;
}

std::string SessionKey(const SessionName& name) {
  return OwnerPrefix(name.owner, kSession) + name.session_id;
}

std::string AliasKey(const Owner& owner, absl::string_view answer_id) {
  return absl::StrCat(OwnerPrefix(owner, kAlias), answer_id);
}

std::string LifePrefix(absl::string_view tenant, Kind kind, uint64_t life) {
  std::string key = KindPrefix(tenant, kind);
  AppendBigEndian64(key, life);
  return key;
}

std::string TurnKey(absl::string_view tenant, uint64_t life, uint64_t number) {
  std::string key = LifePrefix(tenant, kTurn, life);
  AppendBigEndian64(key, number);
  return key;
}

std::string CommitKey(absl::string_view tenant, uint64_t life,
                      absl::string_view request_id) {
  return absl::StrCat(LifePrefix(tenant, kCommit, life), request_id);
}

std::string SystemTextKey(absl::string_view tenant, uint64_t life) {
  return LifePrefix(tenant, kSystemText, life);
}

std::string DueKey(absl::string_view tenant, absl::Time due, uint64_t life) {
  std::string key = KindPrefix(tenant, kDue);
  AppendBigEndian64(key, static_cast<uint64_t>(
                             std::max<int64_t>(0, absl::ToUnixMicros(due))));
  AppendBigEndian64(key, life);
  return key;
}

std::string CountKey(absl::string_view tenant) {
  return absl::StrCat(absl::string_view(&kCountPrefix, 1), tenant);
}

std::string GarbageKey(absl::string_view tenant, uint64_t life) {
  std::string key(1, kGarbagePrefix);
  AppendSized(key, tenant);
  AppendBigEndian64(key, life);
  return key;
}

std::string NumberValue(uint64_t number) {
  std::string value;
  AppendBigEndian64(value, number);
  return value;
}

// How the log names what is damaged: users and sessions do not stand there.
std::string IdOf(absl::string_view tenant, const Slice& key) {
  return absl::StrCat(tenant, "/",
                      storage::ShortHash({key.data(), key.size()}));
}

// As callers are to see it: whatever is wrong with the disk, the store cannot
// be used now, and the request was not at fault.
absl::Status Unavailable(const absl::Status& cause) {
  if (cause.ok()) return cause;
  return MakeError(reason::kSessionUnavailable,
                   "sessions cannot be read or written now");
}

stored::v1::Session Encode(const SessionRecord& record) {
  stored::v1::Session stored;
  stored.set_life(record.life);
  stored.set_create_time_us(absl::ToUnixMicros(record.create_time));
  stored.set_last_use_time_us(absl::ToUnixMicros(record.last_use_time));
  stored.set_expire_time_us(absl::ToUnixMicros(record.expire_time));
  stored.set_due_time_us(absl::ToUnixMicros(record.due_time));
  stored.set_head(record.head);
  stored.set_head_depth(record.head_depth);
  stored.set_next_turn(record.next_turn);
  stored.set_oldest_turn(record.oldest_turn);
  stored.set_stored_turns(record.stored_turns);
  stored.set_stored_bytes(record.stored_bytes);
  stored.set_system_text_bytes(record.system_text_bytes);
  return stored;
}

absl::StatusOr<SessionRecord> DecodeSession(const Slice& value) {
  stored::v1::Session stored;
  if (!stored.ParseFromArray(value.data(), static_cast<int>(value.size()))) {
    return storage::DamagedData();
  }
  SessionRecord record;
  record.life = stored.life();
  record.create_time = absl::FromUnixMicros(stored.create_time_us());
  record.last_use_time = absl::FromUnixMicros(stored.last_use_time_us());
  record.expire_time = absl::FromUnixMicros(stored.expire_time_us());
  record.due_time = absl::FromUnixMicros(stored.due_time_us());
  record.head = stored.head();
  record.head_depth = stored.head_depth();
  record.next_turn = stored.next_turn();
  record.oldest_turn = stored.oldest_turn();
  record.stored_turns = stored.stored_turns();
  record.stored_bytes = stored.stored_bytes();
  record.system_text_bytes = stored.system_text_bytes();
  return record;
}

stored::v1::Turn Encode(const TurnRecord& turn) {
  stored::v1::Turn stored;
  stored.set_parent(turn.parent);
  stored.set_depth(turn.depth);
  stored.set_commit_time_us(absl::ToUnixMicros(turn.commit_time));
  stored.set_request_id(turn.request_id);
  stored.set_answer_id(turn.answer_id);
  stored.set_target(turn.target);
  *stored.mutable_turn() = turn.turn;
  stored.set_bytes(turn.bytes);
  return stored;
}

absl::StatusOr<TurnRecord> DecodeTurn(uint64_t number, const Slice& value) {
  stored::v1::Turn stored;
  if (!stored.ParseFromArray(value.data(), static_cast<int>(value.size()))) {
    return storage::DamagedData();
  }
  TurnRecord turn;
  turn.number = number;
  turn.parent = stored.parent();
  turn.depth = stored.depth();
  turn.commit_time = absl::FromUnixMicros(stored.commit_time_us());
  turn.request_id = std::move(*stored.mutable_request_id());
  turn.answer_id = std::move(*stored.mutable_answer_id());
  turn.target = std::move(*stored.mutable_target());
  turn.turn = std::move(*stored.mutable_turn());
  turn.bytes = stored.bytes();
  return turn;
}

void PutSession(const Database::Handle& db, WriteBatch& batch,
                const SessionName& name, const SessionRecord& record) {
  batch.Put(db.family(kTenants), SessionKey(name),
            Encode(record).SerializeAsString());
}

void PutDue(const Database::Handle& db, WriteBatch& batch,
            const SessionName& name, const SessionRecord& record) {
  stored::v1::Due due;
  due.set_user(name.owner.user);
  due.set_session_id(name.session_id);
  batch.Put(db.family(kTenants),
            DueKey(name.owner.tenant, record.due_time, record.life),
            due.SerializeAsString());
}

void PutGarbage(const Database::Handle& db, WriteBatch& batch,
                const Owner& owner, uint64_t life) {
  stored::v1::Garbage garbage;
  garbage.set_user(owner.user);
  batch.Put(db.family(kStore), GarbageKey(owner.tenant, life),
            garbage.SerializeAsString());
}

// The entry of the index by expiry at which `it` stands; nullopt: damaged.
std::optional<DueSession> DecodeDue(const std::string& tenant,
                                    const PrefixIterator& it) {
  stored::v1::Due due;
  if (it.rest().size() != 2 * kNumberSize ||
      !due.ParseFromArray(it.value().data(),
                          static_cast<int>(it.value().size()))) {
    return std::nullopt;
  }
  return DueSession{{{tenant, due.user()}, due.session_id()},
                    ReadBigEndian64(it.rest().data() + kNumberSize),
                    absl::FromUnixMicros(static_cast<int64_t>(
                        ReadBigEndian64(it.rest().data()))),
                    due.damaged()};
}

void PutAndMoveDue(const Database::Handle& db, WriteBatch& batch,
                   const SessionName& name, SessionRecord& record,
                   absl::Time due_time) {
  if (due_time != record.due_time) {
    batch.Delete(db.family(kTenants),
                 DueKey(name.owner.tenant, record.due_time, record.life));
    record.due_time = due_time;
    PutDue(db, batch, name, record);
  }
  PutSession(db, batch, name, record);
}

}  // namespace

RocksDbSessionRepository::RocksDbSessionRepository(
    const RocksDbSessionRepositoryOptions& options)
    : options_(options) {}

absl::StatusOr<std::unique_ptr<RocksDbSessionRepository>>
RocksDbSessionRepository::Open(const RocksDbSessionRepositoryOptions& options) {
  std::unique_ptr<RocksDbSessionRepository> repository(
      new RocksDbSessionRepository(options));
  storage::DatabaseOptions database;
  database.path = options.path;
  for (const char* name : kFamilyNames) {
    database.column_families.push_back(name);
  }
  database.memory_bytes = options.memory_bytes;
  database.env = options.env;
  ASSIGN_OR_RETURN(repository->database_, Database::Open(std::move(database)));
  RETURN_IF_ERROR(
      repository->database_->CheckFormat(kStore, kFormat, "sessions"));
  {
    MutexLock lock(repository->count_mu_);
    RETURN_IF_ERROR(repository->LoadCounts());
  }
  repository->syncer_.Start("session-sync", options.sync_interval,
                            [self = repository.get()] { self->SyncIfDirty(); });
  return repository;
}

RocksDbSessionRepository::~RocksDbSessionRepository() {
  syncer_.Stop();
  if (database_ != nullptr &&
      options_.sync_interval < absl::InfiniteDuration()) {
    (void)database_->Sync();
  }
}

absl::Status RocksDbSessionRepository::LoadCounts() {
  ASSIGN_OR_RETURN(const Database::Handle db, database_->Use());
  absl::flat_hash_map<std::string, int64_t> counts;
  int64_t total = 0;
  PrefixIterator it(db, kStore, std::string(1, kCountPrefix));
  bool damaged = false;
  for (it.SeekToFirst(); it.Valid() && !damaged; it.Next()) {
    damaged = it.value().size() != kNumberSize;
    if (damaged) break;
    const auto count = static_cast<int64_t>(ReadBigEndian64(it.value().data()));
    counts[std::string(it.rest())] = count;
    total += count;
  }
  if (damaged || absl::IsDataLoss(it.status())) {
    return storage::DamagedDirectory(options_.path,
                                     "its sessions cannot be counted");
  }
  RETURN_IF_ERROR(it.status());
  counts_ = std::move(counts);
  total_.store(total);
  return absl::OkStatus();
}

// --- Background ------------------------------------------------------------

void RocksDbSessionRepository::SyncIfDirty() {
  if (database_->Health().ok() && dirty_.exchange(false)) {
    (void)database_->Sync();
  }
}

absl::Status RocksDbSessionRepository::Repair() {
  if (database_->Health().ok()) return absl::OkStatus();
  // What failed may have reached the disk all the same: count anew, while
  // nobody adds or removes.
  MutexLock lock(count_mu_);
  RETURN_IF_ERROR(database_->Reopen());
  return LoadCounts();
}

// --- Sessions --------------------------------------------------------------

absl::Status RocksDbSessionRepository::Write(WriteBatch& batch) {
  const absl::Status written = database_->Write(batch, /*synced=*/false);
  dirty_.store(true);
  return Unavailable(written);
}

absl::Status RocksDbSessionRepository::ReadError(const absl::Status& cause,
                                                 absl::string_view what,
                                                 absl::string_view id) const {
  if (absl::IsDataLoss(cause)) return database_->NoteDamage(what, id);
  return Unavailable(cause);
}

absl::StatusOr<std::optional<SessionRecord>>
RocksDbSessionRepository::FindSession(const SessionName& name) {
  const absl::StatusOr<std::optional<std::string>> value =
      database_->Get(kTenants, SessionKey(name));
  if (!value.ok())
    return ReadError(value.status(), "session",
                     IdOf(name.owner.tenant, SessionKey(name)));
  if (!value->has_value()) return std::optional<SessionRecord>();
  absl::StatusOr<SessionRecord> record = DecodeSession(**value);
  if (!record.ok())
    return ReadError(record.status(), "session",
                     IdOf(name.owner.tenant, SessionKey(name)));
  return std::optional<SessionRecord>(*record);
}

absl::StatusOr<std::vector<std::pair<std::string, SessionRecord>>>
RocksDbSessionRepository::ListSessions(const Owner& owner,
                                       const std::string& after, size_t limit) {
  const absl::StatusOr<Database::Handle> db = database_->Use();
  if (!db.ok()) return Unavailable(db.status());
  std::vector<std::pair<std::string, SessionRecord>> found;
  const std::string prefix = OwnerPrefix(owner, kSession);
  PrefixIterator it(*db, kTenants, prefix);
  for (it.Seek(prefix + after); it.Valid() && found.size() < limit; it.Next()) {
    if (!after.empty() && it.rest() == after) continue;
    absl::StatusOr<SessionRecord> record = DecodeSession(it.value());
    if (!record.ok()) {
      (void)database_->NoteDamage("session", IdOf(owner.tenant, it.key()));
      continue;
    }
    found.emplace_back(std::string(it.rest()), *record);
  }
  if (!it.status().ok()) {
    return ReadError(it.status(), "sessions", owner.tenant);
  }
  return found;
}

absl::Status RocksDbSessionRepository::WriteAndCount(WriteBatch& batch,
                                                     const std::string& tenant,
                                                     int64_t change) {
  MutexLock lock(count_mu_);
  const auto it = counts_.find(tenant);
  const int64_t count = (it == counts_.end() ? 0 : it->second) + change;
  {
    const absl::StatusOr<Database::Handle> db = database_->Use();
    if (!db.ok()) return Unavailable(db.status());
    if (count > 0) {
      batch.Put(db->family(kStore), CountKey(tenant),
                NumberValue(static_cast<uint64_t>(count)));
    } else {
      batch.Delete(db->family(kStore), CountKey(tenant));
    }
  }
  RETURN_IF_ERROR(Write(batch));
  total_ += change;
  if (count > 0) {
    counts_[tenant] = count;
  } else {
    counts_.erase(tenant);
  }
  return absl::OkStatus();
}

absl::Status RocksDbSessionRepository::CreateSession(const SessionName& name,
                                                     SessionRecord& record) {
  record.due_time = record.expire_time;
  WriteBatch batch;
  {
    const absl::StatusOr<Database::Handle> db = database_->Use();
    if (!db.ok()) return Unavailable(db.status());
    PutSession(*db, batch, name, record);
    PutDue(*db, batch, name, record);
  }
  return WriteAndCount(batch, name.owner.tenant, 1);
}

absl::Status RocksDbSessionRepository::UpdateSession(const SessionName& name,
                                                     SessionRecord& record) {
  return Reschedule(name, record,
                    std::min(record.due_time, record.expire_time));
}

absl::Status RocksDbSessionRepository::Reschedule(const SessionName& name,
                                                  SessionRecord& record,
                                                  absl::Time due_time) {
  WriteBatch batch;
  {
    const absl::StatusOr<Database::Handle> db = database_->Use();
    if (!db.ok()) return Unavailable(db.status());
    PutAndMoveDue(*db, batch, name, record, due_time);
  }
  return Write(batch);
}

absl::Status RocksDbSessionRepository::RemoveSession(
    const SessionName& name, const SessionRecord& record) {
  const std::string& tenant = name.owner.tenant;
  WriteBatch batch;
  {
    const absl::StatusOr<Database::Handle> db = database_->Use();
    if (!db.ok()) return Unavailable(db.status());
    batch.Delete(db->family(kTenants), SessionKey(name));
    batch.Delete(db->family(kTenants),
                 DueKey(tenant, record.due_time, record.life));
    PutGarbage(*db, batch, name.owner, record.life);
  }
  return WriteAndCount(batch, tenant, -1);
}

absl::Status RocksDbSessionRepository::RemoveDamagedSession(
    const SessionName& name) {
  const std::string& tenant = name.owner.tenant;
  WriteBatch batch;
  {
    const absl::StatusOr<Database::Handle> db = database_->Use();
    if (!db.ok()) return Unavailable(db.status());
    batch.Delete(db->family(kTenants), SessionKey(name));
    // Its life stands in the index by expiry alone.
    PrefixIterator it(*db, kTenants, KindPrefix(tenant, kDue));
    for (it.SeekToFirst(); it.Valid(); it.Next()) {
      const std::optional<DueSession> due = DecodeDue(tenant, it);
      if (!due.has_value() || !(due->name == name)) continue;
      batch.Delete(db->family(kTenants), it.key());
      PutGarbage(*db, batch, name.owner, due->life);
    }
    if (!it.status().ok() && !absl::IsDataLoss(it.status())) {
      return Unavailable(it.status());
    }
  }
  return WriteAndCount(batch, tenant, -1);
}

// --- Turns -----------------------------------------------------------------

absl::Status RocksDbSessionRepository::AddTurn(
    const SessionName& name, SessionRecord& record, const TurnRecord& turn,
    const std::vector<TurnRecord>& dropped, const std::string* system_text) {
  const std::string& tenant = name.owner.tenant;
  WriteBatch batch;
  {
    const absl::StatusOr<Database::Handle> db = database_->Use();
    if (!db.ok()) return Unavailable(db.status());
    rocksdb::ColumnFamilyHandle* const family = db->family(kTenants);
    for (const TurnRecord& old : dropped) {
      RETURN_IF_ERROR(DropTurn(*db, batch, name.owner, record.life, old));
    }
    batch.Put(family, TurnKey(tenant, record.life, turn.number),
              Encode(turn).SerializeAsString());
    batch.Put(family, CommitKey(tenant, record.life, turn.request_id),
              NumberValue(turn.number));
    if (!turn.answer_id.empty()) {
      stored::v1::Alias alias;
      alias.set_session_id(name.session_id);
      alias.set_life(record.life);
      alias.set_number(turn.number);
      batch.Put(family, AliasKey(name.owner, turn.answer_id),
                alias.SerializeAsString());
    }
    if (system_text != nullptr) {
      batch.Put(family, SystemTextKey(tenant, record.life), *system_text);
    }
    PutAndMoveDue(*db, batch, name, record,
                  std::min(record.due_time, record.expire_time));
  }
  return Write(batch);
}

absl::Status RocksDbSessionRepository::DropTurn(const Database::Handle& db,
                                                WriteBatch& batch,
                                                const Owner& owner,
                                                uint64_t life,
                                                const TurnRecord& turn) {
  rocksdb::ColumnFamilyHandle* const family = db.family(kTenants);
  batch.Delete(family, TurnKey(owner.tenant, life, turn.number));
  batch.Delete(family, CommitKey(owner.tenant, life, turn.request_id));
  if (turn.answer_id.empty()) return absl::OkStatus();
  // A later turn may have come by the same answer id. A damaged entry leads
  // nowhere.
  const std::string key = AliasKey(owner, turn.answer_id);
  const absl::StatusOr<std::optional<std::string>> value =
      db.Get(kTenants, key);
  const bool damaged = absl::IsDataLoss(value.status());
  if (!value.ok() && !damaged) return Unavailable(value.status());
  if (!damaged && !value->has_value()) return absl::OkStatus();
  stored::v1::Alias alias;
  if (damaged || !alias.ParseFromString(**value) ||
      (alias.life() == life && alias.number() == turn.number)) {
    batch.Delete(family, key);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::optional<TurnRecord>> RocksDbSessionRepository::FindTurn(
    const std::string& tenant, uint64_t life, uint64_t number) {
  const absl::StatusOr<std::optional<std::string>> value =
      database_->Get(kTenants, TurnKey(tenant, life, number));
  if (!value.ok()) {
    return ReadError(value.status(), "turn",
                     IdOf(tenant, TurnKey(tenant, life, number)));
  }
  if (!value->has_value()) return std::optional<TurnRecord>();
  absl::StatusOr<TurnRecord> turn = DecodeTurn(number, **value);
  if (!turn.ok()) {
    return ReadError(turn.status(), "turn",
                     IdOf(tenant, TurnKey(tenant, life, number)));
  }
  return std::optional<TurnRecord>(*std::move(turn));
}

absl::StatusOr<std::vector<TurnRecord>> RocksDbSessionRepository::ListTurns(
    const std::string& tenant, uint64_t life, uint64_t first, size_t limit) {
  const absl::StatusOr<Database::Handle> db = database_->Use();
  if (!db.ok()) return Unavailable(db.status());
  std::vector<TurnRecord> found;
  PrefixIterator it(*db, kTenants, LifePrefix(tenant, kTurn, life));
  for (it.Seek(TurnKey(tenant, life, first));
       it.Valid() && found.size() < limit; it.Next()) {
    const uint64_t number = ReadBigEndian64(it.rest().data());
    absl::StatusOr<TurnRecord> turn = DecodeTurn(number, it.value());
    if (!turn.ok()) {
      return ReadError(turn.status(), "turn",
                       IdOf(tenant, TurnKey(tenant, life, number)));
    }
    found.push_back(*std::move(turn));
  }
  if (!it.status().ok()) {
    return ReadError(it.status(), "turns",
                     IdOf(tenant, TurnKey(tenant, life, first)));
  }
  return found;
}

absl::StatusOr<Branch> RocksDbSessionRepository::ReadBranch(
    const std::string& tenant, uint64_t life, uint64_t number,
    int64_t max_bytes) {
  const absl::StatusOr<Database::Handle> db = database_->Use();
  if (!db.ok()) return Unavailable(db.status());
  Branch branch;
  PrefixIterator it(*db, kTenants, LifePrefix(tenant, kTurn, life));
  it.Seek(TurnKey(tenant, life, number));
  while (it.Valid() && ReadBigEndian64(it.rest().data()) == number) {
    absl::StatusOr<TurnRecord> turn = DecodeTurn(number, it.value());
    if (!turn.ok()) {
      return ReadError(turn.status(), "turn",
                       IdOf(tenant, TurnKey(tenant, life, number)));
    }
    if (branch.depth == 0) {
      branch.depth = turn->depth;
      branch.target = std::move(turn->target);
    }
    max_bytes -= turn->bytes;
    if (max_bytes < 0) break;
    branch.turns.push_back(std::move(turn->turn));
    if (turn->parent == 0) break;
    // On a session without forks the parent is the neighbour.
    if (turn->parent + 1 == number) {
      it.Prev();
    } else {
      it.Seek(TurnKey(tenant, life, turn->parent));
    }
    number = turn->parent;
  }
  if (!it.status().ok()) {
    return ReadError(it.status(), "turn",
                     IdOf(tenant, TurnKey(tenant, life, number)));
  }
  std::reverse(branch.turns.begin(), branch.turns.end());
  return branch;
}

absl::StatusOr<std::string> RocksDbSessionRepository::ReadSystemText(
    const std::string& tenant, uint64_t life) {
  absl::StatusOr<std::optional<std::string>> value =
      database_->Get(kTenants, SystemTextKey(tenant, life));
  if (!value.ok()) {
    return ReadError(value.status(), "system text",
                     IdOf(tenant, SystemTextKey(tenant, life)));
  }
  return (*std::move(value)).value_or("");
}

absl::StatusOr<std::optional<TurnAlias>> RocksDbSessionRepository::FindAlias(
    const Owner& owner, const std::string& answer_id) {
  const std::string key = AliasKey(owner, answer_id);
  const absl::StatusOr<std::optional<std::string>> value =
      database_->Get(kTenants, key);
  if (!value.ok()) {
    return ReadError(value.status(), "answer id", IdOf(owner.tenant, key));
  }
  if (!value->has_value()) return std::optional<TurnAlias>();
  stored::v1::Alias alias;
  if (!alias.ParseFromString(**value)) {
    return database_->NoteDamage("answer id", IdOf(owner.tenant, key));
  }
  return std::optional<TurnAlias>(
      TurnAlias{alias.session_id(), alias.life(), alias.number()});
}

absl::StatusOr<std::optional<uint64_t>> RocksDbSessionRepository::FindCommit(
    const std::string& tenant, uint64_t life, const std::string& request_id) {
  const std::string key = CommitKey(tenant, life, request_id);
  const absl::StatusOr<std::optional<std::string>> value =
      database_->Get(kTenants, key);
  if (!value.ok()) {
    return ReadError(value.status(), "commit", IdOf(tenant, key));
  }
  if (!value->has_value()) return std::optional<uint64_t>();
  if ((*value)->size() != kNumberSize) {
    return database_->NoteDamage("commit", IdOf(tenant, key));
  }
  return std::optional<uint64_t>(ReadBigEndian64((*value)->data()));
}

// --- Counting and cleaning -------------------------------------------------

int64_t RocksDbSessionRepository::SessionCount(
    const std::string& tenant) const {
  MutexLock lock(count_mu_);
  const auto it = counts_.find(tenant);
  return it == counts_.end() ? 0 : it->second;
}

int64_t RocksDbSessionRepository::TotalSessionCount() const {
  return total_.load();
}

std::vector<std::string> RocksDbSessionRepository::Tenants() const {
  MutexLock lock(count_mu_);
  std::vector<std::string> tenants;
  tenants.reserve(counts_.size());
  for (const auto& [tenant, count] : counts_) tenants.push_back(tenant);
  return tenants;
}

absl::StatusOr<std::vector<DueSession>> RocksDbSessionRepository::FindDue(
    const std::string& tenant, absl::Time now, size_t limit) {
  std::vector<DueSession> found;
  WriteBatch damaged;
  absl::Status status;
  {
    const absl::StatusOr<Database::Handle> db = database_->Use();
    if (!db.ok()) return Unavailable(db.status());
    PrefixIterator it(*db, kTenants, KindPrefix(tenant, kDue));
    for (it.SeekToFirst(); it.Valid() && found.size() < limit; it.Next()) {
      std::optional<DueSession> due = DecodeDue(tenant, it);
      // Cleaning will not find its session any more; whoever asks for that
      // still sees that it has expired.
      if (!due.has_value()) {
        (void)database_->NoteDamage("expiry", IdOf(tenant, it.key()));
        damaged.Delete(db->family(kTenants), it.key());
        continue;
      }
      if (due->due_time > now) break;
      found.push_back(*std::move(due));
    }
    status = it.status();
  }
  if (damaged.Count() > 0) RETURN_IF_ERROR(Write(damaged));
  if (!status.ok() && found.empty()) {
    return ReadError(status, "index by expiry", tenant);
  }
  return found;
}

absl::Status RocksDbSessionRepository::Postpone(const DueSession& session,
                                                absl::Time due_time) {
  const std::string& tenant = session.name.owner.tenant;
  WriteBatch batch;
  {
    const absl::StatusOr<Database::Handle> db = database_->Use();
    if (!db.ok()) return Unavailable(db.status());
    rocksdb::ColumnFamilyHandle* const family = db->family(kTenants);
    batch.Delete(family, DueKey(tenant, session.due_time, session.life));
    stored::v1::Due due;
    due.set_user(session.name.owner.user);
    due.set_session_id(session.name.session_id);
    due.set_damaged(true);
    batch.Put(family, DueKey(tenant, due_time, session.life),
              due.SerializeAsString());
  }
  return Write(batch);
}

absl::StatusOr<bool> RocksDbSessionRepository::CollectGarbage(size_t limit) {
  WriteBatch batch;
  bool more = false;
  {
    const absl::StatusOr<Database::Handle> db = database_->Use();
    if (!db.ok()) return Unavailable(db.status());
    PrefixIterator it(*db, kStore, std::string(1, kGarbagePrefix));
    for (it.SeekToFirst(); it.Valid() && !more; it.Next()) {
      ASSIGN_OR_RETURN(more,
                       CollectLife(*db, batch, it.rest(), it.value(), limit));
      if (!more) batch.Delete(db->family(kStore), it.key());
    }
    if (!it.status().ok()) return Unavailable(it.status());
  }
  if (batch.Count() > 0) RETURN_IF_ERROR(Write(batch));
  return more;
}

absl::StatusOr<bool> RocksDbSessionRepository::CollectLife(
    const Database::Handle& db, WriteBatch& batch, absl::string_view key,
    const Slice& value, size_t& limit) {
  stored::v1::Garbage garbage;
  if (key.size() < 2 + kNumberSize) {
    (void)database_->NoteDamage("removal", storage::ShortHash(key));
    return false;
  }
  const size_t size = key.size() - 2 - kNumberSize;
  const uint64_t life = ReadBigEndian64(key.data() + 2 + size);
  const std::string tenant(key.substr(2, size));
  const std::string turns_prefix = LifePrefix(tenant, kTurn, life);
  bool damaged =
      !garbage.ParseFromArray(value.data(), static_cast<int>(value.size()));
  const Owner owner{tenant, garbage.user()};
  PrefixIterator turns(db, kTenants, turns_prefix);
  for (turns.SeekToFirst(); !damaged && turns.Valid(); turns.Next()) {
    if (limit == 0) return true;
    --limit;
    absl::StatusOr<TurnRecord> turn =
        DecodeTurn(ReadBigEndian64(turns.rest().data()), turns.value());
    damaged = !turn.ok();
    if (!damaged) RETURN_IF_ERROR(DropTurn(db, batch, owner, life, *turn));
  }
  if (!turns.status().ok() && !absl::IsDataLoss(turns.status())) {
    return Unavailable(turns.status());
  }
  // Even a life without turns costs a step, so that the batch is bounded.
  if (limit == 0) return true;
  --limit;
  if (damaged || absl::IsDataLoss(turns.status())) {
    (void)database_->NoteDamage("removed session",
                                IdOf(tenant, GarbageKey(tenant, life)));
    // All that is left of it, unread. Answer ids stay, and lead nowhere.
    for (const std::string& prefix :
         {turns_prefix, LifePrefix(tenant, kCommit, life)}) {
      batch.DeleteRange(db.family(kTenants), prefix,
                        storage::PrefixEnd(prefix));
    }
  }
  batch.Delete(db.family(kTenants), SystemTextKey(tenant, life));
  return false;
}

}  // namespace gateway::session_store
