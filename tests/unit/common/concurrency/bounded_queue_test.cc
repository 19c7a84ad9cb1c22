#include "common/concurrency/bounded_queue.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

namespace gateway {
namespace {

TEST(BoundedQueueTest, RefusesWhenFullAndLeavesTheValue) {
  BoundedQueue<std::unique_ptr<int>> queue(1);
  EXPECT_TRUE(queue.TryPush(std::make_unique<int>(1)));
  auto refused = std::make_unique<int>(2);
  EXPECT_FALSE(queue.TryPush(std::move(refused)));
  ASSERT_NE(refused, nullptr);
  EXPECT_EQ(*refused, 2);
  EXPECT_EQ(queue.Size(), 1u);
  EXPECT_EQ(**queue.Pop(), 1);
  EXPECT_EQ(queue.TryPop(), std::nullopt);
}

TEST(BoundedQueueTest, CloseLetsWhatIsInOut) {
  BoundedQueue<int> queue(10);
  for (int i = 0; i < 3; ++i) queue.TryPush(int{i});
  queue.Close();
  EXPECT_FALSE(queue.TryPush(3));
  EXPECT_EQ(queue.TryPopMany(2), (std::vector<int>{0, 1}));
  EXPECT_EQ(queue.Pop(), 2);
  EXPECT_EQ(queue.Pop(), std::nullopt);
}

TEST(BoundedQueueTest, CloseWakesWhoWaits) {
  BoundedQueue<int> queue(10);
  std::jthread closer([&] { queue.Close(); });
  EXPECT_EQ(queue.Pop(), std::nullopt);
}

TEST(BoundedQueueTest, LosesNothingBetweenThreads) {
  constexpr int kEach = 10'000;
  BoundedQueue<int> queue(16);
  std::atomic<int64_t> sum = 0;
  {
    std::vector<std::jthread> readers;
    for (int r = 0; r < 3; ++r) {
      readers.emplace_back([&] {
        while (const auto value = queue.Pop()) sum += *value;
      });
    }
    {
      std::vector<std::jthread> writers;
      for (int w = 0; w < 3; ++w) {
        writers.emplace_back([&] {
          for (int i = 1; i <= kEach; ++i) {
            while (!queue.TryPush(int{i})) std::this_thread::yield();
          }
        });
      }
    }
    queue.Close();
  }
  EXPECT_EQ(sum, int64_t{3} * kEach * (kEach + 1) / 2);
}

}  // namespace
}  // namespace gateway
