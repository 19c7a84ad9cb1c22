#include "common/dialect/openai_chat/answer_codec.h"

#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "common/dialect/openai_chat/envelope.h"
#include "common/status/error.h"
#include "tests/unit/common/dialect/chat_generator.h"
#include "tests/unit/common/dialect/json_normal.h"

namespace gateway::dialect::openai_chat {
namespace {

using chat::v1::ChatResponse;
using google::protobuf::util::MessageDifferencer;

MessageEncoding WithReasoning() {
  MessageEncoding encoding;
  encoding.reasoning_field = "reasoning_content";
  return encoding;
}

// In one spelling, without the zero counts of details and the empty lists that
// may be written or not.
std::string WithoutNoise(absl::string_view body) {
  std::string text = NormalJson(body);
  for (const char* noise :
       {"\"audio_tokens\":0,", ",\"audio_tokens\":0", "\"audio_tokens\":0",
        "\"cached_tokens\":0", "\"reasoning_tokens\":0",
        "\"completion_tokens_details\":{},", "\"prompt_tokens_details\":{},",
        "\"annotations\":[],", ",\"top_logprobs\":[]"}) {
    text = absl::StrReplaceAll(text, {{noise, ""}});
  }
  return text;
}

class RecordedAnswerTest : public testing::TestWithParam<const char*> {};

TEST_P(RecordedAnswerTest, EncodesToTheSameJson) {
  const std::string body =
      Testdata(absl::StrCat("answer_", GetParam(), ".json"));
  const auto decoded = DecodeAnswer(body);
  ASSERT_TRUE(std::holds_alternative<ChatResponse>(decoded));
  EXPECT_EQ(WithoutNoise(
                EncodeAnswer(std::get<ChatResponse>(decoded), WithReasoning())),
            WithoutNoise(body));
}

INSTANTIATE_TEST_SUITE_P(Bodies, RecordedAnswerTest,
                         testing::Values("plain", "tools", "choices"),
                         [](const auto& info) { return info.param; });

TEST(AnswerCodecTest, DecodesWhatItEncodes) {
  ChatShape shape;
  shape.dialect = std::string(kDialect);
  ChatGenerator generator(shape, 2);
  for (int i = 0; i < 500; ++i) {
    const ChatResponse answer = generator.Answer();
    const std::string body = EncodeAnswer(answer, WithReasoning());
    const auto decoded = DecodeAnswer(body);
    ASSERT_TRUE(std::holds_alternative<ChatResponse>(decoded)) << body;
    ASSERT_TRUE(
        MessageDifferencer::Equals(std::get<ChatResponse>(decoded), answer))
        << body << std::get<ChatResponse>(decoded).DebugString()
        << answer.DebugString();
    const auto summary = SummarizeAnswer(body);
    ASSERT_TRUE(std::holds_alternative<AnswerSummary>(summary));
    EXPECT_EQ(std::get<AnswerSummary>(summary).id, answer.id());
    EXPECT_EQ(std::get<AnswerSummary>(summary).finish_reason,
              answer.choices(0).finish_reason());
    EXPECT_EQ(std::get<AnswerSummary>(summary).usage.has_value(),
              answer.has_usage());
  }
}

// Both readers see the same fault.
std::string KindOf(absl::string_view body) {
  const auto decoded = DecodeAnswer(body);
  const auto summary = SummarizeAnswer(body);
  if (std::holds_alternative<ChatResponse>(decoded)) {
    EXPECT_TRUE(std::holds_alternative<AnswerSummary>(summary));
    return "answer";
  }
  const ProviderError& error = std::get<ProviderError>(decoded);
  EXPECT_EQ(std::get<ProviderError>(summary).kind, error.kind);
  EXPECT_FALSE(error.status.ok());
  return std::string(ProviderErrorKindName(error.kind));
}

TEST(AnswerCodecTest, KnowsWhatIsNoAnswer) {
  EXPECT_EQ(KindOf(""), "broken_answer");
  EXPECT_EQ(KindOf("<html>"), "broken_answer");
  EXPECT_EQ(KindOf("[]"), "broken_answer");
  EXPECT_EQ(KindOf("{}"), "broken_answer");
  EXPECT_EQ(KindOf(R"({"choices":[]})"), "broken_answer");
  EXPECT_EQ(KindOf(R"({"choices":[{"message":{"content":"x"}}]})"),
            "broken_answer");
  EXPECT_EQ(
      KindOf(
          R"({"choices":[{"finish_reason":"error","message":{"content":"x"}}]})"),
      "broken_answer");
  EXPECT_EQ(KindOf(R"({"error":{"code":429,"message":"slow"}})"),
            "rate_limited");
  EXPECT_EQ(
      KindOf(
          R"({"error":null,"choices":[{"finish_reason":"stop","message":{"content":"x"}}]})"),
      "answer");
}

TEST(AnswerCodecTest, GivesCallsWithoutAnIdTheSameOneEachTime) {
  const std::string body =
      R"({"id":"a","choices":[{"finish_reason":"tool_calls","message":{"tool_calls":[{"function":{"name":"f","arguments":{"x":1}}},{"id":"","function":{"name":"f"}}]}}]})";
  const auto answer = std::get<ChatResponse>(DecodeAnswer(body));
  const auto& content = answer.choices(0).message().content();
  ASSERT_EQ(content.size(), 2);
  EXPECT_EQ(content[0].tool_call().id(), MakeToolCallId("a", 0, 0));
  EXPECT_EQ(content[0].tool_call().arguments(), "{\"x\":1}");
  EXPECT_NE(content[0].tool_call().id(), content[1].tool_call().id());
}

TEST(FinishReasonTest, KnowsWhatCompatibleServersSayInstead) {
  const struct {
    const char* spelling;
    chat::v1::FinishReason reason;
  } rows[] = {{"stop", chat::v1::FINISH_REASON_STOP},
              {"STOP", chat::v1::FINISH_REASON_STOP},
              {"eos", chat::v1::FINISH_REASON_STOP},
              {"eos_token", chat::v1::FINISH_REASON_STOP},
              {"end_turn", chat::v1::FINISH_REASON_STOP},
              {"pause_turn", chat::v1::FINISH_REASON_STOP},
              {"stop_sequence", chat::v1::FINISH_REASON_STOP},
              {"max_tokens", chat::v1::FINISH_REASON_LENGTH},
              {"MAX_TOKENS", chat::v1::FINISH_REASON_LENGTH},
              {"model_length", chat::v1::FINISH_REASON_LENGTH},
              {"model_context_window_exceeded", chat::v1::FINISH_REASON_LENGTH},
              {"tool_use", chat::v1::FINISH_REASON_TOOL_CALLS},
              {"function_call", chat::v1::FINISH_REASON_TOOL_CALLS},
              {"refusal", chat::v1::FINISH_REASON_CONTENT_FILTER},
              {"SAFETY", chat::v1::FINISH_REASON_CONTENT_FILTER},
              {"recitation", chat::v1::FINISH_REASON_CONTENT_FILTER},
              {"blocklist", chat::v1::FINISH_REASON_CONTENT_FILTER},
              {"prohibited_content", chat::v1::FINISH_REASON_CONTENT_FILTER},
              {"spii", chat::v1::FINISH_REASON_CONTENT_FILTER}};
  for (const auto& row : rows) {
    EXPECT_EQ(ParseFinishReason(row.spelling), row.reason) << row.spelling;
  }
  for (const char* broken : {"abort", "error", "", "malformed_function_call"}) {
    EXPECT_FALSE(ParseFinishReason(broken).has_value()) << broken;
  }
  // What is written is the dialect's own.
  EXPECT_EQ(FinishReasonName(chat::v1::FINISH_REASON_STOP), "stop");
  EXPECT_EQ(FinishReasonName(chat::v1::FINISH_REASON_LENGTH), "length");
  EXPECT_EQ(FinishReasonName(chat::v1::FINISH_REASON_TOOL_CALLS), "tool_calls");
  EXPECT_EQ(FinishReasonName(chat::v1::FINISH_REASON_CONTENT_FILTER),
            "content_filter");
}

}  // namespace
}  // namespace gateway::dialect::openai_chat
