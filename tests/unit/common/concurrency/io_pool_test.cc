#include "common/concurrency/io_pool.h"

#include <gtest/gtest.h>
#include <pthread.h>
#include <signal.h>

#include <boost/asio/post.hpp>
#include <future>
#include <string>
#include <thread>

namespace gateway {
namespace {

template <class F>
auto RunOn(boost::asio::io_context& io, F f) {
  std::promise<decltype(f())> promise;
  boost::asio::post(io, [&] { promise.set_value(f()); });
  return promise.get_future().get();
}

TEST(IoPoolTest, EachContextHasANamedThreadThatKnowsItsIndex) {
  IoPool pool(3, "test");
  ASSERT_EQ(pool.size(), 3u);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(RunOn(pool.At(i), [] { return IoPool::CurrentIndex(); }), i);
    EXPECT_TRUE(RunOn(pool.At(i), [&] { return pool.OnPoolThread(); }));
    const std::string name = RunOn(pool.At(i), [] {
      char buffer[16];
      pthread_getname_np(pthread_self(), buffer, sizeof(buffer));
      return std::string(buffer);
    });
    EXPECT_EQ(name, "test-" + std::to_string(i));
  }
  EXPECT_EQ(IoPool::CurrentIndex(), std::nullopt);
  EXPECT_FALSE(pool.OnPoolThread());
}

TEST(IoPoolTest, ThreadsLeaveSignalsToTheMainThread) {
  IoPool pool(1);
  EXPECT_TRUE(RunOn(pool.At(0), [] {
    sigset_t set;
    pthread_sigmask(SIG_SETMASK, nullptr, &set);
    return sigismember(&set, SIGTERM) == 1;
  }));
  sigset_t set;
  pthread_sigmask(SIG_SETMASK, nullptr, &set);
  EXPECT_EQ(sigismember(&set, SIGTERM), 0);
}

TEST(IoPoolTest, NextGoesRound) {
  IoPool pool(2);
  EXPECT_EQ(&pool.Next(), &pool.At(0));
  EXPECT_EQ(&pool.Next(), &pool.At(1));
  EXPECT_EQ(&pool.Next(), &pool.At(0));
}

TEST(IoPoolTest, StopJoinsAndIsIdempotent) {
  IoPool pool(2);
  RunOn(pool.At(0), [] { return 0; });
  pool.Stop();
  pool.Stop();
  EXPECT_TRUE(pool.At(0).stopped());
}

TEST(IoPoolTest, DefaultsToTheQuota) { EXPECT_GE(IoPool().size(), 1u); }

}  // namespace
}  // namespace gateway
