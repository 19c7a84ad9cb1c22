#ifndef GATEWAY_COMMON_CONCURRENCY_BOUNDED_EXECUTOR_H_
#define GATEWAY_COMMON_CONCURRENCY_BOUNDED_EXECUTOR_H_

#include <atomic>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/concurrency/awaitable.h"
#include "common/concurrency/bounded_queue.h"

namespace gateway {

// Threads for work that blocks: RocksDB, files. Thread-safe. Stop it before the
// io threads of the flows that use it are destroyed.
class BoundedExecutor {
 public:
  struct Options {
    std::string name = "blocking";  // of the threads, "-<index>" is added
    size_t threads = 4;
    size_t queue_size = 1024;  // jobs that wait; beyond it Run refuses
  };

  explicit BoundedExecutor(Options options);
  // Stops. Must not run on one of its own threads.
  ~BoundedExecutor();
  BoundedExecutor(const BoundedExecutor&) = delete;
  BoundedExecutor& operator=(const BoundedExecutor&) = delete;

  // Runs `work`, which returns absl::Status or absl::StatusOr<T>, on one of
  // the threads, and resumes with its result on the calling flow's io thread.
  // UNAVAILABLE `overloaded` if the queue is full or the executor stopped;
  // INTERNAL if `work` throws. Cancellation does not cut it short: what `work`
  // points at stays in use until Run returns. A lambda that captures by copy
  // must have a name: `auto work = [k] {...}; co_await e.Run(std::move(work));`
  // (see awaitable.h).
  template <class Work>
  Awaitable<std::invoke_result_t<Work&>> Run(Work work);

  // Without a flow to resume. False if the queue is full or stopped.
  bool TryPost(std::function<void()> job);

  // Refuses what comes, runs what waits, joins. Idempotent.
  void Stop();

  size_t Waiting() const { return queue_.Size(); }
  size_t Running() const { return running_.load(std::memory_order_relaxed); }
  size_t queue_size() const { return queue_.capacity(); }

  // For how long each thread that works has been at its job, by its name.
  std::vector<std::pair<std::string, absl::Duration>> BusyFor() const;

 private:
  template <class Handler, class Work>
  struct Job;

  void Loop(size_t index);
  static absl::Status RefusedError();
  static absl::Status ThrewError();

  BoundedQueue<std::function<void()>> queue_;  // self-locking
  std::atomic<size_t> running_ = 0;
  const std::string name_;
  // When each thread's job began, in nanoseconds of the steady clock; 0: none.
  std::vector<std::atomic<int64_t>> since_;
  std::vector<std::jthread> threads_;  // set at construction
};

// ---------------------------------------------------------------------------

// A piece of work and the flow that waits for it.
template <class Handler, class Work>
struct BoundedExecutor::Job {
  using Result = std::invoke_result_t<Work&>;
  using Executor = boost::asio::associated_executor_t<Handler>;

  Job(Handler h, Work w)
      : resume(std::move(h)),
        executor(boost::asio::get_associated_executor(resume)),
        guard(executor),
        work(std::move(w)) {}

  void Run() {
    Result result = ThrewError();
    try {
      result = (*work)();
    } catch (...) {
    }
    // The flow may free what `work` points at as soon as it resumes.
    work.reset();
    Finish(std::move(result));
  }

  void Finish(Result result) {
    boost::asio::post(executor, [resume = std::move(resume),
                                 result = std::move(result)]() mutable {
      std::move(resume)(std::move(result));
    });
    guard.reset();
  }

  Handler resume;
  Executor executor;
  boost::asio::executor_work_guard<Executor> guard;
  std::optional<Work> work;
};

template <class Work>
Awaitable<std::invoke_result_t<Work&>> BoundedExecutor::Run(Work work) {
  // Runs when the flow awaits it, with the flow's own resumption as handler.
  const auto initiate = [this]<class Handler>(Handler handler, Work work) {
    const auto job = std::make_shared<Job<Handler, Work>>(std::move(handler),
                                                          std::move(work));
    if (!TryPost([job] { job->Run(); })) job->Finish(RefusedError());
  };
  return boost::asio::async_initiate<const boost::asio::use_awaitable_t<>,
                                     void(std::invoke_result_t<Work&>)>(
      initiate, boost::asio::use_awaitable, std::move(work));
}

}  // namespace gateway

#endif  // GATEWAY_COMMON_CONCURRENCY_BOUNDED_EXECUTOR_H_
