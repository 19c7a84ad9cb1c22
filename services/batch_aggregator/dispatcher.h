#ifndef GATEWAY_SERVICES_BATCH_AGGREGATOR_DISPATCHER_H_
#define GATEWAY_SERVICES_BATCH_AGGREGATOR_DISPATCHER_H_

#include <absl/container/flat_hash_map.h>
#include <absl/container/flat_hash_set.h>
#include <absl/random/random.h>
#include <absl/status/status.h>
#include <absl/time/time.h>

#include <atomic>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "common/clients/model_router.h"
#include "common/clients/session_store.h"
#include "common/concurrency/awaitable.h"
#include "common/concurrency/bounded_executor.h"
#include "common/concurrency/event.h"
#include "common/concurrency/task_group.h"
#include "common/time/clock.h"
#include "services/batch_aggregator/batch_repository.h"
#include "services/batch_aggregator/flush_window.h"
#include "services/batch_aggregator/item_sender.h"
#include "services/batch_aggregator/metrics.h"
#include "services/batch_aggregator/result_committer.h"
#include "services/batch_aggregator/result_watch.h"
#include "services/batch_aggregator/retry_policy.h"

namespace gateway::batch_aggregator {

struct DispatcherOptions {
  FlushWindowOptions window;
  // Sendings that run at once.
  size_t concurrency = 32;
  RetryOptions retry;
  // From the first sending of an item by this process to the end of the last.
  absl::Duration item_timeout = absl::Hours(1);
  // Of one call that plans a flush.
  absl::Duration plan_timeout = absl::Seconds(10);
};

// Brings every item of every open batch to its result: gathers them into
// flushes, plans each, sends its items, tries again what may be, and stores
// what comes back. All of it on one io thread; Announce, Add,
// Forget, Cancel, Drain and Active may be called on any.
//
// An item is, in this order: in the window; in a flush that is being planned
// and recorded; in a sending that is ready, runs or is held back until its next
// attempt; and gone, once its result is durable. Wherever it is when the
// process ends, it is on disk, and starts again at the window, or at a ready
// sending if its flush was recorded.
class Dispatcher {
 public:
  // All outlive it.
  struct Parts {
    BatchRepository* repository;
    BoundedExecutor* blocking;
    ModelRouter* router;
    SessionStore* sessions;
    Clock* clock;
    Metrics* metrics;
    ResultWatch* watch;
  };

  // `executor` is one io thread's.
  Dispatcher(const DispatcherOptions& options,
             const boost::asio::any_io_executor& executor, const Parts& parts);

  // Takes up what an earlier process left, and runs until it is cancelled;
  // then ends the calls that run, and leaves their items on disk.
  Awaitable<void> Run(BatchRepository::Unfinished unfinished);

  // A batch is about to be made: before anybody can see it, so that no Cancel
  // overtakes its Add. Add or Forget follows.
  void Announce(uint64_t batch);
  // It was made.
  void Add(OpenBatch batch);
  // It was not.
  void Forget(uint64_t batch);

  // A batch that is marked as being cancelled. Idempotent.
  void Cancel(uint64_t batch);

  // Sends what the windows hold, at most one flush each, and nothing more: no
  // flush after these, no second attempts. When that is done the watch closes.
  void Drain();

  // Items between their flush and their result, those held back excepted. Never
  // 0 from Drain on until the flushes that it starts are counted.
  size_t Active() const {
    const bool drain_begins = drain_begins_.load();
    return active_.load() + (drain_begins ? 1 : 0);
  }

 private:
  // A batch with items left.
  struct LiveBatch {
    std::string batch_id;
    common::v1::Account account;
    std::vector<std::string> models;
    int64_t left = 0;
    bool cancelled = false;
  };

  // Items that are answered by one call.
  struct Sending {
    QueueKey queue;
    std::string planned_target;
    // The first is sent. Emptied when they are answered or cancelled.
    std::vector<ItemRef> items;
    int attempts = 0;
    absl::Time deadline = absl::InfiniteFuture();
    boost::asio::cancellation_signal cancel;
  };
  using SendingPtr = std::shared_ptr<Sending>;

