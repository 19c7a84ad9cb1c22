#ifndef GATEWAY_SERVICES_MODEL_ROUTER_USAGE_SPOOL_H_
#define GATEWAY_SERVICES_MODEL_ROUTER_USAGE_SPOOL_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/strings/string_view.h>
#include <absl/time/time.h>

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "common/concurrency/mutex.h"
#include "common/concurrency/periodic_thread.h"
#include "gateway/metrics_collector/v1/metrics_collector.pb.h"
#include "services/model_router/spool_segment.h"

namespace gateway::model_router {

using metrics_collector::v1::UsageRow;

// Usage rows on their way to the ledger, in files of a local directory. A row
// is opened before its attempt may cost anything and closed before its call
// ends; both survive a kill of the process at any moment. What an earlier
// process left open is closed as UNKNOWN when the directory is opened again.
//
// No row is begun before there is room on the disk for its end, in files that
// are reserved already: a disk that fills up refuses new rows, and loses none.
//
// Thread-safe, but that reading and what goes with it is for one reader.
class UsageSpool {
 public:
  struct Options {
    // Made if missing. One process at a time.
    std::string directory;
    // Of rows that wait. 1 MiB or more.
    int64_t max_bytes = int64_t{1} << 30;
    // Full: rows are dropped and counted, instead of calls refused.
    bool drop_when_full = false;
    // How often what was written is forced to the disk.
    absl::Duration sync_interval = absl::Seconds(1);
  };

  // What the end of an attempt adds to its row, at most.
  static constexpr size_t kCloseGrowth = 512;

  // An attempt whose row is open.
  class Ticket {
   public:
    Ticket() = default;

   private:
    friend class UsageSpool;
    static constexpr uint32_t kNone = UINT32_MAX;
    // Into slots_; kNone: the row was dropped.
    uint32_t slot_ = kNone;
  };

  // `now` is the end of the rows that are closed as unknown. UNAVAILABLE: the
  // directory cannot be made, locked or written. If it holds rows and only
  // lacks space, it opens, unhealthy, so that they are delivered.
  static absl::StatusOr<std::unique_ptr<UsageSpool>> Open(Options options,
                                                          absl::Time now);
  ~UsageSpool();
  UsageSpool(const UsageSpool&) = delete;
  UsageSpool& operator=(const UsageSpool&) = delete;

  // Opens a row: all that is known of the attempt, with the usage and cost it
  // is booked with if nobody sees it end. UNAVAILABLE `usage_spool_full` with a
  // hint: the attempt must not begin.
  absl::StatusOr<Ticket> Begin(const UsageRow& row);

  // Closes it with the whole row, at most kCloseGrowth larger than it began; a
  // larger one is dropped and counted if no room can be had. Exactly once for
  // each Begin that was OK.
  void End(Ticket ticket, const UsageRow& row);

  // Closed rows not yet delivered, oldest first, at most `max_rows`. The same
  // ones until Delivered says that they are in the ledger.
  std::vector<UsageRow> Read(size_t max_rows);
  // The first `count` of the last Read.
  void Delivered(size_t count);

  // Bytes of rows that wait for delivery.
  int64_t bytes() const { return bytes_.load(std::memory_order_relaxed); }
  // Rows lost: because the spool was full, or refused by the ledger for good,
  // or damaged.
  int64_t dropped_rows() const {
    return dropped_.load(std::memory_order_relaxed);
  }
  void CountDropped(int64_t rows = 1) {
    dropped_.fetch_add(rows, std::memory_order_relaxed);
  }
  // Attempts whose row is open.
  int64_t open_rows() const;
  // Closed rows that wait.
  int64_t waiting_rows() const {
    return waiting_.load(std::memory_order_relaxed);
  }
  // Why nothing can be written; OK if it can.
  absl::Status Health() const;

 private:
  struct Segment {
    // Shared with the thread that syncs it and the reader.
    std::shared_ptr<SpoolSegment> file;
    // Attempts whose opening stands here and nowhere later.
    int64_t open = 0;
  };
  struct Slot {
    uint64_t id = 0;
    Segment* segment = nullptr;  // null: free
    size_t offset = 0;
    // Bytes kept free for its end.
    int64_t reserve = 0;
  };
  struct Cursor {
    size_t segment = 0;  // index into segments_
    size_t offset = SpoolSegment::kBegin;
  };

  explicit UsageSpool(Options options);

  absl::Status Lock();
  absl::Status Recover(absl::Time now);
  std::string PathOf(uint64_t sequence) const;

  // Bytes that records of at most largest_record_ may take together, without
  // another file.
  int64_t Room() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Makes files until `bytes` more fit beside all that is reserved, as records
  // of `record` and less. False: the disk or the spool is full.
  bool MakeRoom(int64_t record, int64_t bytes, int64_t max_files)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool AddSpare() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void KeepSpare(std::unique_ptr<SpoolSegment> file)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  int64_t Files() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // The spare file is written to from now on.
  void TakeSpare() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Where a record goes for which there is room.
  Segment* SegmentFor(size_t record_size) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  uint32_t TakeSlot() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void FreeSlot(uint32_t slot) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void AppendOpened(Slot& slot, absl::string_view payload)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void AppendClosed(uint64_t id, absl::string_view payload)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // As unknown, as far as there is room.
  void CloseAbandoned() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // What lies before is delivered: deletes the files that are done with.
  void Advance(Cursor to) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Moves the openings in the oldest file to the newest. False: no room.
  bool CarryOver() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Syncs, and makes the next file before it is needed.
  void Maintain();

  const Options options_;
  const size_t segment_bytes_;
  const int64_t max_segments_;
  int lock_fd_ = -1;
  absl::Time opened_at_;  // set by Open

  std::atomic<int64_t> bytes_{0};
  std::atomic<int64_t> waiting_{0};
  std::atomic<int64_t> dropped_{0};

  mutable Mutex mu_;
  // Oldest first; the last one is written to.
  std::deque<std::unique_ptr<Segment>> segments_ ABSL_GUARDED_BY(mu_);
  // Empty files to be written to next, in this order.
  std::deque<std::unique_ptr<SpoolSegment>> spares_ ABSL_GUARDED_BY(mu_);
  uint64_t next_sequence_ ABSL_GUARDED_BY(mu_) = 1;
  uint64_t next_id_ ABSL_GUARDED_BY(mu_) = 1;
  std::vector<Slot> slots_ ABSL_GUARDED_BY(mu_);
  std::vector<uint32_t> free_slots_ ABSL_GUARDED_BY(mu_);
  int64_t open_ ABSL_GUARDED_BY(mu_) = 0;
  // Of all slots.
  int64_t reserved_ ABSL_GUARDED_BY(mu_) = 0;
  int64_t largest_record_ ABSL_GUARDED_BY(mu_) = 0;
  // Left open by an earlier process, and not yet closed for want of room.
  std::vector<uint32_t> abandoned_ ABSL_GUARDED_BY(mu_);
  Cursor delivered_ ABSL_GUARDED_BY(mu_);
  absl::Status health_ ABSL_GUARDED_BY(mu_);

  // Of the last Read: behind each of its rows. The reader's alone.
  std::vector<Cursor> read_;

  PeriodicThread maintenance_;
};

}  // namespace gateway::model_router

#endif  // GATEWAY_SERVICES_MODEL_ROUTER_USAGE_SPOOL_H_
