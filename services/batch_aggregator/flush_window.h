#ifndef GATEWAY_SERVICES_BATCH_AGGREGATOR_FLUSH_WINDOW_H_
#define GATEWAY_SERVICES_BATCH_AGGREGATOR_FLUSH_WINDOW_H_

#include <absl/time/time.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace gateway::batch_aggregator {

// An item of a batch, by the batch's number and its place in it.
struct ItemRef {
  uint64_t batch = 0;
  uint32_t index = 0;

  friend bool operator==(const ItemRef&, const ItemRef&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const ItemRef& ref) {
    return H::combine(std::move(h), ref.batch, ref.index);
  }
};

// Items wait by tenant and model.
struct QueueKey {
  std::string tenant;
  std::string model;

  friend auto operator<=>(const QueueKey&, const QueueKey&) = default;
};

struct WaitingItem {
  ItemRef ref;
  int64_t bytes = 0;
  absl::Time since;
};

enum class FlushReason {
  // As many items as a flush may hold.
  kSize,
  // The oldest has waited long enough.
  kWait,
  // The process is to end.
  kDrain,
  // Was on its way when the process before this one ended.
  kResume,
};

struct Flush {
  QueueKey queue;
  FlushReason reason = FlushReason::kSize;
  std::vector<WaitingItem> items;
};

struct FlushWindowOptions {
  // Most items of a flush.
  size_t size = 32;
  // An item waits no longer for its flush to fill.
  absl::Duration wait = absl::Seconds(1);
};

// Gathers items of one tenant and model, from any batches, until there are
// enough of them or the first has waited long enough. Thread-compatible.
class FlushWindow {
 public:
  // Whether a queue may have a flush now.
  using MayFlush = std::function<bool(const QueueKey&)>;

  explicit FlushWindow(const FlushWindowOptions& options) : options_(options) {}

  void Add(const QueueKey& queue, const WaitingItem& item);

  // The next flush that is due, of the queues in turn; nullopt if none is.
  std::optional<Flush> Take(absl::Time now, const MayFlush& may_flush);

  // One flush of each queue, due or not, reason kDrain.
  std::vector<Flush> TakeAll();

  // Takes out the items of a batch.
  std::vector<ItemRef> Remove(uint64_t batch);

  // When Take will have something; InfiniteFuture: not by waiting alone.
  absl::Time NextDue(const MayFlush& may_flush) const;

  // Items that wait.
  size_t size() const { return size_; }

 private:
  using Queue = std::deque<WaitingItem>;
  using Queues = std::map<QueueKey, Queue>;

  absl::Time DueTime(const Queue& queue) const;
  Flush TakeFrom(Queues::iterator queue, FlushReason reason);

  const FlushWindowOptions options_;
  Queues queues_;  // none is empty
  // The queue that was served last.
  QueueKey last_;
  size_t size_ = 0;
};

}  // namespace gateway::batch_aggregator

#endif  // GATEWAY_SERVICES_BATCH_AGGREGATOR_FLUSH_WINDOW_H_
