#ifndef GATEWAY_COMMON_RPC_DEADLINE_H_
#define GATEWAY_COMMON_RPC_DEADLINE_H_

#include <absl/time/clock.h>
#include <absl/time/time.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <exception>
#include <optional>
#include <utility>

#include "common/rpc/wakeup.h"
#include "common/status/error.h"

namespace gateway::rpc {

// Runs `flow` and cancels it at `deadline`; the result of a flow that fails
// after that is DEADLINE_EXCEEDED. T is absl::Status or a StatusOr. What gRPC
// does for calls that cross it, and so only for those that do not.
template <class T>
Awaitable<T> WithDeadline(absl::Time deadline, Awaitable<T> flow) {
  if (deadline == absl::InfiniteFuture()) co_return co_await std::move(flow);

  const auto executor = co_await boost::asio::this_coro::executor;
  boost::asio::steady_timer timer(executor);
  boost::asio::cancellation_signal cancel;
  std::optional<T> result;
  auto root = [](Awaitable<T> inner) -> Awaitable<T> {
    co_await boost::asio::this_coro::throw_if_cancelled(false);
    co_return co_await std::move(inner);
  };
  auto end = [&](std::exception_ptr failed, T value) {
    if (failed) value = InternalError().Build();
    result.emplace(std::move(value));
    timer.cancel();
  };
  timer.expires_after(absl::ToChronoNanoseconds(
      std::min(deadline - absl::Now(), absl::Hours(24 * 365))));
  boost::asio::co_spawn(
      executor, root(std::move(flow)),
      boost::asio::bind_cancellation_slot(cancel.slot(), std::move(end)));
  bool expired = false;
  bool cancelled = false;
  while (!result) {
    const auto caller = co_await boost::asio::this_coro::cancellation_state;
    if (!expired && !cancelled) {
      cancelled = FlowCancelled(caller);
      // By the timer's clock, which never steps back.
      expired = !cancelled &&
                boost::asio::steady_timer::clock_type::now() >= timer.expiry();
      if (cancelled || expired) {
        timer.expires_at(boost::asio::steady_timer::time_point::max());
        cancel.emit(boost::asio::cancellation_type::terminal);
        continue;
      }
    }
    co_await timer.async_wait(kAwait);
  }
  if (expired && !result->ok()) co_return DeadlineExceeded().Build();
  co_return *std::move(result);
}

}  // namespace gateway::rpc

#endif  // GATEWAY_COMMON_RPC_DEADLINE_H_
