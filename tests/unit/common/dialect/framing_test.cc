#include "common/dialect/framing.h"

#include <gtest/gtest.h>

namespace gateway::dialect {
namespace {

using model_router::v1::Frames;

TEST(FramingTest, WritesServerSentEvents) {
  Frames frames;
  AppendEvent("{}", model_router::v1::FRAMING_SSE, &frames);
  AppendEvent("a\nb", model_router::v1::FRAMING_SSE, &frames);
  AppendEvent("[DONE]", model_router::v1::FRAMING_SSE, &frames);
  EXPECT_EQ(frames.data(), "data: {}\n\ndata: a\ndata: b\n\ndata: [DONE]\n\n");
  ASSERT_EQ(frames.ends_size(), 3);
  EXPECT_EQ(frames.ends(0), 10u);
  EXPECT_EQ(frames.ends(2), frames.data().size());
}

TEST(FramingTest, WritesBareJsonWithoutItsEnd) {
  Frames frames;
  AppendEvent("{}", model_router::v1::FRAMING_JSON, &frames);
  AppendEvent("[DONE]", model_router::v1::FRAMING_JSON, &frames);
  EXPECT_EQ(frames.data(), "{}");
  EXPECT_EQ(frames.ends_size(), 1);
}

}  // namespace
}  // namespace gateway::dialect
