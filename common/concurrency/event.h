#ifndef GATEWAY_COMMON_CONCURRENCY_EVENT_H_
#define GATEWAY_COMMON_CONCURRENCY_EVENT_H_

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>

#include "common/concurrency/awaitable.h"

namespace gateway {

// A flag that flows of ONE io thread wait for. Not thread-safe: another thread
// posts to the executor first. Must outlive its waiters, and may be destroyed
// by the one it woke.
class Event {
 public:
  explicit Event(const boost::asio::any_io_executor& executor);
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;

  // Wakes all waiters, present and future, until Reset. Idempotent.
  void Set();
  void Reset() { set_ = false; }
  bool is_set() const { return set_; }

  // Wakes those who wait now and stays unset: their Wait returns false, and
  // they look again at what they wait for.
  void Pulse();

  // True once set; false if the flow was cancelled, or by a Pulse.
  Awaitable<bool> Wait();

 private:
  boost::asio::steady_timer timer_;
  bool set_ = false;
};

}  // namespace gateway

#endif  // GATEWAY_COMMON_CONCURRENCY_EVENT_H_
