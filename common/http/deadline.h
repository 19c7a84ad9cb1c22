#ifndef GATEWAY_COMMON_HTTP_DEADLINE_H_
#define GATEWAY_COMMON_HTTP_DEADLINE_H_

#include <absl/time/clock.h>
#include <absl/time/time.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <utility>

namespace gateway::http {

using SteadyTime = std::chrono::steady_clock::time_point;

// `delay` from now; a year at most.
inline SteadyTime SteadyAfter(absl::Duration delay) {
  return std::chrono::steady_clock::now() +
         absl::ToChronoNanoseconds(std::min(delay, absl::Hours(24 * 365)));
}

// The same instant; SteadyTime::max() for InfiniteFuture.
inline SteadyTime SteadyOf(absl::Time time) {
  if (time == absl::InfiniteFuture()) return SteadyTime::max();
  return SteadyAfter(time - absl::Now());
}

// A deadline that moves with nearly every event. Moving it later costs a store:
// the timer fires at the old time, looks, and sleeps again. All calls on the io
// thread.
class Deadline {
 public:
  static constexpr SteadyTime kNever = SteadyTime::max();

  // `on_expired` runs on the io thread once per expiry.
  Deadline(boost::asio::io_context& io, std::function<void()> on_expired)
      : state_(std::make_shared<State>(io, std::move(on_expired))) {}
  ~Deadline() {
    state_->on_expired = nullptr;
    state_->timer.cancel();
  }
  Deadline(const Deadline&) = delete;
  Deadline& operator=(const Deadline&) = delete;

  void Set(SteadyTime at) {
    state_->at = at;
    if (at < state_->armed_for) Arm(state_, at);
  }
  void Clear() { state_->at = kNever; }

 private:
  struct State {
    State(boost::asio::io_context& io, std::function<void()> expired)
        : timer(io), on_expired(std::move(expired)) {}
    boost::asio::basic_waitable_timer<
        std::chrono::steady_clock,
        boost::asio::wait_traits<std::chrono::steady_clock>,
        boost::asio::io_context::executor_type>
        timer;
    std::function<void()> on_expired;
    SteadyTime at = kNever;
    SteadyTime armed_for = kNever;
  };

  static void Arm(const std::shared_ptr<State>& state, SteadyTime at) {
    state->armed_for = at;
    state->timer.expires_at(at);
    state->timer.async_wait([state](boost::system::error_code error) {
      // A wait that was armed anew ends here too.
      if (error || state->on_expired == nullptr) return;
      state->armed_for = kNever;
      if (state->at == kNever) return;
      if (std::chrono::steady_clock::now() < state->at) {
        Arm(state, state->at);
        return;
      }
      state->at = kNever;
      state->on_expired();
    });
  }

  std::shared_ptr<State> state_;
};

}  // namespace gateway::http

#endif  // GATEWAY_COMMON_HTTP_DEADLINE_H_
