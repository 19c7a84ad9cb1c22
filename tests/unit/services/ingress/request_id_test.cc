#include "services/ingress/request_id.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace gateway::ingress {
namespace {

TEST(RequestIdTest, IsThirtyTwoHexDigitsBehindAPrefix) {
  for (int i = 0; i < 100; ++i) {
    EXPECT_THAT(NewRequestId(), ::testing::MatchesRegex("req_[0-9a-f]{32}"));
  }
}

TEST(RequestIdTest, IsNeverTheSame) {
  std::set<std::string> ids;
  for (int i = 0; i < 10000; ++i) ids.insert(NewRequestId());
  EXPECT_EQ(ids.size(), 10000u);
}

TEST(TraceparentTest, PassesAGoodOne) {
  const std::string good =
      "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  EXPECT_EQ(ValidTraceparent(good), good);
}

TEST(TraceparentTest, DropsABadOne) {
  for (const auto& bad :
       {"", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c+b7ad6b7169203331-01"}) {
    EXPECT_EQ(ValidTraceparent(bad), "") << bad;
  }
}

}  // namespace
}  // namespace gateway::ingress
