#include "common/dialect/answer_assembler.h"

#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/unit/common/dialect/chat_generator.h"

namespace gateway::dialect {
namespace {

using chat::v1::ChatDelta;
using google::protobuf::util::MessageDifferencer;

TEST(AnswerAssemblerTest, JoinsWhatDeltasTookApart) {
  ChatGenerator generator({}, 11);
  for (int i = 0; i < 300; ++i) {
    const chat::v1::ChatResponse answer = generator.Answer();
    std::vector<ChatDelta> deltas;
    for (const auto& choice : answer.choices()) AppendDeltas(choice, &deltas);
    AnswerAssembler assembler;
    for (const ChatDelta& delta : generator.CutUp(deltas)) {
      assembler.Add(delta);
    }
    const auto choices = assembler.Take();
    ASSERT_EQ(choices.size(), answer.choices_size());
    for (int c = 0; c < choices.size(); ++c) {
      ASSERT_TRUE(MessageDifferencer::Equals(choices[c], answer.choices(c)))
          << choices[c].DebugString() << answer.choices(c).DebugString();
    }
  }
}

TEST(AnswerAssemblerTest, KeepsSignedReasoningApart) {
  AnswerAssembler assembler;
  ChatDelta delta;
  for (const char* text : {"a", "b"}) {
    delta.set_reasoning(text);
    assembler.Add(delta);
    delta.set_reasoning_encrypted("e");
    assembler.Add(delta);
    delta.set_reasoning_signature(absl::StrCat("sig-", text));
    assembler.Add(delta);
  }
  const auto choices = assembler.Take();
  const auto& content = choices[0].message().content();
  ASSERT_EQ(content.size(), 2);
  EXPECT_EQ(content[0].reasoning().text(), "a");
  EXPECT_EQ(content[0].reasoning().encrypted(), "e");
  EXPECT_EQ(content[0].reasoning().signature(), "sig-a");
  EXPECT_EQ(content[1].reasoning().signature(), "sig-b");
}

TEST(AnswerAssemblerTest, KeepsTheOrderOfInterleavedParts) {
  AnswerAssembler assembler;
  ChatDelta delta;
  delta.set_text("before");
  assembler.Add(delta);
  delta.mutable_tool_call()->set_id("c");
  assembler.Add(delta);
  delta.set_text("after");
  assembler.Add(delta);
  delta.mutable_tool_call()->set_arguments("{}");
  assembler.Add(delta);
  delta.mutable_part()->mutable_image()->set_url("https://example.com/i");
  assembler.Add(delta);
  const auto choices = assembler.Take();
  const auto& content = choices[0].message().content();
  ASSERT_EQ(content.size(), 4);
  EXPECT_EQ(content[0].text().text(), "before");
  EXPECT_EQ(content[1].tool_call().arguments(), "{}");
  EXPECT_EQ(content[2].text().text(), "after");
  EXPECT_TRUE(content[3].has_image());
  EXPECT_EQ(assembler.Take().size(), 0);
}

// A peer may send anything.
TEST(AnswerAssemblerTest, IgnoresAnIndexThatIsNotDense) {
  AnswerAssembler assembler;
  ChatDelta delta;
  for (const int32_t index : {-1, 1, 2147483647}) {
    delta.mutable_tool_call()->set_index(index);
    assembler.Add(delta);
  }
  EXPECT_EQ(assembler.Take()[0].message().content_size(), 0);
}

}  // namespace
}  // namespace gateway::dialect
