#include "tests/support/fake_clock.h"

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <chrono>
#include <utility>
#include <vector>

namespace gateway {

struct FakeClock::Sleeper {
  explicit Sleeper(const boost::asio::any_io_executor& executor)
      : timer(executor, boost::asio::steady_timer::time_point::max()) {}

  boost::asio::steady_timer timer;  // of the io thread
  bool due = false;                 // of the io thread
};

struct FakeClock::State {
  mutable std::mutex mu;
  mutable std::condition_variable changed;
  absl::Time now;
  std::multimap<absl::Time, std::shared_ptr<Sleeper>> sleepers;
};

FakeClock::FakeClock(absl::Time now) : state_(std::make_shared<State>()) {
  state_->now = now;
}

FakeClock::~FakeClock() = default;

absl::Time FakeClock::Now() const {
  std::lock_guard lock(state_->mu);
  return state_->now;
}

Awaitable<bool> FakeClock::SleepUntil(absl::Time deadline) {
  const std::shared_ptr<State> state = state_;
  const auto executor = co_await boost::asio::this_coro::executor;
  const auto sleeper = std::make_shared<Sleeper>(executor);
  {
    std::lock_guard lock(state->mu);
    if (deadline <= state->now) {
      sleeper->timer.expires_after(std::chrono::seconds(0));
      sleeper->due = true;
    } else {
      state->sleepers.emplace(deadline, sleeper);
      state->changed.notify_all();
    }
  }
  co_await sleeper->timer.async_wait(kAwait);
  {
    std::lock_guard lock(state->mu);
    for (auto [it, end] = state->sleepers.equal_range(deadline); it != end;
         ++it) {
      if (it->second != sleeper) continue;
      state->sleepers.erase(it);
      break;
    }
  }
  co_return sleeper->due;
}

void FakeClock::Advance(absl::Duration duration) {
  AdvanceTo(Now() + duration);
}

void FakeClock::AdvanceTo(absl::Time time) {
  std::vector<std::shared_ptr<Sleeper>> due;
  {
    std::lock_guard lock(state_->mu);
    if (time > state_->now) state_->now = time;
    const auto end = state_->sleepers.upper_bound(state_->now);
    for (auto it = state_->sleepers.begin(); it != end; ++it) {
      due.push_back(std::move(it->second));
    }
    state_->sleepers.erase(state_->sleepers.begin(), end);
  }
  for (const auto& sleeper : due) {
    boost::asio::post(sleeper->timer.get_executor(), [sleeper] {
      sleeper->due = true;
      sleeper->timer.cancel();
    });
  }
}

size_t FakeClock::Sleepers() const {
  std::lock_guard lock(state_->mu);
  return state_->sleepers.size();
}

absl::Time FakeClock::NextWakeup() const {
  std::lock_guard lock(state_->mu);
  return state_->sleepers.empty() ? absl::InfiniteFuture()
                                  : state_->sleepers.begin()->first;
}

bool FakeClock::AwaitSleepers(size_t count) const {
  std::unique_lock lock(state_->mu);
  return state_->changed.wait_for(lock, std::chrono::seconds(10), [&] {
    return state_->sleepers.size() >= count;
  });
}

}  // namespace gateway
