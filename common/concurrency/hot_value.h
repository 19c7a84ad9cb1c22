#ifndef GATEWAY_COMMON_CONCURRENCY_HOT_VALUE_H_
#define GATEWAY_COMMON_CONCURRENCY_HOT_VALUE_H_

#include <utility>

#include "common/concurrency/mutex.h"

namespace gateway {

// A value that may be replaced while others read it; each reads all of one.
// Thread-safe.
template <class T>
class HotValue {
 public:
  explicit HotValue(T value = T()) : value_(std::move(value)) {}

  T Get() const {
    MutexLock lock(mu_);
    return value_;
  }
  void Set(T value) {
    MutexLock lock(mu_);
    std::swap(value_, value);
    // What it was is destroyed by the caller, without the lock.
  }

 private:
  mutable Mutex mu_;
  T value_ ABSL_GUARDED_BY(mu_);
};

}  // namespace gateway

#endif  // GATEWAY_COMMON_CONCURRENCY_HOT_VALUE_H_
