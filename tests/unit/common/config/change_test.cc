#include "common/config/change.h"

#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include "gateway/config/v1/config.pb.h"

namespace gateway::config {
namespace {

v1::Config Config(const std::string& text) {
  v1::Config config;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &config));
  return config;
}

std::vector<std::string> Keys(const std::string& before,
                              const std::string& after) {
  std::vector<std::string> keys;
  for (const Change& change : ChangesBetween(Config(before), Config(after))) {
    keys.push_back(change.key + (change.needs_restart ? " (restart)" : ""));
  }
  return keys;
}

TEST(ChangeTest, NamesEachKeyThatDiffers) {
  EXPECT_THAT(
      Keys("streaming: true keys { id: 'a' } session { max_turns: 1 }",
           "streaming: true keys { id: 'b' } session { max_turns: 2 }"
           "monitoring { enabled: false request_log_bytes: 9 }"),
      testing::ElementsAre("session.maxTurns (restart)", "monitoring.enabled",
                           "monitoring.requestLogBytes (restart)", "keys"));
}

TEST(ChangeTest, AMapIsNamedByItsEntries) {
  EXPECT_THAT(Keys("models { key: 'a' value { created: 1 } }"
                   "models { key: 'b' value {} } models { key: 'c' value {} }",
                   "models { key: 'c' value {} }"
                   "models { key: 'a' value { created: 2 } }"
                   "models { key: 'd' value {} }"),
              testing::ElementsAre("models.a", "models.b", "models.d"));
}

TEST(ChangeTest, UnsetAndSetToItsDefaultDiffer) {
  EXPECT_THAT(Keys("", "streaming: true"), testing::ElementsAre("streaming"));
}

TEST(ChangeTest, KeepsWhatOnlyAStartReads) {
  const v1::Config running = Config(
      "session { max_turns: 1 } monitoring { queue_size: 3 enabled: true }"
      "threads: 4");
  v1::Config config = Config(
      "session { max_turns: 2 max_bytes: 5 } monitoring { enabled: false }"
      "threads: 8 streaming: false keys { id: 'a' }");
  KeepRestartOnly(running, &config);
  EXPECT_EQ(config.DebugString(),
            Config("streaming: false session { max_turns: 1 }"
                   "monitoring { queue_size: 3 enabled: false } threads: 4 "
                   "keys { id: 'a' }")
                .DebugString());
}

}  // namespace
}  // namespace gateway::config
