#include "common/time/clock.h"

#include <algorithm>
#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>

#include "absl/time/clock.h"

namespace gateway {
namespace {

// Timers follow the monotonic clock: a long wait looks at the time of day now
// and then, so that a step of it is noticed.
constexpr absl::Duration kLongestWait = absl::Minutes(1);

class SystemClock final : public Clock {
 public:
  absl::Time Now() const override { return absl::Now(); }

  Awaitable<bool> SleepUntil(absl::Time deadline) override {
    boost::asio::steady_timer timer(co_await boost::asio::this_coro::executor);
    do {
      // A wait that begins after the cancellation would not be cut short.
      const auto flow = co_await boost::asio::this_coro::cancellation_state;
      if (flow.cancelled() != boost::asio::cancellation_type::none) {
        co_return false;
      }
      const absl::Duration wait = std::min(deadline - Now(), kLongestWait);
      timer.expires_after(
          absl::ToChronoNanoseconds(std::max(wait, absl::ZeroDuration())));
      const auto [error] = co_await timer.async_wait(kAwait);
      if (error) co_return false;
    } while (Now() < deadline);
    co_return true;
  }
};

}  // namespace

Clock* RealClock() {
  static SystemClock* const clock = new SystemClock;
  return clock;
}

}  // namespace gateway
