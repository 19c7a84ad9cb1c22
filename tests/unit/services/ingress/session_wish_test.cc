#include "services/ingress/session_wish.h"

#include <gtest/gtest.h>

#include "common/status/error.h"

namespace gateway::ingress {
namespace {

using model_router::v1::SESSION_MODE_FULL;
using model_router::v1::SESSION_MODE_NEW;
using model_router::v1::SESSION_MODE_UNSPECIFIED;

TEST(SessionWishTest, ThereIsNoneWithoutAnId) {
  const auto wish = SessionWishFromHeaders(std::nullopt, "bogus", "bogus");
  ASSERT_TRUE(wish.ok());
  EXPECT_FALSE(wish->has_value());
}

TEST(SessionWishTest, ReadsAllHeaders) {
  const auto wish = SessionWishFromHeaders("chat-1", "full", "3");
  ASSERT_TRUE(wish.ok());
  EXPECT_EQ((*wish)->session_id, "chat-1");
  EXPECT_EQ((*wish)->mode, SESSION_MODE_FULL);
  EXPECT_EQ((*wish)->expected_turn_count, 3);
  EXPECT_TRUE((*wish)->create_if_absent);
}

TEST(SessionWishTest, IsAutoUnlessSaid) {
  EXPECT_EQ((*SessionWishFromHeaders("s", std::nullopt, std::nullopt))->mode,
            SESSION_MODE_UNSPECIFIED);
  EXPECT_EQ((*SessionWishFromHeaders("s", "auto", std::nullopt))->mode,
            SESSION_MODE_UNSPECIFIED);
}

TEST(SessionWishTest, NamesTheHeaderThatIsWrong) {
  const auto param_of = [](const auto& wish) {
    EXPECT_EQ(ReasonOf(wish.status()), reason::kInvalidValue);
    return DetailOf(wish.status())->param();
  };
  EXPECT_EQ(param_of(SessionWishFromHeaders("", std::nullopt, std::nullopt)),
            "x-session-id");
  EXPECT_EQ(param_of(SessionWishFromHeaders("a b", std::nullopt, std::nullopt)),
            "x-session-id");
  EXPECT_EQ(param_of(SessionWishFromHeaders(std::string(257, 'a'), std::nullopt,
                                            std::nullopt)),
            "x-session-id");
  EXPECT_EQ(param_of(SessionWishFromHeaders("s", "old", std::nullopt)),
            "x-session-mode");
  EXPECT_EQ(param_of(SessionWishFromHeaders("s", std::nullopt, "-1")),
            "x-session-turn");
  EXPECT_EQ(param_of(SessionWishFromHeaders("s", std::nullopt, "x")),
            "x-session-turn");
}

TEST(SessionWishTest, TakesUsersOfUtf8) {
  EXPECT_TRUE(CheckUser("", "x-user-id").ok());
  EXPECT_TRUE(CheckUser("J\xc3\xbcrgen", "x-user-id").ok());
  EXPECT_FALSE(CheckUser("a\xff", "x-user-id").ok());
  EXPECT_FALSE(CheckUser("a\x01", "x-user-id").ok());
  EXPECT_FALSE(CheckUser(std::string(257, 'a'), "x-user-id").ok());
}

TEST(SessionModeTest, AutoGoesByWhereAssistantMessagesStand) {
  EXPECT_EQ(ResolveMode(SESSION_MODE_UNSPECIFIED, true), SESSION_MODE_FULL);
  EXPECT_EQ(ResolveMode(SESSION_MODE_UNSPECIFIED, false), SESSION_MODE_NEW);
  EXPECT_EQ(ResolveMode(SESSION_MODE_NEW, true), SESSION_MODE_NEW);
  EXPECT_EQ(ResolveMode(SESSION_MODE_FULL, false), SESSION_MODE_FULL);
}

TEST(SessionModeTest, AnAssistantMessageThatIsLastIsNoHistory) {
  chat::v1::ChatRequest chat;
  EXPECT_FALSE(AssistantAnywhereButLast(chat));
  chat.add_messages()->set_role(chat::v1::ROLE_USER);
  chat.add_messages()->set_role(chat::v1::ROLE_ASSISTANT);
  EXPECT_FALSE(AssistantAnywhereButLast(chat));
  chat.add_messages()->set_role(chat::v1::ROLE_USER);
  EXPECT_TRUE(AssistantAnywhereButLast(chat));
}

}  // namespace
}  // namespace gateway::ingress
