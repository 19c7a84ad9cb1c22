#include "common/dialect/tool_call_numbering.h"

#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"

namespace gateway::dialect {
namespace {

constexpr std::nullopt_t kNone = std::nullopt;

TEST(ToolCallNumberingTest, FollowsDenseIndexes) {
  ToolCallNumbering calls;
  EXPECT_TRUE(calls.Locate(0, "a", "f")->opened);
  EXPECT_FALSE(calls.Locate(0, "", "")->opened);
  EXPECT_EQ(calls.Locate(1, "b", "f")->index, 1);
  EXPECT_EQ(calls.Locate(0, "", "")->index, 0);
  EXPECT_EQ(calls.Locate(1, "", "")->index, 1);
}

TEST(ToolCallNumberingTest, ClosesGaps) {
  ToolCallNumbering calls;
  EXPECT_EQ(calls.Locate(1, "a", "f")->index, 0);
  EXPECT_EQ(calls.Locate(5, "b", "f")->index, 1);
  EXPECT_EQ(calls.Locate(1, "", "")->index, 0);
}

TEST(ToolCallNumberingTest, OpensACallAtAnIndexThatIsTaken) {
  ToolCallNumbering calls;
  EXPECT_EQ(calls.Locate(0, "a", "f")->index, 0);
  EXPECT_EQ(calls.Locate(0, "b", "f")->index, 1);
  EXPECT_EQ(calls.Locate(0, "", "")->index, 1);
  EXPECT_EQ(calls.Locate(0, "", "g")->index, 2);
}

TEST(ToolCallNumberingTest, TakesRepeatedIdsAndNamesForOneCall) {
  ToolCallNumbering calls;
  EXPECT_TRUE(calls.Locate(0, "a", "f")->opened);
  EXPECT_FALSE(calls.Locate(0, "a", "f")->opened);
  EXPECT_EQ(calls.size(), 1);
}

TEST(ToolCallNumberingTest, DoesWithoutAnIndex) {
  ToolCallNumbering calls;
  EXPECT_EQ(calls.Locate(kNone, "a", "f")->index, 0);
  EXPECT_EQ(calls.Locate(kNone, "", "")->index, 0);
  EXPECT_EQ(calls.Locate(kNone, "b", "f")->index, 1);
  EXPECT_EQ(calls.Locate(kNone, "a", "")->index, 0);
  EXPECT_EQ(calls.Locate(kNone, "", "")->index, 1);
}

TEST(ToolCallNumberingTest, ContinuesTheLastCallAtAnUnknownIndex) {
  ToolCallNumbering calls;
  calls.Locate(0, "a", "f");
  const auto place = calls.Locate(3, "", "");
  EXPECT_EQ(place->index, 0);
  EXPECT_FALSE(place->opened);
}

TEST(ToolCallNumberingTest, WaitsForANameThatComesLater) {
  ToolCallNumbering calls;
  EXPECT_FALSE(calls.Locate(0, "a", "")->named);
  const auto place = calls.Locate(0, "", "f");
  EXPECT_FALSE(place->opened);
  EXPECT_TRUE(place->named);
}

TEST(ToolCallNumberingTest, IsBounded) {
  ToolCallNumbering calls;
  for (int i = 0; i < ToolCallNumbering::kMaxCalls; ++i) {
    ASSERT_TRUE(calls.Locate(i, absl::StrCat("c", i), "f").has_value());
  }
  EXPECT_FALSE(calls.Locate(kNone, "one more", "f").has_value());
}

}  // namespace
}  // namespace gateway::dialect
