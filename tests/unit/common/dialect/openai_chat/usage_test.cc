#include "common/dialect/openai_chat/usage.h"

#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include "tests/unit/common/dialect/chat_generator.h"

namespace gateway::dialect::openai_chat {
namespace {

chat::v1::Usage Decode(absl::string_view json) {
  const auto usage = DecodeUsage(JsonRef(json));
  EXPECT_TRUE(usage.has_value()) << json;
  return usage.value_or(chat::v1::Usage());
}

TEST(UsageTest, DecodesWhatItEncodes) {
  ChatGenerator generator({}, 3);
  for (int i = 0; i < 200; ++i) {
    const chat::v1::Usage usage = generator.Usage();
    std::string json;
    WriteUsage(usage, &json);
    EXPECT_TRUE(
        google::protobuf::util::MessageDifferencer::Equals(Decode(json), usage))
        << json;
  }
}

TEST(UsageTest, SplitsThePrompt) {
  const auto usage = Decode(
      R"({"prompt_tokens":100,"completion_tokens":20,"total_tokens":120,
          "prompt_tokens_details":{"cached_tokens":60,"cache_write_tokens":10,
                                   "audio_tokens":5},
          "completion_tokens_details":{"reasoning_tokens":7,"audio_tokens":2}})");
  EXPECT_EQ(usage.uncached_input_tokens(), 30);
  EXPECT_EQ(usage.cached_input_tokens(), 60);
  EXPECT_EQ(usage.cache_write_5m_tokens(), 10);
  EXPECT_EQ(usage.output_tokens(), 20);
  EXPECT_EQ(usage.reasoning_tokens(), 7);
  EXPECT_EQ(usage.audio_input_tokens(), 5);
  EXPECT_EQ(usage.audio_output_tokens(), 2);
  EXPECT_EQ(usage.source(), chat::v1::USAGE_SOURCE_PROVIDER);
}

TEST(UsageTest, AddsReasoningThatIsCountedBesideTheCompletion) {
  const auto beside = Decode(
      R"({"prompt_tokens":10,"completion_tokens":5,"total_tokens":115,
          "completion_tokens_details":{"reasoning_tokens":100}})");
  EXPECT_EQ(beside.output_tokens(), 105);
  EXPECT_EQ(beside.reasoning_tokens(), 100);
}

TEST(UsageTest, ReadsTheCacheHitsOfOtherServers) {
  EXPECT_EQ(Decode(R"({"prompt_tokens":10,"completion_tokens":5,
                       "prompt_cache_hit_tokens":4})")
                .cached_input_tokens(),
            4);
}

TEST(UsageTest, DropsDetailsThatDoNotFit) {
  const auto usage = Decode(
      R"({"prompt_tokens":10,"completion_tokens":5,
          "prompt_tokens_details":{"cached_tokens":11,"audio_tokens":12},
          "completion_tokens_details":{"reasoning_tokens":6}})");
  EXPECT_EQ(usage.uncached_input_tokens(), 10);
  EXPECT_EQ(usage.cached_input_tokens(), 0);
  EXPECT_EQ(usage.audio_input_tokens(), 0);
  EXPECT_EQ(usage.output_tokens(), 5);
  EXPECT_EQ(usage.reasoning_tokens(), 0);
}

TEST(UsageTest, TakesWhatCannotBeForMissing) {
  for (const char* json :
       {"null", "{}", "[]", R"({"prompt_tokens":1})",
        R"({"prompt_tokens":0,"completion_tokens":0})",
        R"({"prompt_tokens":-1,"completion_tokens":1})",
        R"({"prompt_tokens":1,"completion_tokens":-1})",
        R"({"prompt_tokens":1.5,"completion_tokens":1})",
        R"({"prompt_tokens":"1","completion_tokens":1})",
        R"({"prompt_tokens":1000000001,"completion_tokens":1})"}) {
    EXPECT_FALSE(DecodeUsage(JsonRef(json)).has_value()) << json;
  }
}

TEST(UsageTest, IsFoundInABodyThatIsNoGood) {
  const auto usage = FindUsage(
      R"({"choices":null,"usage":{"prompt_tokens":3,"completion_tokens":4}})");
  ASSERT_TRUE(usage.has_value());
  EXPECT_EQ(usage->output_tokens(), 4);
  EXPECT_FALSE(FindUsage(R"({"error":{"message":"x"}})").has_value());
  EXPECT_FALSE(FindUsage("<html>").has_value());
}

}  // namespace
}  // namespace gateway::dialect::openai_chat
