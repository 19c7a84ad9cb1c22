#ifndef GATEWAY_COMMON_CONCURRENCY_BOUNDED_QUEUE_H_
#define GATEWAY_COMMON_CONCURRENCY_BOUNDED_QUEUE_H_

#include <cstddef>
#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include "common/concurrency/mutex.h"

namespace gateway {

// First in, first out, between threads, of at most `capacity` elements.
// Pushing never waits: a full queue refuses. Thread-safe.
template <class T>
class BoundedQueue {
 public:
  explicit BoundedQueue(size_t capacity) : capacity_(capacity) {}

  // False if full or closed; `value` is then untouched.
  bool TryPush(T&& value) {
    {
      MutexLock lock(mu_);
      if (closed_ || queue_.size() >= capacity_) return false;
      queue_.push_back(std::move(value));
    }
    filled_.NotifyOne();
    return true;
  }

  // Waits for an element. nullopt once the queue is closed and empty.
  std::optional<T> Pop() {
    MutexLock lock(mu_);
    while (queue_.empty() && !closed_) filled_.Wait(mu_);
    return PopFront();
  }

  // nullopt if there is none.
  std::optional<T> TryPop() {
    MutexLock lock(mu_);
    return PopFront();
  }

  // All there is, without waiting, but at most `max`.
  std::vector<T> TryPopMany(size_t max) {
    std::vector<T> values;
    MutexLock lock(mu_);
    while (values.size() < max && !queue_.empty()) {
      values.push_back(std::move(queue_.front()));
      queue_.pop_front();
    }
    return values;
  }

  // Refuses what comes; what is in it can still be popped. Idempotent.
  void Close() {
    {
      MutexLock lock(mu_);
      closed_ = true;
    }
    filled_.NotifyAll();
  }

  size_t Size() const {
    MutexLock lock(mu_);
    return queue_.size();
  }
  size_t capacity() const { return capacity_; }

 private:
  std::optional<T> PopFront() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    if (queue_.empty()) return std::nullopt;
    std::optional<T> value(std::move(queue_.front()));
    queue_.pop_front();
    return value;
  }

  const size_t capacity_;
  mutable Mutex mu_;
  CondVar filled_;
  std::deque<T> queue_ ABSL_GUARDED_BY(mu_);
  bool closed_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace gateway

#endif  // GATEWAY_COMMON_CONCURRENCY_BOUNDED_QUEUE_H_
