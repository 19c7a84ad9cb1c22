#include "services/model_router/usage_spool.h"

#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>
#include <absl/strings/strip.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <map>
#include <system_error>
#include <utility>

#include "common/status/error.h"
#include "common/status/macros.h"

namespace gateway::model_router {
namespace {

namespace fs = std::filesystem;
using Kind = SpoolSegment::Kind;

constexpr int64_t kMinSegmentBytes = 64 << 10;
constexpr int64_t kMaxSegmentBytes = 8 << 20;
constexpr char kSuffix[] = ".spool";

size_t SegmentBytes(int64_t max_bytes) {
  return static_cast<size_t>(
      std::clamp(max_bytes / 8, kMinSegmentBytes, kMaxSegmentBytes));
}

// Allocates nothing once it has grown.
const std::string& Serialize(const UsageRow& row) {
  thread_local std::string bytes;
  row.SerializeToString(&bytes);
  return bytes;
}

void MarkUnknown(UsageRow& row, absl::Time now) {
  const absl::Duration since = now - absl::UnixEpoch();
  row.mutable_end_time()->set_seconds(absl::ToInt64Seconds(since));
  row.set_outcome(metrics_collector::v1::OUTCOME_UNKNOWN);
  row.set_reason(reason::kInternal);
  row.mutable_usage()->set_source(chat::v1::USAGE_SOURCE_UNKNOWN);
}

absl::Status FullError() {
  return MakeError(reason::kUsageSpoolFull,
                   "usage records cannot be stored at the moment");
}

}  // namespace

UsageSpool::UsageSpool(Options options)
    : options_(std::move(options)),
      segment_bytes_(SegmentBytes(options_.max_bytes)),
      max_segments_(std::max<int64_t>(
          2, options_.max_bytes / static_cast<int64_t>(segment_bytes_))) {}

absl::StatusOr<std::unique_ptr<UsageSpool>> UsageSpool::Open(Options options,
                                                             absl::Time now) {
  std::unique_ptr<UsageSpool> spool(new UsageSpool(std::move(options)));
  RETURN_IF_ERROR(spool->Lock());
  RETURN_IF_ERROR(spool->Recover(now));
  spool->maintenance_.Start("usage-spool", spool->options_.sync_interval,
                            [raw = spool.get()] { raw->Maintain(); });
  return spool;
}

UsageSpool::~UsageSpool() {
  maintenance_.Stop();
  {
    MutexLock lock(mu_);
    for (const auto& spare : spares_) spare->DeleteFile();
    if (waiting_rows() == 0 && open_ == 0) {
      for (const auto& segment : segments_) segment->file->DeleteFile();
    }
  }
  if (lock_fd_ >= 0) close(lock_fd_);
}

absl::Status UsageSpool::Lock() {
  std::error_code error;
  fs::create_directories(options_.directory, error);
  const std::string path = absl::StrCat(options_.directory, "/LOCK");
  lock_fd_ = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (lock_fd_ < 0) {
    return absl::UnavailableError(
        absl::StrCat("cannot write ", path, ": ", std::strerror(errno)));
  }
  if (flock(lock_fd_, LOCK_EX | LOCK_NB) != 0) {
    return absl::UnavailableError(
        absl::StrCat(options_.directory, " is in use by another process"));
  }
  return absl::OkStatus();
}

std::string UsageSpool::PathOf(uint64_t sequence) const {
  return absl::StrFormat("%s/%020d%s", options_.directory, sequence, kSuffix);
}

absl::Status UsageSpool::Recover(absl::Time now) {
  MutexLock lock(mu_);
  opened_at_ = now;
  std::map<uint64_t, std::shared_ptr<SpoolSegment>> found;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(options_.directory, error)) {
    const std::string name = entry.path().filename();
    absl::string_view stem = name;
    uint64_t sequence;
    if (!absl::ConsumeSuffix(&stem, kSuffix) ||
        !absl::SimpleAtoi(stem, &sequence)) {
      continue;
    }
    next_sequence_ = std::max(next_sequence_, sequence + 1);
    auto file = SpoolSegment::Open(entry.path());
    if (!file.ok()) {
      // Killed while it was made. Kept for a person to look at, out of the way.
      fs::rename(entry.path(), entry.path().string() + ".damaged", error);
    } else if ((*file)->end() == SpoolSegment::kBegin) {
      // Its space may be needed for the file that is made below.
      (*file)->DeleteFile();
    } else {
      found.emplace(sequence, *std::move(file));
    }
  }

