#include "common/resilience/concurrency_limit.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <utility>
#include <vector>

namespace gateway {
namespace {

TEST(ConcurrencyLimitTest, RefusesBeyondTheLimit) {
  ConcurrencyLimit limit(2);
  auto first = limit.TryAcquire();
  auto second = limit.TryAcquire();
  EXPECT_TRUE(first && second);
  EXPECT_FALSE(limit.TryAcquire());
  EXPECT_EQ(limit.in_use(), 2);
  first.reset();
  EXPECT_EQ(limit.in_use(), 1);
  EXPECT_TRUE(limit.TryAcquire());
}

TEST(ConcurrencyLimitTest, ZeroOnlyCounts) {
  ConcurrencyLimit limit(0);
  std::vector<ConcurrencyLimit::Permit> permits;
  for (int i = 0; i < 1000; ++i) permits.push_back(*limit.TryAcquire());
  EXPECT_EQ(limit.in_use(), 1000);
  permits.clear();
  EXPECT_EQ(limit.in_use(), 0);
}

TEST(ConcurrencyLimitTest, TakesAmounts) {
  ConcurrencyLimit limit(100);
  auto permit = limit.TryAcquire(60);
  EXPECT_FALSE(limit.TryAcquire(41));
  EXPECT_FALSE(limit.TryAcquire(INT64_MAX));
  EXPECT_TRUE(permit->TryGrow(40));
  EXPECT_FALSE(permit->TryGrow(1));
  EXPECT_EQ(permit->amount(), 100);
  permit->Release();
  permit->Release();
  EXPECT_EQ(limit.in_use(), 0);
}

TEST(ConcurrencyLimitTest, MovingAPermitKeepsItsShare) {
  ConcurrencyLimit limit(5);
  ConcurrencyLimit::Permit a = *limit.TryAcquire(2);
  ConcurrencyLimit::Permit b = *limit.TryAcquire(3);
  a = std::move(b);
  EXPECT_EQ(limit.in_use(), 3);
  const ConcurrencyLimit::Permit c(std::move(a));
  EXPECT_EQ(limit.in_use(), 3);
  EXPECT_EQ(c.amount(), 3);
}

TEST(ConcurrencyLimitTest, HoldsBetweenThreads) {
  ConcurrencyLimit limit(3);
  std::atomic<int> inside = 0;
  std::atomic<int> most = 0;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 8; ++t) {
      threads.emplace_back([&] {
        for (int i = 0; i < 5000; ++i) {
          const auto permit = limit.TryAcquire();
          if (!permit) continue;
          const int now = ++inside;
          int seen = most.load();
          while (now > seen && !most.compare_exchange_weak(seen, now)) {
          }
          --inside;
        }
      });
    }
  }
  EXPECT_LE(most.load(), 3);
  EXPECT_EQ(limit.in_use(), 0);
}

}  // namespace
}  // namespace gateway
