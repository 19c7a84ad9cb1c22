#include "common/dialect/json_ref.h"

#include <gtest/gtest.h>

namespace gateway::dialect {
namespace {

TEST(JsonRefTest, FindsMembersByWhatTheySpell) {
  const JsonRef json(R"( {"a":1,"\u0062":{"c":[true,"x\n"]},"a":2} )");
  EXPECT_EQ(json.Get("a").AsInt64(), 2);
  EXPECT_EQ(json.Get("b").Get("c").Elements().size(), 2u);
  EXPECT_EQ(json.Get("b").Get("c").Elements()[1].AsString(), "x\n");
  EXPECT_EQ(json.Members().size(), 3u);
  EXPECT_EQ(json.Members()[1].key, "b");
  EXPECT_EQ(json.Members()[1].value.raw(), R"({"c":[true,"x\n"]})");
}

TEST(JsonRefTest, TakesNothingForAnotherType) {
  const JsonRef json(R"({"s":"1","n":1.5,"t":true,"z":null})");
  EXPECT_FALSE(json.Get("s").AsInt64().has_value());
  EXPECT_FALSE(json.Get("n").AsInt64().has_value());
  EXPECT_EQ(json.Get("n").AsDouble(), 1.5);
  EXPECT_FALSE(json.Get("n").AsString().has_value());
  EXPECT_FALSE(json.Get("s").AsBool().has_value());
  EXPECT_EQ(json.Get("t").AsBool(), true);
  EXPECT_TRUE(json.Get("z").absent());
  EXPECT_TRUE(json.Get("missing").absent());
  EXPECT_TRUE(json.Get("s").Members().empty());
  EXPECT_TRUE(json.Get("s").Get("x").absent());
}

TEST(JsonRefTest, ParsesWholeTextsOnly) {
  EXPECT_TRUE(ParseJson(" {} ").has_value());
  EXPECT_EQ(ParseJson(" {} ")->raw(), "{}");
  EXPECT_FALSE(ParseJson("{} {}").has_value());
  EXPECT_FALSE(ParseJson("").has_value());
  EXPECT_FALSE(ParseJson("\"\x80\"").has_value());
}

}  // namespace
}  // namespace gateway::dialect
