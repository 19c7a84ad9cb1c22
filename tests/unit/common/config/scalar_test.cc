#include "common/config/scalar.h"

#include <gtest/gtest.h>

#include "gateway/config/v1/config.pb.h"

namespace gateway::config {
namespace {

TEST(ScalarTest, ReadsDurations) {
  EXPECT_EQ(*ParseDuration("90"), absl::Seconds(90));
  EXPECT_EQ(*ParseDuration("90s"), absl::Seconds(90));
  EXPECT_EQ(*ParseDuration("500ms"), absl::Milliseconds(500));
  EXPECT_EQ(*ParseDuration("15m"), absl::Minutes(15));
  EXPECT_EQ(*ParseDuration("24h"), absl::Hours(24));
  for (const char* bad :
       {"", "s", "-1", "+1", "1.5s", "1d", "1 s", "ms", "99999999999"}) {
    EXPECT_FALSE(ParseDuration(bad).ok()) << bad;
  }
}

TEST(ScalarTest, ReadsSizesAndIntegers) {
  EXPECT_EQ(*ParseInteger("-3"), -3);
  EXPECT_EQ(*ParseInteger("64KiB"), 64 << 10);
  EXPECT_EQ(*ParseInteger("32MiB"), 32 << 20);
  EXPECT_EQ(*ParseInteger("4GiB"), int64_t{4} << 30);
  for (const char* bad : {"", "MiB", "1MB", "1.5", "0x1", "9223372036854775808",
                          "9223372036854775807KiB"}) {
    EXPECT_FALSE(ParseInteger(bad).ok()) << bad;
  }
}

TEST(ScalarTest, ReadsBooleans) {
  for (const char* yes : {"true", "1", "yes", "on", "TRUE"}) {
    EXPECT_TRUE(*ParseBool(yes)) << yes;
  }
  for (const char* no : {"false", "0", "no", "off"}) {
    EXPECT_FALSE(*ParseBool(no)) << no;
  }
  EXPECT_FALSE(ParseBool("maybe").ok());
}

TEST(ScalarTest, SetsEnumsByTheirShortName) {
  v1::Monitoring monitoring;
  const auto& field =
      *v1::Monitoring::descriptor()->FindFieldByName("contents");
  ASSERT_TRUE(SetScalar(field, "errors", &monitoring).ok());
  EXPECT_EQ(monitoring.contents(), v1::CONTENTS_ERRORS);
  EXPECT_EQ(SetScalar(field, "some", &monitoring).message(),
            "\"some\" is not one of off, errors, all");
  EXPECT_FALSE(SetScalar(field, "unspecified", &monitoring).ok());
}

TEST(ScalarTest, RefusesNumbersOutOfRange) {
  v1::Batch batch;
  const auto& field = *v1::Batch::descriptor()->FindFieldByName("size");
  EXPECT_FALSE(SetScalar(field, "4GiB", &batch).ok());
  EXPECT_TRUE(SetScalar(field, "64", &batch).ok());
  EXPECT_EQ(batch.size(), 64);
}

}  // namespace
}  // namespace gateway::config
