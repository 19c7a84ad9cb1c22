#include "common/http/chunked.h"

#include <absl/strings/string_view.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace gateway::http {
namespace {

struct Decoded {
  std::string payload;
  std::string rest;
  bool done = false;
  bool bad = false;
};

Decoded Decode(const std::vector<std::string>& pieces) {
  ChunkedDecoder decoder;
  Decoded result;
  for (std::string piece : pieces) {
    const auto step = decoder.Decode(piece.data(), piece.size());
    result.payload.append(piece, 0, step.produced);
    result.rest.append(piece, step.consumed);
  }
  result.done = decoder.done();
  result.bad = decoder.bad();
  return result;
}

constexpr absl::string_view kBody =
    "3\r\nabc\r\n0A;name=\"v\"\r\n0123456789\r\n1\r\n\r\r\n000\r\n"
    "Trailer: x\r\nB: y\r\n\r\nGET";

TEST(ChunkedDecoderTest, MovesThePayloadsOfARunTogether) {
  const Decoded result = Decode({std::string(kBody)});
  EXPECT_EQ(result.payload, "abc0123456789\r");
  EXPECT_EQ(result.rest, "GET");
  EXPECT_TRUE(result.done);
}

TEST(ChunkedDecoderTest, EveryCutGivesTheSameBody) {
  const std::string body(kBody);
  for (size_t a = 0; a <= body.size(); ++a) {
    for (size_t b = a; b <= body.size(); ++b) {
      const Decoded result =
          Decode({body.substr(0, a), body.substr(a, b - a), body.substr(b)});
      ASSERT_EQ(result.payload, "abc0123456789\r") << a << " " << b;
      ASSERT_EQ(result.rest, "GET");
      ASSERT_TRUE(result.done);
    }
  }
}

TEST(ChunkedDecoderTest, IsNotDoneBeforeTheLastByte) {
  const std::string body = "1\r\na\r\n0\r\n\r\n";
  for (size_t n = 0; n < body.size(); ++n) {
    EXPECT_FALSE(Decode({body.substr(0, n)}).done) << n;
  }
  EXPECT_TRUE(Decode({body}).done);
}

TEST(ChunkedDecoderTest, RefusesWhatOthersMightReadDifferently) {
  for (const char* body :
       {"\r\n", " 1\r\na\r\n", "1 \r\na\r\n", "+1\r\na\r\n", "0x1\r\na\r\n",
        "g\r\n", "1\na\r\n", "1\r\rna\r\n", "1\r\nab\r\n", "1\r\na\n", "1;\n",
        "1;a\x01\r\na\r\n", "1000000000000\r\n", "0\r\n\n", "0\r\nA: \x7f\r\n",
        "0\r\nA: b\n", "0\r\nA: b\r\r\n"}) {
    const Decoded result = Decode({body});
    EXPECT_TRUE(result.bad) << body;
    EXPECT_FALSE(result.done) << body;
  }
}

TEST(ChunkedDecoderTest, BoundsExtensionsAndTrailers) {
  EXPECT_TRUE(Decode({"1;" + std::string(20'000, 'a')}).bad);
  EXPECT_TRUE(Decode({"0\r\nA: " + std::string(20'000, 'a')}).bad);
}

TEST(ChunkedDecoderTest, CanBeUsedAgain) {
  ChunkedDecoder decoder;
  std::string first = "0\r\n\r\n";
  decoder.Decode(first.data(), first.size());
  EXPECT_TRUE(decoder.done());
  decoder.Reset();
  EXPECT_FALSE(decoder.done());
}

TEST(WriteChunkLineTest, WritesHex) {
  char line[kMaxChunkLine];
  EXPECT_EQ(std::string(line, WriteChunkLine(1, line)), "1\r\n");
  EXPECT_EQ(std::string(line, WriteChunkLine(0x1af0, line)), "1af0\r\n");
  EXPECT_EQ(std::string(line, WriteChunkLine(~size_t{0}, line)),
            "ffffffffffffffff\r\n");
}

}  // namespace
}  // namespace gateway::http
