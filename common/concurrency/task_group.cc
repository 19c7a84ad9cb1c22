#include "common/concurrency/task_group.h"

#include <cassert>
#include <utility>

#include "common/concurrency/spawn.h"

namespace gateway {

TaskGroup::TaskGroup(const boost::asio::any_io_executor& executor,
                     size_t max_parallel)
    : executor_(executor), max_parallel_(max_parallel), ended_(executor) {}

TaskGroup::~TaskGroup() { assert(running_.empty()); }

Awaitable<bool> TaskGroup::WaitForRoom() {
  while (true) {
    const bool caller_cancelled = co_await IsCancelled();
    if (cancelled_ || caller_cancelled) co_return false;
    if (running_.size() < max_parallel_) co_return true;
    co_await ended_.Wait();
  }
}

void TaskGroup::Start(Awaitable<void> flow) {
  const auto task = running_.emplace(running_.end());
  Spawn(executor_, std::move(flow), task->cancel.slot(), [this, task] {
    // A signal must outlive its own emission.
    if (emitting_) {
      ended_while_emitting_.splice(ended_while_emitting_.end(), running_, task);
    } else {
      running_.erase(task);
    }
    ended_.Pulse();
  });
}

Awaitable<void> TaskGroup::Join() {
  while (!running_.empty()) {
    const bool caller_cancelled = co_await IsCancelled();
    if (caller_cancelled && !cancelled_) Cancel();
    co_await ended_.Wait();
  }
}

void TaskGroup::Cancel() {
  cancelled_ = true;
  emitting_ = true;
  for (auto it = running_.begin(); it != running_.end();) {
    const auto task = it++;  // may leave the list
    task->cancel.emit(boost::asio::cancellation_type::terminal);
  }
  emitting_ = false;
  ended_while_emitting_.clear();
  ended_.Pulse();
}

}  // namespace gateway
