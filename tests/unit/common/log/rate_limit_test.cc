#include "common/log/rate_limit.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace gateway::log {
namespace {

TEST(RateLimitTest, LetsOneThroughEachIntervalAndCountsTheRest) {
  RateLimit limit(absl::Seconds(10));
  const absl::Time start = absl::FromUnixSeconds(1'800'000'000);
  EXPECT_EQ(limit.Allow(start), 0u);
  EXPECT_EQ(limit.Allow(start + absl::Seconds(1)), std::nullopt);
  EXPECT_EQ(limit.Allow(start + absl::Seconds(9)), std::nullopt);
  EXPECT_EQ(limit.Allow(start + absl::Seconds(10)), 2u);
  EXPECT_EQ(limit.Allow(start + absl::Seconds(20)), 0u);
}

TEST(RateLimitTest, LosesNoCountBetweenThreads) {
  RateLimit limit(absl::Nanoseconds(50));
  std::atomic<uint64_t> seen = 0;
  constexpr int kEach = 20'000;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&] {
        for (int i = 0; i < kEach; ++i) {
          const auto passed = limit.Allow(absl::FromUnixNanos(i));
          if (passed) seen += 1 + *passed;
        }
      });
    }
  }
  const auto last = limit.Allow(absl::FromUnixSeconds(1));
  EXPECT_EQ(seen + *last, uint64_t{4} * kEach);
}

}  // namespace
}  // namespace gateway::log