  void Resume(const BatchRepository::Unfinished& unfinished);
  void AddLive(const OpenBatch& batch,
               const absl::flat_hash_set<ItemRef>& flushed);

  // Starts all that can start now.
  void Advance();
  absl::Time NextWakeup() const;
  Awaitable<void> WaitUntil(absl::Time time);
  bool HasRoomForFlush() const;
  bool MayFlush(const QueueKey& queue) const;

  void StartFlush(Flush flush);
  Awaitable<void> PrepareFlush(Flush flush);
  // nullopt: the flush is not to go on, and its items wait on disk or have
  // their results.
  Awaitable<std::optional<std::string>> Plan(const Flush& flush,
                                             const std::vector<ItemRef>& items);
  Awaitable<std::optional<std::vector<std::string>>> Record(
      const QueueKey& queue, const std::string& planned_target,
      const std::vector<ItemRef>& items);
  void MakeReady(const QueueKey& queue, const std::string& planned_target,
                 const std::vector<ItemRef>& items,
                 const std::vector<std::string>& share_keys);

  void StartSending(const SendingPtr& sending);
  Awaitable<void> RunSending(SendingPtr sending);
  // The first item of the sending, unless it is gone; items that have their
  // results already are dropped, and damaged ones end as failed.
  Awaitable<absl::StatusOr<stored::v1::Item>> ReadFirst(Sending& sending);
  void HoldBack(const SendingPtr& sending, absl::Duration delay);
  void Release(absl::Time now);
  Awaitable<void> Answer(std::vector<ItemRef> items, v1::ItemResult result);
  // The same result for each, under its own custom id; those that have theirs
  // already are left out, and those that are damaged get an error.
  Awaitable<std::vector<NewResult>> EachGets(std::span<const ItemRef> items,
                                             v1::ItemResult result);

  void DoCancel(uint64_t batch);
  // Takes a batch's items from wherever they are, and ends calls that have no
  // others.
  std::vector<ItemRef> TakeOut(uint64_t batch);
  // Goes on without a batch that is damaged.
  void LetGo(uint64_t batch);
  // Takes a batch's items out of a sending. True if none are left.
  bool Strip(Sending& sending, uint64_t batch, std::vector<ItemRef>& removed);
  // Those of `items` whose batches are not cancelled; the others are given
  // their results.
  std::vector<ItemRef> DropCancelled(const std::vector<ItemRef>& items);
  // Ends items that were never answered, all with the same error.
  Awaitable<void> Fail(std::vector<ItemRef> items, absl::Status error);
  void StartCancelled(std::vector<ItemRef> items);
  void StartDamaged(std::vector<ItemRef> items);
  Awaitable<void> Commit(std::vector<NewResult> results);
  void Committed(const std::vector<NewResult>& results,
                 const BatchRepository::Appended& appended);
  // Waits a second, for the storage to come back. False: the process ends.
  Awaitable<bool> WaitForStorage();
  Awaitable<void> ShutDown();
  void Count();

  const DispatcherOptions options_;
  const boost::asio::any_io_executor executor_;
  const Parts parts_;
  ItemSender sender_;  // self-locking
  std::atomic<size_t> active_{0};
  // The flushes of a drain have not started yet.
  std::atomic<bool> drain_begins_{false};

  // The rest is of the io thread.
  absl::BitGen random_;
  ResultCommitter committer_;
  FlushWindow window_;
  absl::flat_hash_map<uint64_t, LiveBatch> batches_;
  // Items of flushes that are being prepared.
  size_t preparing_ = 0;
  std::deque<SendingPtr> ready_;
  absl::flat_hash_set<SendingPtr> running_;
  std::multimap<absl::Time, SendingPtr> held_back_;
  // How many of those each queue has; none is 0.
  std::map<QueueKey, size_t> held_back_of_;
  TaskGroup tasks_;
  // Something has changed.
  Event changed_;
  bool draining_ = false;
  bool stopping_ = false;
};

}  // namespace gateway::batch_aggregator

#endif  // GATEWAY_SERVICES_BATCH_AGGREGATOR_DISPATCHER_H_
