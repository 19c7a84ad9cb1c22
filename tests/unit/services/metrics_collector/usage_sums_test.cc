#include "services/metrics_collector/usage_sums.h"

#include "gmock/gmock.h"
#include "tests/unit/services/metrics_collector/records.h"

namespace gateway::metrics_collector {
namespace {

TEST(UsageSumsTest, AddsTokensAndRoundsMoneyOnce) {
  UsageSums sums({});
  // 3 x 1500 pico-dollars are 4.5 nano-dollars: 5, not 3 x 2.
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(sums.Add(Row("r", i + 1, 1)).ok());
  const std::vector<v1::UsageSum> taken = sums.Take();
  ASSERT_EQ(taken.size(), 1u);
  EXPECT_EQ(taken[0].attempts(), 3);
  EXPECT_EQ(taken[0].usage().uncached_input_tokens(), 30);
  EXPECT_EQ(taken[0].usage().output_tokens(), 15);
  EXPECT_EQ(taken[0].cost_nano_usd(), 5);
}

TEST(UsageSumsTest, KeepsUnpricedApart) {
  UsageSums sums({});
  v1::UsageRow unpriced = Row("r", 1, 1);
  unpriced.mutable_cost()->set_priced(false);
  ASSERT_TRUE(sums.Add(unpriced).ok());
  ASSERT_TRUE(sums.Add(Row("r", 2, 1)).ok());
  const v1::UsageSum sum = sums.Take()[0];
  EXPECT_EQ(sum.attempts(), 2);
  EXPECT_EQ(sum.unpriced_attempts(), 1);
  EXPECT_EQ(sum.unpriced_tokens(), 15);
  EXPECT_EQ(sum.cost_nano_usd(), 2);
}

TEST(UsageSumsTest, CountsWhatIsEstimatedOrUnknown) {
  UsageSums sums({});
  v1::UsageRow unknown = Row("r", 1, 1);
  unknown.set_outcome(v1::OUTCOME_UNKNOWN);
  unknown.mutable_usage()->set_source(chat::v1::USAGE_SOURCE_UNKNOWN);
  v1::UsageRow estimated = Row("r", 2, 1);
  estimated.mutable_usage()->set_source(chat::v1::USAGE_SOURCE_ESTIMATED);
  ASSERT_TRUE(sums.Add(unknown).ok());
  ASSERT_TRUE(sums.Add(estimated).ok());
  const v1::UsageSum sum = sums.Take()[0];
  EXPECT_EQ(sum.unknown_attempts(), 1);
  EXPECT_EQ(sum.estimated_attempts(), 1);
}

TEST(UsageSumsTest, GroupsByValuesInTheGivenOrder) {
  UsageSums sums({v1::USAGE_GROUP_MODEL, v1::USAGE_GROUP_TENANT});
  v1::UsageRow other = Row("r", 1, 1);
  other.set_model("a");
  ASSERT_TRUE(sums.Add(Row("r", 1, 1)).ok());
  ASSERT_TRUE(sums.Add(other).ok());
  const std::vector<v1::UsageSum> taken = sums.Take();
  ASSERT_EQ(taken.size(), 2u);
  EXPECT_THAT(taken[0].group(), testing::ElementsAre("a", "acme"));
  EXPECT_THAT(taken[1].group(), testing::ElementsAre("m", "acme"));
}

TEST(UsageSumsTest, MoneyOfManyRowsDoesNotOverflow) {
  UsageSums sums({});
  v1::UsageRow row = Row("r", 1, 1);
  row.mutable_cost()->set_pico_usd(int64_t{1} << 62);
  for (int i = 0; i < 8; ++i) ASSERT_TRUE(sums.Add(row).ok());
  // 2^65 pico-dollars.
  EXPECT_EQ(sums.Take()[0].cost_nano_usd(), 36893488147419103);
}

TEST(UsageSumsTest, RefusesRepeatedAndUnknownGroups) {
  EXPECT_FALSE(
      UsageSums::Validate({v1::USAGE_GROUP_KEY, v1::USAGE_GROUP_KEY}).ok());
  EXPECT_FALSE(UsageSums::Validate({v1::USAGE_GROUP_UNSPECIFIED}).ok());
  EXPECT_FALSE(UsageSums::Validate({static_cast<v1::UsageGroup>(99)}).ok());
  EXPECT_TRUE(UsageSums::Validate({v1::USAGE_GROUP_KEY}).ok());
}

TEST(UsageSumsTest, BoundsTheNumberOfGroups) {
  UsageSums sums({v1::USAGE_GROUP_USER});
  v1::UsageRow row = Row("r", 1, 1);
  for (size_t i = 0; i < UsageSums::kMaxGroups; ++i) {
    row.mutable_account()->set_user(std::to_string(i));
    ASSERT_TRUE(sums.Add(row).ok());
  }
  row.mutable_account()->set_user("one too many");
  EXPECT_FALSE(sums.Add(row).ok());
  row.mutable_account()->set_user("0");
  EXPECT_TRUE(sums.Add(row).ok());
}

}  // namespace
}  // namespace gateway::metrics_collector
