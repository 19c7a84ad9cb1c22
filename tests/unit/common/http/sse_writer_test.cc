#include "common/http/sse_writer.h"

#include <gtest/gtest.h>

#include "common/http/sse_reader.h"

namespace gateway::http {
namespace {

TEST(SseWriterTest, FramesDataAndTypes) {
  std::string out;
  AppendSseData("{\"a\":1}", out);
  AppendSseEvent("ping", "{}", out);
  EXPECT_EQ(out, "data: {\"a\":1}\n\nevent: ping\ndata: {}\n\n");
}

TEST(SseWriterTest, TextWithLineBreaksCannotBreakOut) {
  std::string out;
  AppendSseData("a\nevent: evil\r\n\rb", out);
  EXPECT_EQ(out, "data: a\ndata: event: evil\ndata: \ndata: b\n\n");
  SseReader reader;
  SseEvent event;
  reader.Feed(out);
  ASSERT_TRUE(reader.Next(event));
  EXPECT_EQ(event.data, "a\nevent: evil\n\nb");
  EXPECT_TRUE(event.type.empty());
}

TEST(SseWriterTest, AHeartbeatIsNoEvent) {
  std::string out(kSseHeartbeat);
  AppendSseData("a", out);
  SseReader reader;
  SseEvent event;
  reader.Feed(out);
  ASSERT_TRUE(reader.Next(event));
  EXPECT_EQ(event.data, "a");
  EXPECT_TRUE(event.clean);
  EXPECT_FALSE(reader.Next(event));
}

TEST(SseWriterTest, NamesTheHeaders) {
  Headers headers;
  AddSseHeaders(headers);
  EXPECT_EQ(headers.Find("Content-Type"), "text/event-stream; charset=utf-8");
  EXPECT_EQ(headers.Find("Cache-Control"), "no-cache");
  EXPECT_EQ(headers.Find("X-Accel-Buffering"), "no");
}

}  // namespace
}  // namespace gateway::http
