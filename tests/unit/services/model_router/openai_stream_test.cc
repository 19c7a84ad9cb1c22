#include "services/model_router/openai_stream.h"

#include <absl/strings/str_cat.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/dialect/openai_chat/envelope.h"
#include "common/status/error.h"

namespace gateway::model_router {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string Chunk(const std::string& delta, const std::string& finish = "null",
                  int choice = 0) {
  return absl::StrCat(
      R"(data: {"id":"c1","object":"chat.completion.chunk","created":1,)",
      R"("model":"up","choices":[{"index":)", choice, R"(,"delta":{)", delta,
      R"(},"finish_reason":)", finish, "}]}\n\n");
}
std::string Text(const std::string& text, int choice = 0) {
  return Chunk(absl::StrCat(R"("content":")", text, "\""), "null", choice);
}
const char kUsage[] =
    R"(data: {"id":"c1","object":"chat.completion.chunk","created":1,)"
    R"("model":"up","choices":[],"usage":{"prompt_tokens":9,)"
    R"("completion_tokens":2,"total_tokens":11}})"
    "\n\n";
const char kDone[] = "data: [DONE]\n\n";

class OpenAiStreamTest : public testing::Test {
 protected:
  OpenAiStreamTest() {
    call_.request = &request_;
    call_.stream = true;
    request_.mutable_encoded()->set_framing(v1::FRAMING_SSE);
    call_.envelope = &envelope_;
  }

  OpenAiStream& Stream() {
    if (!stream_) stream_.emplace(call_, answer_);
    return *stream_;
  }
  bool Feed(const std::string& bytes) {
    token_ = false;
    return Stream().Feed(bytes, token_);
  }
  std::string Run() { return Stream().TakeRun().frames().data(); }

  v1::RouteRequest request_;
  dialect::openai_chat::Envelope envelope_;
  ProviderCall call_;
  Answer answer_;
  std::optional<OpenAiStream> stream_;
  bool token_ = false;
};

TEST_F(OpenAiStreamTest, OneReadIsOneRunOfTheProvidersBytes) {
  const std::string role = Chunk(R"("role":"assistant","content":"")");
  EXPECT_TRUE(Feed(role));
  EXPECT_FALSE(token_);
  EXPECT_EQ(Run(), role);
  EXPECT_TRUE(Feed(Text("a") + Text("b")));
  EXPECT_TRUE(token_);
  const v1::RouteEvent run = Stream().TakeRun();
  EXPECT_EQ(run.frames().data(), Text("a") + Text("b"));
  EXPECT_THAT(run.frames().ends(),
              ElementsAre(Text("a").size(), 2 * Text("a").size()));
}

TEST_F(OpenAiStreamTest, ANormalEnd) {
  Feed(Text("a") + Chunk("", "\"stop\"") + kUsage + kDone);
  EXPECT_TRUE(Stream().over());
  ASSERT_TRUE(Stream().Finish().ok());
  // Nobody asked for the usage chunk.
  EXPECT_EQ(answer_.last_run.frames().data(),
            Text("a") + Chunk("", "\"stop\""));
  EXPECT_EQ(answer_.last_frames.data(), kDone);
  EXPECT_EQ(answer_.id, "c1");
  EXPECT_EQ(answer_.model, "up");
  EXPECT_TRUE(answer_.has_usage);
  EXPECT_EQ(answer_.usage.uncached_input_tokens(), 9);
  EXPECT_EQ(answer_.usage.output_tokens(), 2);
  EXPECT_EQ(answer_.finish_reason, chat::v1::FINISH_REASON_STOP);
}

TEST_F(OpenAiStreamTest, TheUsageChunkPassesForWhomAskedForIt) {
  request_.mutable_encoded()->set_include_usage(true);
  Feed(Text("a") + Chunk("", "\"stop\"") + kUsage + kDone);
  ASSERT_TRUE(Stream().Finish().ok());
  EXPECT_THAT(answer_.last_run.frames().data(), HasSubstr("prompt_tokens"));
}

TEST_F(OpenAiStreamTest, WithATurnToStoreTheEndIsHeldBack) {
  call_.want_turn = true;
  request_.mutable_encoded()->set_include_usage(true);
  Feed(Text("a") + Text(" b"));
  EXPECT_EQ(Run(), Text("a") + Text(" b"));
  Feed(Chunk("", "\"stop\""));
  EXPECT_EQ(Run(), "");
  Feed(std::string(kUsage) + kDone);
  ASSERT_TRUE(Stream().Finish().ok());
  EXPECT_EQ(answer_.last_run.run_case(), v1::RouteEvent::RUN_NOT_SET);
  EXPECT_EQ(answer_.last_frames.data(), Chunk("", "\"stop\"") + kUsage + kDone);
  EXPECT_EQ(answer_.last_frames.ends_size(), 3);
  EXPECT_EQ(answer_.message.content(0).text().text(), "a b");
  EXPECT_EQ(answer_.message.role(), chat::v1::ROLE_ASSISTANT);
}

TEST_F(OpenAiStreamTest, AnotherChoiceReleasesWhatWasHeldBack) {
  call_.want_turn = true;
  Feed(Text("a") + Chunk("", "\"stop\""));
  EXPECT_EQ(Run(), Text("a"));
  Feed(Text("b", 1));
  EXPECT_EQ(Run(), Chunk("", "\"stop\"") + Text("b", 1));
  Feed(Chunk("", "\"stop\"", 1) + kDone);
  ASSERT_TRUE(Stream().Finish().ok());
  EXPECT_EQ(answer_.last_frames.data(), Chunk("", "\"stop\"", 1) + kDone);
}

