#ifndef GATEWAY_TESTS_SUPPORT_RUNNING_FLOW_H_
#define GATEWAY_TESTS_SUPPORT_RUNNING_FLOW_H_

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <chrono>
#include <exception>
#include <future>
#include <memory>
#include <thread>
#include <utility>

#include "common/concurrency/awaitable.h"

namespace gateway {

// A flow on an io thread, driven from the thread of a test. T is default
// constructible.
template <class T>
class RunningFlow {
 public:
  RunningFlow(boost::asio::io_context& io, Awaitable<T> flow)
      : io_(io), state_(std::make_shared<State>()) {
    result_ = state_->result.get_future();
    boost::asio::post(
        io, [state = state_, &io, flow = std::move(flow)]() mutable {
          auto end = [state](std::exception_ptr failed, T value) {
            if (failed) {
              state->result.set_exception(failed);
            } else {
              state->result.set_value(std::move(value));
            }
          };
          boost::asio::co_spawn(io, Root(std::move(flow)),
                                boost::asio::bind_cancellation_slot(
                                    state->cancel.slot(), std::move(end)));
        });
  }

  // Blocks until the flow has ended. Once.
  T Get() { return result_.get(); }

  // Whether it ends within the time.
  bool EndsWithin(std::chrono::milliseconds time) {
    return result_.wait_for(time) == std::future_status::ready;
  }

  void Cancel() {
    boost::asio::post(io_, [state = state_] {
      state->cancel.emit(boost::asio::cancellation_type::terminal);
    });
  }

 private:
  struct State {
    std::promise<T> result;
    boost::asio::cancellation_signal cancel;
  };

  static Awaitable<T> Root(Awaitable<T> flow) {
    co_await boost::asio::this_coro::throw_if_cancelled(false);
    co_return co_await std::move(flow);
  }

  boost::asio::io_context& io_;
  const std::shared_ptr<State> state_;
  std::future<T> result_;
};

template <class T>
T RunFlow(boost::asio::io_context& io, Awaitable<T> flow) {
  return RunningFlow<T>(io, std::move(flow)).Get();
}

// Whether `condition` comes true within `time`.
template <class Condition>
bool Eventually(Condition condition,
                std::chrono::milliseconds time = std::chrono::seconds(10)) {
  const auto end = std::chrono::steady_clock::now() + time;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

}  // namespace gateway

#endif  // GATEWAY_TESTS_SUPPORT_RUNNING_FLOW_H_
