#include "common/dialect/turns.h"

#include <gtest/gtest.h>

namespace gateway::dialect {
namespace {

TEST(TurnsTest, TakesSystemTextApart) {
  google::protobuf::RepeatedPtrField<chat::v1::Message> messages;
  const auto add = [&messages](chat::v1::Role role, const char* text) {
    chat::v1::Message* message = messages.Add();
    message->set_role(role);
    message->add_content()->mutable_text()->set_text(text);
  };
  add(chat::v1::ROLE_SYSTEM, "one");
  add(chat::v1::ROLE_USER, "hi");
  add(chat::v1::ROLE_DEVELOPER, "two");
  messages[2].add_content()->mutable_text()->set_text("more");
  add(chat::v1::ROLE_SYSTEM, "");
  EXPECT_EQ(SystemTextOf(messages), "one\n\ntwomore");
  const auto rest = WithoutSystem(messages);
  ASSERT_EQ(rest.size(), 1);
  EXPECT_EQ(rest[0].content(0).text().text(), "hi");
  EXPECT_EQ(SystemTextOf(rest), "");
}

}  // namespace
}  // namespace gateway::dialect
