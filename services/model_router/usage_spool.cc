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
#include <unordered_map>
#include <utility>

#include "common/concurrency/thread.h"
#include "common/status/error.h"
#include "common/status/macros.h"

namespace gateway::model_router {
namespace {

namespace fs = std::filesystem;
using Kind = SpoolSegment::Kind;

constexpr int64_t kMinSegmentBytes = 64 << 10;
constexpr int64_t kMaxSegmentBytes = 8 << 20;
// Kept free for the row that closes an attempt.
constexpr int64_t kCloseReserve = 1024;
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
  spool->maintenance_ =
      StartThread("usage-spool", [raw = spool.get()] { raw->Maintain(); });
  return spool;
}

UsageSpool::~UsageSpool() {
  {
    MutexLock lock(mu_);
    stopping_ = true;
  }
  wake_.NotifyAll();
  if (maintenance_.joinable()) maintenance_.join();
  {
    MutexLock lock(mu_);
    if (spare_ != nullptr) spare_->DeleteFile();
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
    auto file = SpoolSegment::Open(entry.path());
    if (!file.ok()) {
      // Killed while it was made. Kept for a person to look at, out of the way.
      fs::rename(entry.path(), entry.path().string() + ".damaged", error);
      continue;
    }
    found.emplace(sequence, *std::move(file));
  }

  std::unordered_map<uint64_t, absl::string_view> open;
  for (auto& [sequence, file] : found) {
    next_sequence_ = sequence + 1;
    if (file->end() == SpoolSegment::kBegin) {
      file->DeleteFile();
      continue;
    }
    for (size_t at = SpoolSegment::kBegin; at < file->end();) {
      const auto record = file->At(at);
      next_id_ = std::max(next_id_, record->id + 1);
      if (record->kind == Kind::kOpened) {
        open[record->id] = record->payload;
      } else {
        open.erase(record->id);
        waiting_.fetch_add(1);
      }
      at = record->next;
    }
    bytes_.fetch_add(static_cast<int64_t>(file->end() - SpoolSegment::kBegin));
    segments_.push_back(std::make_unique<Segment>());
    segments_.back()->file = std::move(file);
  }

  // Never append to a file whose end may be torn.
  auto fresh = SpoolSegment::Create(PathOf(next_sequence_), next_sequence_,
                                    segment_bytes_);
  if (!fresh.ok()) return fresh.status();
  ++next_sequence_;
  segments_.push_back(std::make_unique<Segment>());
  segments_.back()->file = *std::move(fresh);

  for (const auto& [id, payload] : open) {
    UsageRow row;
    if (!row.ParseFromArray(payload.data(), static_cast<int>(payload.size()))) {
      continue;
    }
    MarkUnknown(row, now);
    if (!AppendClosed(id, Serialize(row))) return health_;
  }
  return absl::OkStatus();
}

absl::StatusOr<UsageSpool::Ticket> UsageSpool::Begin(const UsageRow& row) {
  const std::string& payload = Serialize(row);
  const size_t size = SpoolSegment::RecordSize(payload.size());
  Ticket ticket;
  MutexLock lock(mu_);
  Segment* segment = HasRoomFor(size) ? SegmentFor(size) : nullptr;
  if (segment == nullptr) {
    if (!options_.drop_when_full) return FullError();
    CountDropped();
    return ticket;
  }
  ticket.slot_ = TakeSlot();
  Slot& slot = slots_[ticket.slot_];
  slot.id = next_id_++;
  AppendOpened(slot, segment, payload);
  ++open_;
  return ticket;
}

void UsageSpool::End(Ticket ticket, const UsageRow& row) {
  if (ticket.slot_ == Ticket::kNone) return;
  const std::string& payload = Serialize(row);
  MutexLock lock(mu_);
  Slot& slot = slots_[ticket.slot_];
  if (!AppendClosed(slot.id, payload)) CountDropped();
  --slot.segment->open;
  --open_;
  slot.segment = nullptr;
  free_slots_.push_back(ticket.slot_);
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

bool UsageSpool::HasRoomFor(size_t record_size) {
  const int64_t files_left = std::max<int64_t>(
      0, max_segments_ - static_cast<int64_t>(segments_.size()));
  const int64_t room =
      static_cast<int64_t>(segments_.back()->file->free_bytes()) +
      files_left * static_cast<int64_t>(segment_bytes_);
  return static_cast<int64_t>(record_size) + (open_ + 1) * kCloseReserve <=
         room;
}

UsageSpool::Segment* UsageSpool::SegmentFor(size_t record_size) {
  Segment* current = segments_.back().get();
  if (record_size <= current->file->free_bytes()) return current;
  std::unique_ptr<SpoolSegment> file = std::move(spare_);
  if (file == nullptr) {
    auto made = SpoolSegment::Create(PathOf(next_sequence_), next_sequence_,
                                     segment_bytes_);
    ++next_sequence_;
    health_ = made.status();
    if (!made.ok()) return nullptr;
    file = *std::move(made);
  }
  if (record_size > file->free_bytes()) {
    spare_ = std::move(file);
    return nullptr;
  }
  segments_.push_back(std::make_unique<Segment>());
  segments_.back()->file = std::move(file);
  wake_.NotifyOne();
  return segments_.back().get();
}

void UsageSpool::AppendOpened(Slot& slot, Segment* segment,
                              absl::string_view payload) {
  slot.segment = segment;
  slot.offset = segment->file->end();
  segment->file->Append(Kind::kOpened, slot.id, payload);
  ++segment->open;
  bytes_.fetch_add(
      static_cast<int64_t>(SpoolSegment::RecordSize(payload.size())),
      std::memory_order_relaxed);
}

bool UsageSpool::AppendClosed(uint64_t id, absl::string_view payload) {
  const size_t size = SpoolSegment::RecordSize(payload.size());
  Segment* segment = SegmentFor(size);
  if (segment == nullptr) return false;
  segment->file->Append(Kind::kClosed, id, payload);
  bytes_.fetch_add(static_cast<int64_t>(size), std::memory_order_relaxed);
  waiting_.fetch_add(1, std::memory_order_relaxed);
  return true;
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
    Segment* newest =
        SegmentFor(SpoolSegment::RecordSize(record->payload.size()));
    if (newest == nullptr) return false;
    --oldest->open;
    AppendOpened(slot, newest, record->payload);
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
  MutexLock lock(mu_);
  while (!stopping_) {
    wake_.WaitFor(mu_, options_.sync_interval);
    if (stopping_) break;
    SyncAndPrepare();
  }
}

void UsageSpool::SyncAndPrepare() {
  const std::shared_ptr<SpoolSegment> current = segments_.back()->file;
  // After a failure it is also the proof that writing works again.
  const bool need_spare =
      spare_ == nullptr &&
      static_cast<int64_t>(segments_.size()) < max_segments_ &&
      (!health_.ok() || current->free_bytes() < segment_bytes_ / 2);
  const uint64_t sequence = need_spare ? next_sequence_++ : 0;
  mu_.Unlock();
  const absl::Status synced = current->Sync();
  absl::StatusOr<std::unique_ptr<SpoolSegment>> made =
      absl::UnavailableError("none needed");
  if (need_spare) {
    made = SpoolSegment::Create(PathOf(sequence), sequence, segment_bytes_);
  }
  mu_.Lock();
  // Without need of a spare file, a good sync is all that health asks for.
  health_ = synced;
  if (synced.ok() && need_spare) health_ = made.status();
  if (!made.ok()) return;
  if (spare_ == nullptr && sequence > segments_.back()->file->sequence()) {
    spare_ = *std::move(made);
  } else {
    (*made)->DeleteFile();
  }
}

}  // namespace gateway::model_router
