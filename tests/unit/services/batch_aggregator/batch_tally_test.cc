#include "services/batch_aggregator/batch_tally.h"

#include <gtest/gtest.h>

#include "common/status/error.h"
#include "services/batch_aggregator/batch_repository.h"

namespace gateway::batch_aggregator {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1'800'000'000);

stored::v1::Batch Running(int64_t items) {
  stored::v1::Batch batch;
  batch.set_batch_id("b");
  batch.set_state(v1::BATCH_STATE_RUNNING);
  batch.set_total_items(items);
  return batch;
}

v1::ItemResult Answer(int64_t tokens, std::optional<int64_t> pico_usd) {
  v1::ItemResult result;
  result.mutable_answer();
  result.mutable_usage()->set_output_tokens(tokens);
  if (pico_usd.has_value()) {
    result.mutable_cost()->set_priced(true);
    result.mutable_cost()->set_pico_usd(*pico_usd);
  }
  return result;
}

TEST(BatchTallyTest, EndsWithTheLastResult) {
  stored::v1::Batch batch = Running(2);
  AddResult(Answer(3, 10), kNow, absl::Hours(1), batch);
  EXPECT_FALSE(HasEnded(batch));
  EXPECT_FALSE(Describe(batch).has_end_time());
  AddResult(FailedResult("x", InvalidParameter("a", "b")), kNow, absl::Hours(1),
            batch);
  const v1::Batch described = Describe(batch);
  EXPECT_EQ(described.state(), v1::BATCH_STATE_SUCCEEDED);
  EXPECT_EQ(described.succeeded_items(), 1);
  EXPECT_EQ(described.failed_items(), 1);
  EXPECT_EQ(described.end_time().seconds(), 1'800'000'000);
  EXPECT_EQ(described.expire_time().seconds(), 1'800'003'600);
  EXPECT_FALSE(HasExpired(batch, kNow + absl::Minutes(59)));
  EXPECT_TRUE(HasExpired(batch, kNow + absl::Hours(1)));
}

TEST(BatchTallyTest, SumsUsageAndCostOrSaysThatAPriceIsMissing) {
  stored::v1::Batch batch = Running(3);
  AddResult(Answer(3, 10), kNow, absl::Hours(1), batch);
  AddResult(Answer(4, 20), kNow, absl::Hours(1), batch);
  EXPECT_EQ(Describe(batch).usage().output_tokens(), 7);
  EXPECT_TRUE(Describe(batch).cost().priced());
  EXPECT_EQ(Describe(batch).cost().pico_usd(), 30);
  AddResult(Answer(5, std::nullopt), kNow, absl::Hours(1), batch);
  EXPECT_EQ(Describe(batch).usage().output_tokens(), 12);
  EXPECT_FALSE(Describe(batch).cost().priced());
}

TEST(BatchTallyTest, ACancelledBatchEndsWhenItsItemsHave) {
  stored::v1::Batch batch = Running(2);
  EXPECT_TRUE(BeginCancel(batch));
  EXPECT_FALSE(BeginCancel(batch));
  AddResult(Answer(1, 1), kNow, absl::Hours(1), batch);
  EXPECT_EQ(batch.state(), v1::BATCH_STATE_CANCELLING);
  AddResult(FailedResult("x", absl::CancelledError("")), kNow, absl::Hours(1),
            batch);
  EXPECT_EQ(batch.state(), v1::BATCH_STATE_CANCELLED);
  EXPECT_EQ(batch.cancelled_items(), 1);
  EXPECT_FALSE(BeginCancel(batch));
}

TEST(BatchTallyTest, ABatchIdHoldsItsNumber) {
  const std::string id = MakeBatchId(77);
  EXPECT_EQ(BatchNumber(id), 77u);
  EXPECT_NE(MakeBatchId(77), id);
  EXPECT_EQ(BatchNumber(""), std::nullopt);
  EXPECT_EQ(BatchNumber("batch_7"), std::nullopt);
  EXPECT_EQ(BatchNumber("batch_" + std::string(32, 'z')), std::nullopt);
}

}  // namespace
}  // namespace gateway::batch_aggregator
