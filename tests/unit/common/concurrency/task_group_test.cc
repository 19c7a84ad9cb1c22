#include "common/concurrency/task_group.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/this_coro.hpp>

#include "common/concurrency/spawn.h"
#include "tests/support/fake_clock.h"

namespace gateway {
namespace {

class TaskGroupTest : public testing::Test {
 protected:
  Awaitable<void> Task() {
    most_ = std::max(most_, ++inside_);
    const bool slept = co_await clock_.SleepFor(absl::Seconds(1));
    if (slept) {
      ++finished_;
    } else {
      ++cancelled_;
    }
    --inside_;
  }

  Awaitable<void> Parent(int tasks, size_t max_parallel) {
    TaskGroup group(co_await boost::asio::this_coro::executor, max_parallel);
    for (int i = 0; i < tasks; ++i) {
      const bool room = co_await group.WaitForRoom();
      if (!room) break;
      group.Start(Task());
      ++started_;
    }
    co_await group.Join();
    joined_ = true;
    EXPECT_EQ(group.running(), 0u);
  }

  void Poll() {
    io_.poll();
    io_.restart();
  }

  FakeClock clock_;
  boost::asio::io_context io_;
  boost::asio::cancellation_signal signal_;
  int started_ = 0;
  int inside_ = 0;
  int most_ = 0;
  int finished_ = 0;
  int cancelled_ = 0;
  bool joined_ = false;
};

TEST_F(TaskGroupTest, RunsAtMostSoManyAtOnce) {
  Spawn(io_.get_executor(), Parent(10, 3), signal_.slot(), nullptr);
  Poll();
  EXPECT_EQ(started_, 3);
  EXPECT_EQ(inside_, 3);
  for (int i = 0; i < 3; ++i) {
    EXPECT_FALSE(joined_);
    clock_.Advance(absl::Seconds(1));
    Poll();
  }
  EXPECT_EQ(finished_, 9);
  clock_.Advance(absl::Seconds(1));
  Poll();
  EXPECT_TRUE(joined_);
  EXPECT_EQ(finished_, 10);
  EXPECT_EQ(most_, 3);
}

TEST_F(TaskGroupTest, CancellingTheParentWhileItWaitsForRoom) {
  Spawn(io_.get_executor(), Parent(10, 2), signal_.slot(), nullptr);
  Poll();
  signal_.emit(boost::asio::cancellation_type::terminal);
  Poll();
  EXPECT_TRUE(joined_);
  EXPECT_EQ(started_, 2);
  EXPECT_EQ(cancelled_, 2);
}

TEST_F(TaskGroupTest, CancellingTheParentWhileItJoins) {
  Spawn(io_.get_executor(), Parent(2, 2), signal_.slot(), nullptr);
  Poll();
  EXPECT_EQ(started_, 2);
  signal_.emit(boost::asio::cancellation_type::terminal);
  Poll();
  EXPECT_TRUE(joined_);
  EXPECT_EQ(cancelled_, 2);
}

TEST_F(TaskGroupTest, FlowsThatNeverWaitAreJoinedToo) {
  const auto parent = [&]() -> Awaitable<void> {
    TaskGroup group(co_await boost::asio::this_coro::executor, 2);
    const auto task = [&]() -> Awaitable<void> {
      ++finished_;
      co_return;
    };
    for (int i = 0; i < 100; ++i) {
      co_await group.WaitForRoom();
      group.Start(task());
    }
    co_await group.Join();
    joined_ = true;
  };
  Spawn(io_.get_executor(), parent(), signal_.slot(), nullptr);
  Poll();
  EXPECT_TRUE(joined_);
  EXPECT_EQ(finished_, 100);
}

TEST_F(TaskGroupTest, ACancelledGroupRefuses) {
  bool accepted = true;
  const auto parent = [&]() -> Awaitable<void> {
    TaskGroup group(co_await boost::asio::this_coro::executor, 2);
    group.Start(Task());
    co_await Yield();
    group.Cancel();
    accepted = co_await group.WaitForRoom();
    co_await group.Join();
  };
  Spawn(io_.get_executor(), parent(), signal_.slot(), nullptr);
  Poll();
  EXPECT_FALSE(accepted);
  EXPECT_EQ(cancelled_, 1);
}

}  // namespace
}  // namespace gateway
