#include "common/concurrency/spawn.h"

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <optional>
#include <stdexcept>
#include <vector>

namespace gateway {
namespace {

TEST(SpawnTest, RunsTheFlowAndReportsItsEnd) {
  boost::asio::io_context io;
  boost::asio::cancellation_signal signal;
  std::vector<int> order;
  const auto flow = [&]() -> Awaitable<void> {
    order.push_back(1);
    co_await Yield();
    order.push_back(2);
  };
  Spawn(io.get_executor(), flow(), signal.slot(), [&] { order.push_back(3); });
  io.run();
  EXPECT_EQ(order, (std::vector<int>{1, 2, 3}));
}

TEST(SpawnTest, CancellationIsAnErrorCodeAndStaysVisible) {
  for (const auto type : {boost::asio::cancellation_type::terminal,
                          boost::asio::cancellation_type::total}) {
    boost::asio::io_context io;
    boost::asio::cancellation_signal signal;
    boost::system::error_code seen;
    std::optional<bool> before, after;
    bool later_wait_ran = false;
    const auto flow = [&]() -> Awaitable<void> {
      before = co_await IsCancelled();
      boost::asio::steady_timer timer(co_await boost::asio::this_coro::executor,
                                      std::chrono::hours(1));
      const auto [error] = co_await timer.async_wait(kAwait);
      seen = error;
      after = co_await IsCancelled();
      // What begins after the cancellation still runs: cleaning up may wait.
      timer.expires_after(std::chrono::milliseconds(1));
      const auto [second] = co_await timer.async_wait(kAwait);
      later_wait_ran = !second;
    };
    bool done = false;
    Spawn(io.get_executor(), flow(), signal.slot(), [&] { done = true; });
    io.poll();
    signal.emit(type);
    io.run();
    EXPECT_EQ(seen, boost::asio::error::operation_aborted);
    EXPECT_EQ(before, false);
    EXPECT_EQ(after, true);
    EXPECT_TRUE(later_wait_ran);
    EXPECT_TRUE(done);
  }
}

TEST(SpawnTest, AnExceptionEndsItsFlowAlone) {
  boost::asio::io_context io;
  boost::asio::cancellation_signal signal;
  const auto bad = []() -> Awaitable<void> {
    co_await Yield();
    throw std::runtime_error("on purpose");
  };
  bool other = false;
  const auto good = [&]() -> Awaitable<void> {
    for (int i = 0; i < 3; ++i) co_await Yield();
    other = true;
  };
  bool done = false;
  testing::internal::CaptureStderr();
  SpawnDetached(io.get_executor(), bad());
  Spawn(io.get_executor(), bad(), signal.slot(), [&] { done = true; });
  SpawnDetached(io.get_executor(), good());
  io.run();
  EXPECT_EQ(testing::internal::GetCapturedStderr(),
            "a flow ended by an exception: on purpose\n"
            "a flow ended by an exception: on purpose\n");
  EXPECT_TRUE(done);
  EXPECT_TRUE(other);
}

}  // namespace
}  // namespace gateway
