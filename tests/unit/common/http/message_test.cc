#include "common/http/message.h"

#include <gtest/gtest.h>

namespace gateway::http {
namespace {

TEST(HeadersTest, FindsWithoutCaseAndKeepsOrder) {
  Headers headers{{"A", "1"}, {"b", "2"}, {"a", "3"}};
  EXPECT_EQ(headers.Find("a"), "1");
  EXPECT_EQ(headers.Find("B"), "2");
  EXPECT_FALSE(headers.Has("c"));
  EXPECT_EQ(headers.size(), 3u);
  EXPECT_EQ(headers[2].name, "a");
  EXPECT_EQ(headers[2].value, "3");
}

TEST(HeadersTest, SetReplacesEveryField) {
  Headers headers{{"A", "1"}, {"b", "2"}, {"a", "3"}};
  headers.Set("a", "4");
  EXPECT_EQ(headers.size(), 2u);
  EXPECT_EQ(headers.Find("A"), "4");
  headers.Remove("B");
  EXPECT_EQ(headers.size(), 1u);
  headers.Clear();
  EXPECT_TRUE(headers.empty());
}

TEST(HeadersTest, SetMayTakeItsOwnValue) {
  Headers headers{{"a", std::string(100, 'x')}};
  headers.Set("b", *headers.Find("a"));
  EXPECT_EQ(headers.Find("b"), std::string(100, 'x'));
}

TEST(HeadersTest, SurvivesACopyAndAMove) {
  Headers headers{{"name", std::string(100, 'x')}};
  Headers copy = headers;
  Headers moved = std::move(headers);
  EXPECT_EQ(copy.Find("name"), std::string(100, 'x'));
  EXPECT_EQ(moved.Find("name"), std::string(100, 'x'));
}

TEST(RequestTest, PartsOfTheTarget) {
  struct Case {
    const char *target, *path, *query;
  };
  for (const Case& c : std::initializer_list<Case>{
           {"/v1/models/a%2Fb?x=1?y", "/v1/models/a%2Fb", "x=1?y"},
           {"/", "/", ""},
           {"/a?", "/a", ""},
           {"http://h:1/a/b?c", "/a/b", "c"},
           {"http://h", "/", ""},
           {"http://h?q=/", "/", "q=/"},
           {"*", "*", ""}}) {
    Request request;
    request.target = c.target;
    EXPECT_EQ(request.path(), c.path) << c.target;
    EXPECT_EQ(request.query(), c.query) << c.target;
  }
}

TEST(IsValidHeaderTest, KeepsTheWireSafe) {
  EXPECT_TRUE(IsValidHeader("x-a", "b c\t\xC3\xA9"));
  EXPECT_TRUE(IsValidHeader("x-a", ""));
  EXPECT_FALSE(IsValidHeader("", "b"));
  EXPECT_FALSE(IsValidHeader("x a", "b"));
  EXPECT_FALSE(IsValidHeader("x:a", "b"));
  EXPECT_FALSE(IsValidHeader("x-a", "b\r\nc: d"));
  EXPECT_FALSE(IsValidHeader("x-a", "b\n"));
  EXPECT_FALSE(IsValidHeader("x-a", absl::string_view("b\0c", 3)));
}

}  // namespace
}  // namespace gateway::http
