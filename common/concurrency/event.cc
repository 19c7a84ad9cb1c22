#include "common/concurrency/event.h"

#include <memory>

namespace gateway {

Event::Event(const boost::asio::any_io_executor& executor)
    : timer_(executor, boost::asio::steady_timer::time_point::max()) {}

void Event::Set() {
  if (set_) return;
  set_ = true;
  timer_.cancel();
}

void Event::Pulse() { timer_.cancel(); }

Awaitable<bool> Event::Wait() {
  if (set_) co_return true;
  // Cancelled by Set, Pulse or the flow's own cancellation, never by time.
  co_await timer_.async_wait(kAwait);
  co_return set_;
}

}  // namespace gateway