  std::map<uint64_t, Slot> open;
  for (auto& [sequence, file] : found) {
    segments_.push_back(std::make_unique<Segment>());
    for (size_t at = SpoolSegment::kBegin; at < file->end();) {
      const auto record = file->At(at);
      next_id_ = std::max(next_id_, record->id + 1);
      if (record->kind == Kind::kOpened) {
        open[record->id] = {
            .id = record->id, .segment = segments_.back().get(), .offset = at};
      } else {
        open.erase(record->id);
        waiting_.fetch_add(1);
      }
      at = record->next;
    }
    bytes_.fetch_add(static_cast<int64_t>(file->end() - SpoolSegment::kBegin));
    segments_.back()->file = std::move(file);
  }
  for (const auto& [id, slot] : open) {
    abandoned_.push_back(TakeSlot());
    slots_[abandoned_.back()] = slot;
    ++slot.segment->open;
    ++open_;
  }

  // Without space, what is there can still be delivered.
  if (!AddSpare() && segments_.empty()) return health_;
  if (segments_.empty()) TakeSpare();
  CloseAbandoned();
  return absl::OkStatus();
}

void UsageSpool::CloseAbandoned() {
  while (!abandoned_.empty()) {
    const Slot& slot = slots_[abandoned_.back()];
    const auto record = slot.segment->file->At(slot.offset);
    UsageRow row;
    if (row.ParseFromArray(record->payload.data(),
                           static_cast<int>(record->payload.size()))) {
      MarkUnknown(row, opened_at_);
      const std::string& payload = Serialize(row);
      const auto size =
          static_cast<int64_t>(SpoolSegment::RecordSize(payload.size()));
      if (!MakeRoom(size, size, max_segments_)) return;
      AppendClosed(slot.id, payload);
    } else {
      CountDropped();
    }
    FreeSlot(abandoned_.back());
    abandoned_.pop_back();
  }
}

absl::StatusOr<UsageSpool::Ticket> UsageSpool::Begin(const UsageRow& row) {
  const std::string& payload = Serialize(row);
  const auto size =
      static_cast<int64_t>(SpoolSegment::RecordSize(payload.size()));
  const auto reserve = static_cast<int64_t>(
      SpoolSegment::RecordSize(payload.size() + kCloseGrowth));
  Ticket ticket;
  MutexLock lock(mu_);
  if (!MakeRoom(reserve, size + reserve, max_segments_)) {
    if (!options_.drop_when_full) return FullError();
    CountDropped();
    return ticket;
  }
  ticket.slot_ = TakeSlot();
  Slot& slot = slots_[ticket.slot_];
  slot.id = next_id_++;
  slot.reserve = reserve;
  reserved_ += reserve;
  ++open_;
  AppendOpened(slot, payload);
  return ticket;
}

void UsageSpool::End(Ticket ticket, const UsageRow& row) {
  if (ticket.slot_ == Ticket::kNone) return;
  const std::string& payload = Serialize(row);
  const auto size =
      static_cast<int64_t>(SpoolSegment::RecordSize(payload.size()));
  MutexLock lock(mu_);
  const Slot slot = slots_[ticket.slot_];
  FreeSlot(ticket.slot_);
  if (size <= slot.reserve || MakeRoom(size, size, max_segments_)) {
    AppendClosed(slot.id, payload);
  } else {
    CountDropped();
  }
}

uint32_t UsageSpool::TakeSlot() {
  if (free_slots_.empty()) {
    slots_.emplace_back();
    return static_cast<uint32_t>(slots_.size() - 1);
  }
  const uint32_t slot = free_slots_.back();
  free_slots_.pop_back();
  return slot;
}

