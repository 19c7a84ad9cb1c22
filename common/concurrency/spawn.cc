#include "common/concurrency/spawn.h"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <cstdio>
#include <exception>
#include <utility>

namespace gateway {
namespace {

namespace this_coro = boost::asio::this_coro;

Awaitable<void> Root(Awaitable<void> flow) {
  co_await this_coro::throw_if_cancelled(false);
  co_await this_coro::reset_cancellation_state(
      boost::asio::enable_total_cancellation());
  co_await std::move(flow);
}

void Report(std::exception_ptr exception) {
  if (exception == nullptr) return;
  const char* what = "not a std::exception";
  try {
    std::rethrow_exception(exception);
  } catch (const std::exception& e) {
    what = e.what();
    std::fprintf(stderr, "a flow ended by an exception: %s\n", what);
  } catch (...) {
    std::fprintf(stderr, "a flow ended by an exception: %s\n", what);
  }
}

}  // namespace

void SpawnDetached(const boost::asio::any_io_executor& executor,
                   Awaitable<void> flow) {
  boost::asio::co_spawn(executor, Root(std::move(flow)), Report);
}

void Spawn(const boost::asio::any_io_executor& executor, Awaitable<void> flow,
           boost::asio::cancellation_slot cancel, std::function<void()> done) {
  boost::asio::co_spawn(
      executor, Root(std::move(flow)),
      boost::asio::bind_cancellation_slot(
          cancel, [done = std::move(done)](std::exception_ptr exception) {
            Report(exception);
            if (done) done();
          }));
}

Awaitable<bool> IsCancelled() {
  const auto state = co_await this_coro::cancellation_state;
  co_return state.cancelled() != boost::asio::cancellation_type::none;
}

Awaitable<void> Yield() {
  co_await boost::asio::post(co_await this_coro::executor,
                             boost::asio::use_awaitable);
}

}  // namespace gateway
