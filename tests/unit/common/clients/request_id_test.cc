#include "common/clients/request_id.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace gateway {
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

}  // namespace
}  // namespace gateway