void UsageSpool::FreeSlot(uint32_t slot) {
  --slots_[slot].segment->open;
  --open_;
  reserved_ -= slots_[slot].reserve;
  slots_[slot] = Slot();
  free_slots_.push_back(slot);
}

int64_t UsageSpool::Room() const {
  // A record lies in one file: where the next one is begun, less than a record
  // stays unused.
  const auto spares = static_cast<int64_t>(spares_.size());
  const auto spare_bytes =
      static_cast<int64_t>(segment_bytes_ - SpoolSegment::kBegin);
  return static_cast<int64_t>(segments_.back()->file->free_bytes()) +
         spares * (spare_bytes - largest_record_);
}

bool UsageSpool::MakeRoom(int64_t record, int64_t bytes, int64_t max_files) {
  if (record > static_cast<int64_t>(segment_bytes_ / 4)) return false;
  largest_record_ = std::max(largest_record_, record);
  while (Room() < reserved_ + bytes) {
    // Once it has failed, the maintenance finds out when it works again.
    if (Files() >= max_files || !health_.ok() || !AddSpare()) return false;
  }
  return true;
}

int64_t UsageSpool::Files() const {
  return static_cast<int64_t>(segments_.size() + spares_.size());
}

bool UsageSpool::AddSpare() {
  auto made = SpoolSegment::Create(PathOf(next_sequence_), next_sequence_,
                                   segment_bytes_);
  ++next_sequence_;
  health_ = made.status();
  if (!made.ok()) return false;
  KeepSpare(*std::move(made));
  return true;
}

void UsageSpool::KeepSpare(std::unique_ptr<SpoolSegment> file) {
  const auto place = std::upper_bound(
      spares_.begin(), spares_.end(), file->sequence(),
      [](uint64_t sequence, const std::unique_ptr<SpoolSegment>& spare) {
        return sequence < spare->sequence();
      });
  spares_.insert(place, std::move(file));
}

void UsageSpool::TakeSpare() {
  segments_.push_back(std::make_unique<Segment>());
  segments_.back()->file = std::move(spares_.front());
  spares_.pop_front();
  maintenance_.Wake();
}

UsageSpool::Segment* UsageSpool::SegmentFor(size_t record_size) {
  if (record_size > segments_.back()->file->free_bytes()) TakeSpare();
  return segments_.back().get();
}

void UsageSpool::AppendOpened(Slot& slot, absl::string_view payload) {
  const size_t size = SpoolSegment::RecordSize(payload.size());
  slot.segment = SegmentFor(size);
  slot.offset = slot.segment->file->end();
  slot.segment->file->Append(Kind::kOpened, slot.id, payload);
  ++slot.segment->open;
  bytes_.fetch_add(static_cast<int64_t>(size), std::memory_order_relaxed);
}

void UsageSpool::AppendClosed(uint64_t id, absl::string_view payload) {
  const size_t size = SpoolSegment::RecordSize(payload.size());
  SegmentFor(size)->file->Append(Kind::kClosed, id, payload);
  bytes_.fetch_add(static_cast<int64_t>(size), std::memory_order_relaxed);
  waiting_.fetch_add(1, std::memory_order_relaxed);
}

std::vector<UsageRow> UsageSpool::Read(size_t max_rows) {
  struct Part {
    std::shared_ptr<SpoolSegment> file;
    size_t end;
  };
  std::vector<Part> parts;
  Cursor at;
  {
    MutexLock lock(mu_);
    at = delivered_;
    for (const auto& segment : segments_) {
      parts.push_back({segment->file, segment->file->end()});
    }
  }
  std::vector<UsageRow> rows;
  read_.clear();
  while (rows.size() < max_rows) {
    if (at.offset >= parts[at.segment].end) {
      if (at.segment + 1 == parts.size()) break;
      at = {.segment = at.segment + 1};
      continue;
    }
    const auto record = parts[at.segment].file->At(at.offset);
    at.offset = record->next;
    if (record->kind != Kind::kClosed) continue;
    UsageRow& row = rows.emplace_back();
    if (!row.ParseFromArray(record->payload.data(),
                            static_cast<int>(record->payload.size()))) {
      row.Clear();  // the ledger refuses it, and so it is counted
    }
    read_.push_back(at);
  }
  if (rows.empty()) {
    MutexLock lock(mu_);
    Advance(at);
  }
  return rows;
}

