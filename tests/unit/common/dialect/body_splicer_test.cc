#include "common/dialect/body_splicer.h"

#include <gtest/gtest.h>

#include <utility>

namespace gateway::dialect {
namespace {

TEST(BodySplicerTest, AppliesEditsInTheOrderOfTheBody) {
  BodySplicer splicer("0123456789");
  splicer.Insert(10, "end");
  splicer.Replace({2, 4}, "xx");
  splicer.Insert(0, "a");
  splicer.Insert(0, "b");
  splicer.Replace({5, 6}, "");
  SplicedBody body = splicer.Finish();
  EXPECT_EQ(body.Flatten(), "ab01xx46789end");
  EXPECT_EQ(body.size(), body.Flatten().size());
  const SplicedBody moved = std::move(body);
  EXPECT_EQ(moved.Flatten(), "ab01xx46789end");
}

TEST(BodySplicerTest, GivesTheCallersBytesWithoutACopy) {
  const std::string body(1000, 'x');
  const SplicedBody spliced = BodySplicer(body).Finish();
  ASSERT_EQ(spliced.segments().size(), 1u);
  EXPECT_EQ(spliced.segments()[0].data(), body.data());
}

}  // namespace
}  // namespace gateway::dialect
