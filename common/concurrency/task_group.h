#ifndef GATEWAY_COMMON_CONCURRENCY_TASK_GROUP_H_
#define GATEWAY_COMMON_CONCURRENCY_TASK_GROUP_H_

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <cstddef>
#include <list>

#include "common/concurrency/awaitable.h"
#include "common/concurrency/event.h"

namespace gateway {

// Flows that run side by side on one io thread, at most `max_parallel` at
// once, and none of which outlives the group: whoever starts one joins it.
// Not thread-safe: all calls come from the executor's thread.
//
//   TaskGroup group(co_await this_coro::executor, 32);
//   for (Item& item : items) {
//     const bool room = co_await group.WaitForRoom();
//     if (!room) break;
//     group.Start(Send(item));
//   }
//   co_await group.Join();
class TaskGroup {
 public:
  TaskGroup(const boost::asio::any_io_executor& executor, size_t max_parallel);

  // Precondition: joined.
  ~TaskGroup();
  TaskGroup(const TaskGroup&) = delete;
  TaskGroup& operator=(const TaskGroup&) = delete;

  // True when one more may start; false once the calling flow or the group is
  // cancelled.
  Awaitable<bool> WaitForRoom();

  // Starts `flow`, room or not: it may run until it first waits before this
  // returns. Not after Cancel.
  void Start(Awaitable<void> flow);

  // Waits for all that were started. If the calling flow is cancelled
  // meanwhile, or has been before, so are they, and Join goes on to wait.
  Awaitable<void> Join();

  // Cancels what runs. There is no room from then on.
  void Cancel();

  size_t running() const { return running_.size(); }

 private:
  struct Task {
    boost::asio::cancellation_signal cancel;
  };

  const boost::asio::any_io_executor executor_;
  const size_t max_parallel_;
  std::list<Task> running_;
  std::list<Task> ended_while_emitting_;
  bool cancelled_ = false;
  bool emitting_ = false;
  Event ended_;  // pulsed whenever a flow ends
};

}  // namespace gateway

#endif  // GATEWAY_COMMON_CONCURRENCY_TASK_GROUP_H_
