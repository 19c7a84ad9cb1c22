#include "common/dialect/json_write.h"

#include <gtest/gtest.h>

#include <limits>
#include <random>

#include "common/dialect/json_ref.h"

namespace gateway::dialect {
namespace {

TEST(JsonWriteTest, WritesObjectsAndArrays) {
  std::string out;
  {
    JsonObject object(&out);
    object.String("s\"", "a\n\x01");
    object.Int("i", -5);
    object.Double("d", 0.1);
    object.Bool("b", true);
    object.Null("n");
    object.Raw("r", "1.50");
    JsonArray array(object.Member("a"));
    AppendJsonString("x", array.Element());
    JsonObject nested(array.Element());
  }
  EXPECT_EQ(out,
            "{\"s\\\"\":\"a\\n\\u0001\",\"i\":-5,\"d\":0.1,\"b\":true,"
            "\"n\":null,\"r\":1.50,\"a\":[\"x\",{}]}");
}

TEST(JsonWriteTest, WritesStringsThatReadBack) {
  std::mt19937 random(9);
  for (int i = 0; i < 2000; ++i) {
    std::string text;
    for (int length = random() % 40; length > 0; --length) {
      text.push_back(static_cast<char>(random() % 128));
    }
    if (random() % 2 == 0) text.append("\xF0\x9F\x98\x80");
    std::string json;
    AppendJsonString(text, &json);
    ASSERT_TRUE(ParseJson(json).has_value()) << json;
    ASSERT_EQ(JsonRef(json).AsString(), text);
  }
}

TEST(JsonWriteTest, WritesDoublesThatReadBack) {
  for (const double value : {0.7, 1.0, 1e300, -1.25e-7, 1.0 / 3}) {
    std::string json;
    AppendJsonDouble(value, &json);
    EXPECT_EQ(JsonRef(json).AsDouble(), value) << json;
  }
  std::string json;
  AppendJsonDouble(std::numeric_limits<double>::infinity(), &json);
  EXPECT_EQ(json, "null");
}

}  // namespace
}  // namespace gateway::dialect
