#include "common/http/head_parser.h"

#include <gtest/gtest.h>

#include <string>

namespace gateway::http {
namespace {

constexpr absl::string_view kHead =
    "POST /v1/x HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nA:\t b c \r\n\r\n";

TEST(HeadParserTest, FindsTheEndAtEveryCut) {
  const std::string bytes = std::string(kHead) + "abc";
  for (size_t a = 0; a <= bytes.size(); ++a) {
    HeadParser parser;
    const auto early = parser.Find(absl::string_view(bytes).substr(0, a));
    EXPECT_EQ(early == HeadParser::State::kComplete, a >= kHead.size()) << a;
    EXPECT_EQ(parser.Find(bytes), HeadParser::State::kComplete) << a;
    EXPECT_EQ(parser.head_size(), kHead.size());
  }
}

TEST(HeadParserTest, GivesTheFieldsTrimmed) {
  HeadParser parser;
  Request request;
  Framing framing;
  ASSERT_TRUE(parser.ParseRequest(kHead, request, framing));
  EXPECT_EQ(request.method, "POST");
  EXPECT_EQ(request.target, "/v1/x");
  EXPECT_EQ(request.headers.size(), 3u);
  EXPECT_EQ(request.headers.Find("a"), "b c");
  EXPECT_EQ(framing.kind, Framing::Kind::kLength);
  EXPECT_EQ(framing.length, 3u);
  EXPECT_EQ(request.content_length, 3u);
}

TEST(HeadParserTest, NothingOfTheLastRequestStays) {
  HeadParser parser;
  Request request;
  Framing framing;
  ASSERT_TRUE(parser.ParseRequest(kHead, request, framing));
  ASSERT_TRUE(parser.ParseRequest("GET / HTTP/1.0\r\n\r\n", request, framing));
  EXPECT_TRUE(request.headers.empty());
  EXPECT_EQ(request.minor_version, 0);
  EXPECT_FALSE(request.keep_alive);
  EXPECT_EQ(framing.kind, Framing::Kind::kNone);
}

TEST(HeadParserTest, ReadsWhatTheClientWantsOfTheConnection) {
  struct Case {
    const char* head;
    bool keep;
  };
  for (const Case& c : std::initializer_list<Case>{
           {"GET / HTTP/1.1\r\nHost: h\r\n\r\n", true},
           {"GET / HTTP/1.1\r\nHost: h\r\nConnection: Close\r\n\r\n", false},
           {"GET / HTTP/1.1\r\nHost: h\r\nConnection: x, close\r\n\r\n", false},
           {"GET / HTTP/1.1\r\nHost: h\r\nConnection: closed\r\n\r\n", true},
           {"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", true}}) {
    HeadParser parser;
    Request request;
    Framing framing;
    ASSERT_TRUE(parser.ParseRequest(c.head, request, framing)) << c.head;
    EXPECT_EQ(request.keep_alive, c.keep) << c.head;
  }
}

TEST(HeadParserTest, TwoEqualLengthsAreOne) {
  HeadParser parser;
  Request request;
  Framing framing;
  EXPECT_TRUE(
      parser.ParseRequest("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n"
                          "Content-Length: 3\r\n\r\n",
                          request, framing));
}

TEST(HeadParserTest, KnowsWhichResponsesHaveNoBody) {
  struct Case {
    const char* head;
    bool to_head;
    Framing::Kind kind;
  };
  for (const Case& c : std::initializer_list<Case>{
           {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", false,
            Framing::Kind::kLength},
           {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", true,
            Framing::Kind::kNone},
           {"HTTP/1.1 204 No\r\n\r\n", false, Framing::Kind::kNone},
           {"HTTP/1.1 304 No\r\nContent-Length: 3\r\n\r\n", false,
            Framing::Kind::kNone},
           {"HTTP/1.1 200\r\n\r\n", false, Framing::Kind::kUntilClose},
           {"HTTP/1.1 200 \r\nTransfer-Encoding: Chunked\r\n\r\n", false,
            Framing::Kind::kChunked}}) {
    HeadParser parser;
    Headers headers;
    Framing framing;
    int status = 0;
    bool keep_alive = false;
    ASSERT_TRUE(parser.ParseResponse(c.head, c.to_head, status, headers,
                                     framing, keep_alive))
        << c.head;
    EXPECT_EQ(framing.kind, c.kind) << c.head;
    EXPECT_EQ(keep_alive, c.kind != Framing::Kind::kUntilClose) << c.head;
  }
}

}  // namespace
}  // namespace gateway::http
