#include "common/dialect/opaque.h"

#include <gtest/gtest.h>

namespace gateway::dialect {
namespace {

using Extras = google::protobuf::RepeatedPtrField<chat::v1::OpaquePart>;

TEST(OpaqueTest, KeepsMembersAsTheyAreSpelled) {
  ExtraMembers members;
  members.Add("a", JsonRef("1.50"));
  members.Add("b\"", JsonRef("{\"x\": 1}"));
  members.Add("a", JsonRef("2.50"));
  Extras extras;
  members.AppendTo("d", &extras);
  ASSERT_EQ(extras.size(), 1);
  EXPECT_EQ(extras[0].dialect(), "d");
  EXPECT_EQ(extras[0].json(), R"({"a":2.50,"b\"":{"x": 1}})");
  const auto read = MembersOf(extras, "d");
  ASSERT_EQ(read.size(), 2u);
  EXPECT_EQ(read[1].key, "b\"");
  EXPECT_EQ(read[1].value.raw(), "{\"x\": 1}");
  EXPECT_TRUE(MembersOf(extras, "other").empty());
}

TEST(OpaqueTest, MakesNoPartOfNothing) {
  Extras extras;
  ExtraMembers().AppendTo("d", &extras);
  EXPECT_TRUE(extras.empty());
}

TEST(OpaqueTest, IgnoresWhatIsNoObject) {
  Extras extras;
  for (const char* json : {"{", "[]", "1", ""}) {
    extras.Add()->set_dialect("d");
    extras[extras.size() - 1].set_json(json);
  }
  EXPECT_TRUE(MembersOf(extras, "d").empty());
}

}  // namespace
}  // namespace gateway::dialect
