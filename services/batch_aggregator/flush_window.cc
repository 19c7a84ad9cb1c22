#include "services/batch_aggregator/flush_window.h"

#include <algorithm>

namespace gateway::batch_aggregator {

void FlushWindow::Add(const QueueKey& queue, const WaitingItem& item) {
  queues_[queue].push_back(item);
  ++size_;
}

absl::Time FlushWindow::DueTime(const Queue& queue) const {
  if (queue.size() >= options_.size) return absl::InfinitePast();
  return queue.front().since + options_.wait;
}

std::optional<Flush> FlushWindow::Take(absl::Time now,
                                       const MayFlush& may_flush) {
  auto queue = queues_.upper_bound(last_);
  for (size_t i = 0; i < queues_.size(); ++i, ++queue) {
    if (queue == queues_.end()) queue = queues_.begin();
    if (DueTime(queue->second) > now || !may_flush(queue->first)) continue;
    last_ = queue->first;
    return TakeFrom(queue, queue->second.size() >= options_.size
                               ? FlushReason::kSize
                               : FlushReason::kWait);
  }
  return std::nullopt;
}

std::vector<Flush> FlushWindow::TakeAll() {
  std::vector<Flush> flushes;
  for (auto queue = queues_.begin(); queue != queues_.end();) {
    const auto next = std::next(queue);
    flushes.push_back(TakeFrom(queue, FlushReason::kDrain));
    queue = next;
  }
  return flushes;
}

Flush FlushWindow::TakeFrom(Queues::iterator queue, FlushReason reason) {
  Queue& items = queue->second;
  const auto end = items.begin() + std::min(items.size(), options_.size);
  Flush flush{queue->first, reason, {items.begin(), end}};
  items.erase(items.begin(), end);
  size_ -= flush.items.size();
  if (items.empty()) queues_.erase(queue);
  return flush;
}

std::vector<ItemRef> FlushWindow::Remove(uint64_t batch) {
  std::vector<ItemRef> removed;
  for (auto queue = queues_.begin(); queue != queues_.end();) {
    std::erase_if(queue->second, [&](const WaitingItem& item) {
      if (item.ref.batch != batch) return false;
      removed.push_back(item.ref);
      return true;
    });
    queue = queue->second.empty() ? queues_.erase(queue) : std::next(queue);
  }
  size_ -= removed.size();
  return removed;
}

absl::Time FlushWindow::NextDue(const MayFlush& may_flush) const {
  absl::Time next = absl::InfiniteFuture();
  for (const auto& [key, queue] : queues_) {
    const absl::Time due = DueTime(queue);
    if (due < next && may_flush(key)) next = due;
  }
  return next;
}

}  // namespace gateway::batch_aggregator
