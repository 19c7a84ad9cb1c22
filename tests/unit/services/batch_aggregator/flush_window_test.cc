#include "services/batch_aggregator/flush_window.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gateway::batch_aggregator {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;

const absl::Time kNow = absl::FromUnixSeconds(1'800'000'000);
const QueueKey kFirst{"acme", "m"};
const QueueKey kSecond{"acme", "n"};
const QueueKey kOther{"other", "m"};

bool Always(const QueueKey&) { return true; }

class FlushWindowTest : public testing::Test {
 protected:
  void Add(const QueueKey& queue, int count, uint64_t batch = 1,
           absl::Time since = kNow) {
    for (int i = 0; i < count; ++i) {
      window_.Add(queue, {{batch, next_++}, 10, since});
    }
  }

  FlushWindow window_{{.size = 3, .wait = absl::Seconds(5)}};
  uint32_t next_ = 0;
};

TEST_F(FlushWindowTest, FlushesBySizeAtOnce) {
  Add(kFirst, 2);
  EXPECT_FALSE(window_.Take(kNow, Always).has_value());
  Add(kFirst, 2, /*batch=*/2);
  EXPECT_EQ(window_.NextDue(Always), absl::InfinitePast());
  const auto flush = window_.Take(kNow, Always);
  ASSERT_TRUE(flush.has_value());
  EXPECT_EQ(flush->reason, FlushReason::kSize);
  EXPECT_EQ(flush->queue, kFirst);
  EXPECT_THAT(flush->items, SizeIs(3));
  EXPECT_EQ(flush->items[2].ref, (ItemRef{2, 2}));
  EXPECT_EQ(window_.size(), 1u);
  EXPECT_FALSE(window_.Take(kNow, Always).has_value());
}

TEST_F(FlushWindowTest, FlushesByTheWaitOfTheOldest) {
  Add(kFirst, 1, 1, kNow);
  Add(kFirst, 1, 1, kNow + absl::Seconds(4));
  EXPECT_EQ(window_.NextDue(Always), kNow + absl::Seconds(5));
  EXPECT_FALSE(window_.Take(kNow + absl::Seconds(4), Always).has_value());
  const auto flush = window_.Take(kNow + absl::Seconds(5), Always);
  ASSERT_TRUE(flush.has_value());
  EXPECT_EQ(flush->reason, FlushReason::kWait);
  EXPECT_THAT(flush->items, SizeIs(2));
  EXPECT_EQ(window_.NextDue(Always), absl::InfiniteFuture());
}

TEST_F(FlushWindowTest, NeverMixesTenantsOrModelsAndServesThemInTurn) {
  Add(kFirst, 6);
  Add(kSecond, 3);
  Add(kOther, 3);
  std::vector<QueueKey> served;
  while (const auto flush = window_.Take(kNow, Always)) {
    served.push_back(flush->queue);
  }
  EXPECT_THAT(served, ElementsAre(kFirst, kSecond, kOther, kFirst));
}

TEST_F(FlushWindowTest, PassesOverAQueueThatMayNotFlush) {
  Add(kFirst, 3);
  Add(kSecond, 3);
  const auto not_first = [](const QueueKey& queue) { return queue != kFirst; };
  EXPECT_EQ(window_.Take(kNow, not_first)->queue, kSecond);
  EXPECT_FALSE(window_.Take(kNow, not_first).has_value());
  EXPECT_EQ(window_.NextDue(not_first), absl::InfiniteFuture());
}

TEST_F(FlushWindowTest, ADrainTakesOneFlushOfEachQueue) {
  Add(kFirst, 4);
  Add(kSecond, 1);
  const std::vector<Flush> flushes = window_.TakeAll();
  ASSERT_THAT(flushes, SizeIs(2));
  EXPECT_EQ(flushes[0].reason, FlushReason::kDrain);
  EXPECT_THAT(flushes[0].items, SizeIs(3));
  EXPECT_THAT(flushes[1].items, SizeIs(1));
  EXPECT_EQ(window_.size(), 1u);
}

TEST_F(FlushWindowTest, RemovesTheItemsOfABatch) {
  Add(kFirst, 1, 1);
  Add(kFirst, 1, 2);
  Add(kSecond, 1, 1);
  EXPECT_THAT(window_.Remove(1), ElementsAre(ItemRef{1, 0}, ItemRef{1, 2}));
  EXPECT_EQ(window_.size(), 1u);
  EXPECT_THAT(window_.TakeAll(), SizeIs(1));
}

}  // namespace
}  // namespace gateway::batch_aggregator
