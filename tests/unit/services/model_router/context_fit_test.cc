#include "services/model_router/context_fit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "services/model_router/pricing.h"

namespace gateway::model_router {
namespace {

using chat::v1::Message;

Message Say(chat::v1::Role role, const std::string& text) {
  Message message;
  message.set_role(role);
  message.add_content()->mutable_text()->set_text(text);
  return message;
}

Message User(const std::string& text) { return Say(chat::v1::ROLE_USER, text); }

Message Assistant(const std::string& text) {
  return Say(chat::v1::ROLE_ASSISTANT, text);
}

Message Call(const std::string& id) {
  Message message;
  message.set_role(chat::v1::ROLE_ASSISTANT);
  auto* call = message.add_content()->mutable_tool_call();
  call->set_id(id);
  call->set_name("f");
  call->set_arguments("{}");
  return message;
}

Message Result(const std::string& id, const std::string& text) {
  Message message;
  message.set_role(chat::v1::ROLE_TOOL);
  auto* result = message.add_content()->mutable_tool_result();
  result->set_tool_call_id(id);
  result->add_content()->mutable_text()->set_text(text);
  return message;
}

void AddTurn(Turns& turns, const Message& request, const Message& answer,
             int64_t tokens) {
  v1::StoredTurn* turn = turns.Add();
  turn->set_turn_id("t" + std::to_string(turns.size()));
  *turn->add_request_messages() = request;
  *turn->add_answer_messages() = answer;
  turn->set_token_count(tokens);
}

Messages Request(std::vector<Message> messages) {
  return {messages.begin(), messages.end()};
}

TEST(DroppedTurnsTest, DropsTheOldestUntilTheRestFits) {
  Turns turns;
  for (int i = 0; i < 4; ++i) AddTurn(turns, User("q"), Assistant("a"), 100);
  const Messages request = Request({User("next")});
  EXPECT_EQ(DroppedTurns(turns, request, 100, 500), 0);
  EXPECT_EQ(DroppedTurns(turns, request, 100, 499), 1);
  EXPECT_EQ(DroppedTurns(turns, request, 100, 200), 3);
  EXPECT_EQ(DroppedTurns(turns, request, 100, 1), 4);
}

TEST(DroppedTurnsTest, AnUnknownContextHoldsAll) {
  Turns turns;
  AddTurn(turns, User("q"), Assistant("a"), 1'000'000);
  EXPECT_EQ(DroppedTurns(turns, Request({User("next")}), 1'000'000, 0), 0);
}

TEST(DroppedTurnsTest, ResultsGoWithTheirCalls) {
  Turns turns;
  AddTurn(turns, User("q"), Call("1"), 100);
  AddTurn(turns, Result("1", "r"), Call("2"), 100);
  AddTurn(turns, Result("2", "r"), Assistant("a"), 100);
  AddTurn(turns, User("q"), Assistant("a"), 100);
  EXPECT_EQ(DroppedTurns(turns, Request({User("next")}), 0, 399), 3);
}

TEST(DroppedTurnsTest, WhatTheRequestAnswersIsKept) {
  Turns turns;
  AddTurn(turns, User("q"), Assistant("a"), 100);
  AddTurn(turns, User("q"), Call("1"), 100);
  EXPECT_EQ(DroppedTurns(turns, Request({Result("1", "r")}), 0, 50), 1);
  EXPECT_EQ(
      DroppedTurns(turns,
                   Request({Say(chat::v1::ROLE_SYSTEM, "s"), Result("1", "r")}),
                   0, 50),
      1);
  EXPECT_EQ(DroppedTurns(turns, Request({User("next")}), 0, 50), 2);
}

TEST(TurnTokensTest, EstimatesWhatTheStoreDoesNotKnow) {
  Turns turns;
  AddTurn(turns, User(std::string(400, 'x')), Assistant(std::string(40, 'y')),
          0);
  EXPECT_EQ(TurnTokens(turns[0]), 100 + 10 + 2 * 4);
  turns[0].set_token_count(7);
  EXPECT_EQ(TurnTokens(turns[0]), 7);
}

TEST(MessageTokensTest, APictureDoesNotCountByItsBytes) {
  Message message;
  message.add_content()->mutable_image()->set_data(std::string(100'000, 'x'));
  EXPECT_EQ(MessageTokens(message), 1004);
}

TEST(AnswerReserveTest, IsWhatIsAskedForWithinReason) {
  EXPECT_EQ(AnswerReserve(100, 0, 1000), 100);
  EXPECT_EQ(AnswerReserve(100, 50, 1000), 50);
  // However large it is, half is left for the conversation.
  EXPECT_EQ(AnswerReserve(1000, 0, 1000), 500);
  EXPECT_EQ(AnswerReserve(1000, 800, 1000), 500);
  EXPECT_EQ(AnswerReserve(std::numeric_limits<int64_t>::max(), 0, 1000), 500);
  EXPECT_EQ(AnswerReserve(1000, 0, 0), 0);
}

TEST(AnswerReserveTest, IsAGuessIfNothingIsAskedFor) {
  EXPECT_EQ(AnswerReserve(0, 100, 1000), 100);
  EXPECT_EQ(AnswerReserve(0, 800, 1000), 250);
  EXPECT_EQ(AnswerReserve(0, 0, 1000), 0);
  EXPECT_EQ(AnswerReserve(0, 100, 0), 0);
}

TEST(FindCommonPrefixTest, FindsWholeTurnsOnly) {
  Turns turns;
  AddTurn(turns, User("q1"), Assistant("a1"), 1);
  AddTurn(turns, User("q2"), Assistant("a2"), 1);

  CommonPrefix prefix =
      FindCommonPrefix(turns, Request({User("q1"), Assistant("a1"), User("q2"),
                                       Assistant("a2"), User("q3")}));
  EXPECT_EQ(prefix.turns, 2);
  EXPECT_EQ(prefix.messages, 4);

  // The second answer was edited: a branch from the first turn.
  prefix =
      FindCommonPrefix(turns, Request({User("q1"), Assistant("a1"), User("q2"),
                                       Assistant("other"), User("q3")}));
  EXPECT_EQ(prefix.turns, 1);
  EXPECT_EQ(prefix.messages, 2);

  prefix = FindCommonPrefix(turns, Request({User("else")}));
  EXPECT_EQ(prefix.turns, 0);
  EXPECT_EQ(prefix.messages, 0);

  // A history shorter than what is stored.
  prefix = FindCommonPrefix(turns, Request({User("q1"), Assistant("a1")}));
  EXPECT_EQ(prefix.turns, 1);
}

TEST(FindCommonPrefixTest, SystemTextIsNoPartOfATurn) {
  Turns turns;
  AddTurn(turns, User("q1"), Assistant("a1"), 1);
  const CommonPrefix prefix = FindCommonPrefix(
      turns, Request({Say(chat::v1::ROLE_SYSTEM, "new rules"), User("q1"),
                      Assistant("a1"), User("q2")}));
  EXPECT_EQ(prefix.turns, 1);
  EXPECT_EQ(prefix.messages, 2);
}

TEST(FindCommonPrefixTest, WhatClientsLeaveOutMakesNoDifference) {
  Turns turns;
  Message answer = Assistant("a1");
  answer.add_content()->mutable_reasoning()->set_text("hm");
  answer.add_extras()->set_json("{\"annotations\":[]}");
  AddTurn(turns, User("q1"), answer, 1);
  Message as_list = User("q1");
  as_list.set_content_as_list(true);
  EXPECT_EQ(
      FindCommonPrefix(turns, Request({as_list, Assistant("a1"), User("n")}))
          .turns,
      1);
}

TEST(FindCommonPrefixTest, CallsAndResultsMakeADifference) {
  Turns turns;
  AddTurn(turns, User("q"), Call("1"), 1);
  AddTurn(turns, Result("1", "r"), Assistant("a"), 1);
  EXPECT_EQ(
      FindCommonPrefix(turns, Request({User("q"), Call("1"), Result("1", "r"),
                                       Assistant("a"), User("n")}))
          .turns,
      2);
  EXPECT_EQ(FindCommonPrefix(
                turns, Request({User("q"), Call("1"), Result("1", "other"),
                                Assistant("a"), User("n")}))
                .turns,
            1);
  EXPECT_EQ(FindCommonPrefix(turns, Request({User("q"), Call("2")})).turns, 0);
}

TEST(SystemTextTest, JoinsSystemAndDeveloperTexts) {
  EXPECT_EQ(SystemText(Request({Say(chat::v1::ROLE_SYSTEM, "a"), User("q"),
                                Say(chat::v1::ROLE_DEVELOPER, "b")})),
            "a\n\nb");
  EXPECT_EQ(SystemText(Request({User("q")})), "");
}

}  // namespace
}  // namespace gateway::model_router