void UsageSpool::Delivered(size_t count) {
  if (count == 0) return;
  MutexLock lock(mu_);
  Advance(read_[count - 1]);
  waiting_.fetch_sub(static_cast<int64_t>(count), std::memory_order_relaxed);
  read_.clear();
}

void UsageSpool::Advance(Cursor to) {
  delivered_ = to;
  while (segments_.size() > 1 &&
         (delivered_.segment > 0 ||
          delivered_.offset >= segments_.front()->file->end())) {
    if (segments_.front()->open > 0 && !CarryOver()) break;
    segments_.front()->file->DeleteFile();
    segments_.pop_front();
    delivered_ = delivered_.segment > 0
                     ? Cursor{delivered_.segment - 1, delivered_.offset}
                     : Cursor{};
  }
  SpoolSegment& oldest = *segments_.front()->file;
  const bool all_delivered = segments_.size() == 1 &&
                             segments_.front()->open == 0 &&
                             delivered_.offset >= oldest.end();
  if (all_delivered && !health_.ok() && spares_.empty()) {
    // No file can be made, so this one has to do.
    oldest.Clear();
    delivered_ = {};
  }
  int64_t bytes = 0;
  for (const auto& segment : segments_) {
    bytes += static_cast<int64_t>(segment->file->end() - SpoolSegment::kBegin);
  }
  for (size_t i = 0; i < delivered_.segment; ++i) {
    bytes -=
        static_cast<int64_t>(segments_[i]->file->end() - SpoolSegment::kBegin);
  }
  bytes -= static_cast<int64_t>(delivered_.offset - SpoolSegment::kBegin);
  bytes_.store(bytes, std::memory_order_relaxed);
}

bool UsageSpool::CarryOver() {
  Segment* oldest = segments_.front().get();
  for (Slot& slot : slots_) {
    if (slot.segment != oldest) continue;
    const auto record = oldest->file->At(slot.offset);
    const auto size =
        static_cast<int64_t>(SpoolSegment::RecordSize(record->payload.size()));
    // One file more than the limit: the oldest goes in turn.
    if (!MakeRoom(size, size, max_segments_ + 1)) return false;
    --oldest->open;
    AppendOpened(slot, record->payload);
  }
  return true;
}

int64_t UsageSpool::open_rows() const {
  MutexLock lock(mu_);
  return open_;
}

absl::Status UsageSpool::Health() const {
  MutexLock lock(mu_);
  return health_;
}

void UsageSpool::Maintain() {
  std::shared_ptr<SpoolSegment> current;
  uint64_t sequence = 0;  // of the file to be made, if any
  bool was_healthy;
  {
    MutexLock lock(mu_);
    was_healthy = health_.ok();
    current = segments_.back()->file;
    // After a failure it is also the proof that writing works again.
    if (Files() < max_segments_ &&
        (!was_healthy ||
         (spares_.empty() && current->free_bytes() < segment_bytes_ / 2))) {
      sequence = next_sequence_++;
    }
  }
  const absl::Status synced = current->Sync();
  absl::StatusOr<std::unique_ptr<SpoolSegment>> made =
      absl::UnavailableError("none needed");
  if (sequence > 0) {
    made = SpoolSegment::Create(PathOf(sequence), sequence, segment_bytes_);
  }
  MutexLock lock(mu_);
  // Without need of a spare file, a good sync is all that health asks for. But
  // what has failed since this round began stands: nothing was seen of it here.
  if (!synced.ok()) {
    health_ = synced;
  } else if (sequence > 0) {
    health_ = made.status();
  } else if (!was_healthy) {
    health_ = absl::OkStatus();
  }
  if (made.ok()) {
    // The files are read again in the order of their numbers.
    if (sequence > segments_.back()->file->sequence()) {
      KeepSpare(*std::move(made));
    } else {
      (*made)->DeleteFile();
    }
  }
  if (health_.ok()) CloseAbandoned();
}

}  // namespace gateway::model_router