TEST_F(OpenAiStreamTest, ATurnThatCannotBeHandedOnEndsTheStream) {
  call_.want_turn = true;
  call_.max_answer_bytes = 3000;
  const std::string text(1000, 'x');
  for (int i = 0; i < 3; ++i) {
    Feed(Text(text));
    EXPECT_FALSE(Stream().over());
  }
  Feed(Text("y"));
  EXPECT_TRUE(Stream().over());
  const absl::Status status = Stream().Finish();
  EXPECT_EQ(ReasonOf(status), reason::kUpstreamBadResponse);
  EXPECT_FALSE(IsRetryable(status));
  EXPECT_EQ(answer_.other_target, OtherTarget::kNo);
}

// Without a turn nothing is kept, so that a stream may be of any length.
TEST_F(OpenAiStreamTest, AStreamMayBeLargerThanAMessage) {
  call_.max_answer_bytes = 3000;
  for (int i = 0; i < 10; ++i) {
    Feed(Text(std::string(1000, 'x')));
    Stream().TakeRun();
  }
  Feed(Chunk("", "\"stop\"") + kDone);
  EXPECT_TRUE(Stream().Finish().ok());
}

TEST_F(OpenAiStreamTest, AnEventThatCannotBeHandedOnEndsTheStream) {
  call_.max_answer_bytes = 3000;
  Feed(Text(std::string(4000, 'x')));
  EXPECT_TRUE(Stream().over());
  EXPECT_EQ(ReasonOf(Stream().Finish()), reason::kUpstreamBadResponse);
}

TEST_F(OpenAiStreamTest, OddEventsAreSkippedOrComposedAnew) {
  Feed(": ping\n\ndata: {broken\n\n" + Text("a") + "id: 7\n" + Text("b") +
       "retry: 3\n\n");
  EXPECT_EQ(Run(), Text("a") + Text("b"));
  EXPECT_EQ(answer_.skipped_events, 1);
}

TEST_F(OpenAiStreamTest, CommentsAreNoEvents) {
  EXPECT_FALSE(Feed(": ping\n\n"));
  EXPECT_FALSE(Feed("data: {broken\n\n"));
  EXPECT_TRUE(Feed(Text("a")));
}

TEST_F(OpenAiStreamTest, AnEventCutAnywhereComesWhole) {
  const std::string bytes = Text("a") + Text("b");
  std::string got;
  for (const char c : bytes) {
    Feed(std::string(1, c));
    got += Run();
  }
  EXPECT_EQ(got, bytes);
}

TEST_F(OpenAiStreamTest, BareJsonHasNoDone) {
  request_.mutable_encoded()->set_framing(v1::FRAMING_JSON);
  Feed(Text("a") + Chunk("", "\"stop\"") + kDone);
  ASSERT_TRUE(Stream().Finish().ok());
  EXPECT_EQ(answer_.last_run.frames().data()[0], '{');
  EXPECT_EQ(answer_.last_run.frames().ends_size(), 2);
  EXPECT_EQ(answer_.last_frames.data(), "");
}

TEST_F(OpenAiStreamTest, ACleanEndWithoutDoneIsOneAndGetsOne) {
  Feed(Text("a") + Chunk("", "\"stop\""));
  EXPECT_FALSE(Stream().over());
  Stream().FeedEnd();
  ASSERT_TRUE(Stream().Finish().ok());
  EXPECT_EQ(answer_.last_frames.data(), kDone);
}

TEST_F(OpenAiStreamTest, WithoutAFinishReasonItIsBroken) {
  Feed(Text("a") + kDone);
  const absl::Status status = Stream().Finish();
  EXPECT_EQ(ReasonOf(status), reason::kUpstreamBadResponse);
  EXPECT_EQ(answer_.other_target, OtherTarget::kYes);
  EXPECT_EQ(answer_.output_estimate, 1);
  EXPECT_FALSE(answer_.has_usage);
}

TEST_F(OpenAiStreamTest, AnErrorEventEndsIt) {
  Feed(Text("a") +
       "data: {\"error\":{\"message\":\"no\",\"type\":\"server_error\","
       "\"code\":null}}\n\n" +
       Text("b"));
  EXPECT_TRUE(Stream().over());
  EXPECT_FALSE(Stream().Finish().ok());
  EXPECT_EQ(Run(), Text("a"));
}

TEST_F(OpenAiStreamTest, TypedCallersGetDeltas) {
  call_.envelope = nullptr;
  request_.mutable_typed();
  Feed(Text("a") + Text("b"));
  v1::RouteEvent run = Stream().TakeRun();
  ASSERT_EQ(run.deltas().deltas_size(), 2);
  EXPECT_EQ(run.deltas().deltas(1).text(), "b");
  Feed(Chunk("", "\"length\"") + kUsage + kDone);
  ASSERT_TRUE(Stream().Finish().ok());
  ASSERT_EQ(answer_.last_run.deltas().deltas_size(), 1);
  EXPECT_EQ(answer_.last_run.deltas().deltas(0).finish_reason(),
            chat::v1::FINISH_REASON_LENGTH);
  EXPECT_TRUE(answer_.last_frames.data().empty());
}

TEST(OtherTargetForTest, FollowsWhoseFaultItIs) {
  using Kind = dialect::ProviderErrorKind;
  EXPECT_EQ(OtherTargetFor(Kind::kTransient), OtherTarget::kYes);
  EXPECT_EQ(OtherTargetFor(Kind::kKeyRefused), OtherTarget::kYes);
  EXPECT_EQ(OtherTargetFor(Kind::kContextLength), OtherTarget::kLargerContext);
  EXPECT_EQ(OtherTargetFor(Kind::kRejected), OtherTarget::kNo);
  EXPECT_EQ(OtherTargetFor(Kind::kContentFilter), OtherTarget::kNo);
}

}  // namespace
}  // namespace gateway::model_router
