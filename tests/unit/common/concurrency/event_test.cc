#include "common/concurrency/event.h"

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <optional>

#include "common/concurrency/spawn.h"

namespace gateway {
namespace {

class EventTest : public testing::Test {
 protected:
  void StartWaiting(std::optional<bool>& result) {
    const auto flow = [](Event& event,
                         std::optional<bool>& out) -> Awaitable<void> {
      out = co_await event.Wait();
    };
    Spawn(io_.get_executor(), flow(event_, result), signal_.slot(), nullptr);
    io_.poll();
    io_.restart();
  }
  void Run() {
    io_.poll();
    io_.restart();
  }

  boost::asio::io_context io_;
  boost::asio::cancellation_signal signal_;
  Event event_{io_.get_executor()};
};

TEST_F(EventTest, SetWakesAllAndStaysSet) {
  std::optional<bool> a, b, late;
  StartWaiting(a);
  StartWaiting(b);
  EXPECT_EQ(a, std::nullopt);
  event_.Set();
  event_.Set();
  Run();
  EXPECT_EQ(a, true);
  EXPECT_EQ(b, true);
  StartWaiting(late);
  EXPECT_EQ(late, true);
}

TEST_F(EventTest, PulseWakesThoseWhoWaitNow) {
  std::optional<bool> a, late;
  StartWaiting(a);
  event_.Pulse();
  Run();
  EXPECT_EQ(a, false);
  StartWaiting(late);
  EXPECT_EQ(late, std::nullopt);
  event_.Set();
  Run();
  EXPECT_EQ(late, true);
}

TEST_F(EventTest, ResetMakesItWaitAgain) {
  std::optional<bool> a;
  event_.Set();
  event_.Reset();
  StartWaiting(a);
  EXPECT_EQ(a, std::nullopt);
  event_.Set();
  Run();
  EXPECT_EQ(a, true);
}

TEST_F(EventTest, CancellationEndsTheWait) {
  std::optional<bool> a;
  StartWaiting(a);
  signal_.emit(boost::asio::cancellation_type::terminal);
  Run();
  EXPECT_EQ(a, false);
}

}  // namespace
}  // namespace gateway
