#ifndef GATEWAY_COMMON_RPC_INBOX_H_
#define GATEWAY_COMMON_RPC_INBOX_H_

#include <cstddef>
#include <utility>
#include <vector>

#include "common/concurrency/mutex.h"

namespace gateway::rpc {

// How much of a stream may wait in memory for its reader, per direction.
inline constexpr size_t kMaxPendingBytes = 256 * 1024;

// Messages of a stream that have arrived and are not yet dealt with. Reactions
// put them in and read on until kMaxPendingBytes wait; the flow takes all of
// them at once, and releases them when it has handed them on. Thread-safe.
template <class T>
class Inbox {
 public:
  // Where the next message is read into. Touched by one read at a time.
  T& slot() { return slot_; }

  // The message in the slot has arrived. Returns whether to read on; if not,
  // `before_pause` was called first, under the lock.
  template <class BeforePause>
  bool Add(BeforePause before_pause) {
    const size_t bytes = slot_.ByteSizeLong();
    MutexLock lock(mu_);
    messages_.push_back(std::move(slot_));
    pending_bytes_ += bytes;
    if (closed_) return false;
    paused_ = pending_bytes_ + taken_bytes_ >= kMaxPendingBytes;
    if (paused_) before_pause();
    return !paused_;
  }

  // No message will follow.
  void End() {
    MutexLock lock(mu_);
    ended_ = true;
  }

  // Swaps what has arrived with `messages`, which is empty. Returns false if
  // nothing has; `ended` tells whether nothing will.
  bool Take(std::vector<T>& messages, bool& ended) {
    MutexLock lock(mu_);
    messages.swap(messages_);
    taken_bytes_ = std::exchange(pending_bytes_, 0);
    ended = ended_;
    return !messages.empty();
  }

  // What was taken is dealt with. Returns true if reading had paused: the
  // caller reads on.
  bool Release() {
    MutexLock lock(mu_);
    taken_bytes_ = 0;
    if (!paused_ || pending_bytes_ >= kMaxPendingBytes) return false;
    paused_ = false;
    return true;
  }

  // Nothing will be taken any more. Returns true if reading had paused.
  bool Close() {
    MutexLock lock(mu_);
    closed_ = true;
    return std::exchange(paused_, false);
  }

 private:
  T slot_;

  Mutex mu_;
  std::vector<T> messages_ ABSL_GUARDED_BY(mu_);
  size_t pending_bytes_ ABSL_GUARDED_BY(mu_) = 0;
  size_t taken_bytes_ ABSL_GUARDED_BY(mu_) = 0;
  bool paused_ ABSL_GUARDED_BY(mu_) = false;
  bool ended_ ABSL_GUARDED_BY(mu_) = false;
  bool closed_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace gateway::rpc

#endif  // GATEWAY_COMMON_RPC_INBOX_H_
