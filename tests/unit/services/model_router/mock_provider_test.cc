#include "services/model_router/mock_provider.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>

#include "common/dialect/openai_chat/envelope.h"
#include "common/status/error.h"
#include "tests/support/fake_clock.h"
#include "tests/unit/services/model_router/flow_test_support.h"

namespace gateway::model_router {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

class KeepingAnswerSink final : public AnswerSink {
 public:
  Awaitable<absl::Status> Write(v1::RouteEvent run, bool) override {
    runs.push_back(std::move(run));
    co_return absl::OkStatus();
  }
  std::vector<v1::RouteEvent> runs;
};

class MockProviderTest : public testing::Test {
 protected:
  MockProviderTest() {
    target_.id = "mock/mock";
    target_.model = "mock";
    call_.target = &target_;
    call_.request = &request_;
    call_.before_send = [](const absl::Status&) { return absl::OkStatus(); };
    request_.mutable_context()->set_request_id("req_77");
  }

  void Ask(const std::string& text) {
    auto& chat = *request_.mutable_typed()->mutable_chat();
    auto& message = *chat.add_messages();
    message.set_role(chat::v1::ROLE_USER);
    message.add_content()->mutable_text()->set_text(text);
  }
  void AskEncoded(const std::string& body) {
    request_.mutable_encoded()->set_dialect("openai_chat");
    request_.mutable_encoded()->set_body(body);
    request_.mutable_encoded()->set_framing(v1::FRAMING_SSE);
    envelope_ = *dialect::openai_chat::ReadEnvelope(body);
    call_.envelope = &envelope_;
    call_.stream = envelope_.stream;
    request_.mutable_encoded()->set_include_usage(envelope_.include_usage);
  }

  TestFlow<absl::Status>& Start() {
    limits_.emplace(Timeouts(), call_.stream, false, clock_.Now(),
                    absl::InfiniteFuture());
    call_.limits = &*limits_;
    provider_.emplace(&options_, &clock_);
    flow_.emplace(io_, provider_->Call(call_, sink_, answer_));
    return *flow_;
  }
  void RunToEnd() {
    ASSERT_TRUE(Start().ended());
    ASSERT_TRUE(flow_->result().ok()) << flow_->result();
  }
  std::string Text() const {
    return answer_.last_run.answer()
        .typed()
        .choices(0)
        .message()
        .content(0)
        .text()
        .text();
  }

  FakeClock clock_;
  boost::asio::io_context io_;
  Provider options_;
  Target target_;
  v1::RouteRequest request_;
  dialect::openai_chat::Envelope envelope_;
  ProviderCall call_;
  std::optional<AttemptLimits> limits_;
  std::optional<MockProvider> provider_;
  KeepingAnswerSink sink_;
  Answer answer_;
  std::optional<TestFlow<absl::Status>> flow_;
};

TEST_F(MockProviderTest, SaysWhatItWasSent) {
  Ask("first");
  Ask("how are you");
  RunToEnd();
  EXPECT_EQ(Text(), "This is the mock. Messages: 2. You said: how are you");
  EXPECT_EQ(answer_.usage.uncached_input_tokens(), 4);
  EXPECT_EQ(answer_.usage.output_tokens(), 11);
  EXPECT_EQ(answer_.id, "chatcmpl-77");
  EXPECT_EQ(answer_.finish_reason, chat::v1::FINISH_REASON_STOP);
}

TEST_F(MockProviderTest, CountsStoredMessages) {
  chat::v1::Message earlier;
  earlier.set_role(chat::v1::ROLE_USER);
  earlier.add_content()->mutable_text()->set_text("before that");
  const chat::v1::Message* stored[] = {&earlier};
  call_.stored = stored;
  Ask("now");
  RunToEnd();
  EXPECT_EQ(Text(), "This is the mock. Messages: 2. You said: now");
  EXPECT_EQ(answer_.usage.uncached_input_tokens(), 3);
}

TEST_F(MockProviderTest, KnowsAFewCommands) {
  Ask("/say just this");
  RunToEnd();
  EXPECT_EQ(Text(), "just this");
  Ask("/words 3");
  RunToEnd();
  EXPECT_EQ(Text(), "word0 word1 word2");
}

TEST_F(MockProviderTest, CallsTheFirstTool) {
  request_.mutable_typed()->mutable_chat()->add_tools()->set_name("weather");
  Ask("/call {\"city\": \"Rome\"}");
  call_.want_turn = true;
  RunToEnd();
  const auto& call = answer_.message.content(0).tool_call();
  EXPECT_EQ(call.name(), "weather");
  EXPECT_EQ(call.arguments(), "{\"city\": \"Rome\"}");
  EXPECT_EQ(call.id(), "call_77");
  EXPECT_EQ(answer_.finish_reason, chat::v1::FINISH_REASON_TOOL_CALLS);
}

TEST_F(MockProviderTest, FailsWhenToldTo) {
  Ask("/fail");
  ASSERT_TRUE(Start().ended());
  EXPECT_EQ(ReasonOf(flow_->result()), reason::kUpstreamUnavailable);
  EXPECT_EQ(answer_.other_target, OtherTarget::kYes);
  EXPECT_FALSE(answer_.billable);
}

TEST_F(MockProviderTest, StopsAtTheTokenBound) {
  Ask("/words 100");
  request_.mutable_typed()->mutable_chat()->set_max_output_tokens(5);
  call_.max_output_tokens = 2;
  RunToEnd();
  EXPECT_EQ(Text(), "word0 word1");
  EXPECT_EQ(answer_.finish_reason, chat::v1::FINISH_REASON_LENGTH);
}

TEST_F(MockProviderTest, StreamsAtOnceWithoutAPace) {
  Ask("/words 3");
  call_.stream = true;
  RunToEnd();
  EXPECT_TRUE(sink_.runs.empty());
  const auto& deltas = answer_.last_run.deltas();
  ASSERT_EQ(deltas.deltas_size(), 4);
  EXPECT_EQ(deltas.deltas(1).text(), " word1");
  EXPECT_EQ(deltas.deltas(3).finish_reason(), chat::v1::FINISH_REASON_STOP);
}

TEST_F(MockProviderTest, PacesItsTokens) {
  options_.token_interval = absl::Milliseconds(20);
  options_.first_token_delay = absl::Milliseconds(100);
  Ask("/words 3");
  call_.stream = true;
  Start();
  EXPECT_TRUE(sink_.runs.empty());
  clock_.Advance(absl::Milliseconds(100));
  flow_->Poll();
  ASSERT_EQ(sink_.runs.size(), 1u);
  EXPECT_EQ(sink_.runs[0].deltas().deltas(0).text(), "word0");
  clock_.Advance(absl::Milliseconds(20));
  flow_->Poll();
  EXPECT_EQ(sink_.runs.size(), 2u);
  clock_.Advance(absl::Milliseconds(20));
  flow_->Poll();
  EXPECT_TRUE(flow_->ended());
}

TEST_F(MockProviderTest, HeedsTheLimits) {
  options_.first_token_delay = absl::Seconds(61);
  Ask("x");
  call_.stream = true;
  Start();
  clock_.Advance(absl::Seconds(60));
  flow_->Poll();
  ASSERT_TRUE(flow_->ended());
  EXPECT_EQ(ReasonOf(flow_->result()), reason::kUpstreamTimeout);
}

TEST_F(MockProviderTest, EndsWhenItIsCancelled) {
  options_.token_interval = absl::Seconds(1);
  Ask("/words 9");
  call_.stream = true;
  Start();
  EXPECT_FALSE(flow_->ended());
  flow_->Cancel();
  ASSERT_TRUE(flow_->ended());
  EXPECT_TRUE(absl::IsCancelled(flow_->result()));
}

TEST_F(MockProviderTest, AnswersInTheDialectOfTheRequest) {
  AskEncoded(
      R"({"model":"m","messages":[{"role":"user","content":"/say a b"}]})");
  RunToEnd();
  const std::string& body = answer_.last_run.answer().encoded();
  EXPECT_THAT(body, StartsWith("{\"id\":\"chatcmpl-77\""));
  EXPECT_THAT(body, HasSubstr("\"content\":\"a b\""));
  EXPECT_THAT(body, HasSubstr("\"completion_tokens\":2"));
}

TEST_F(MockProviderTest, StreamsInTheDialectOfTheRequest) {
  AskEncoded(
      R"({"model":"m","stream":true,"stream_options":{"include_usage":true},)"
      R"("messages":[{"role":"user","content":"/say a b"}]})");
  RunToEnd();
  const v1::Frames& frames = answer_.last_run.frames();
  EXPECT_EQ(frames.ends_size(), 2);
  EXPECT_THAT(frames.data(), HasSubstr("\"content\":\"a\""));
  EXPECT_THAT(answer_.last_frames.data(), HasSubstr("\"stop\""));
  EXPECT_THAT(answer_.last_frames.data(), HasSubstr("\"completion_tokens\":2"));
  EXPECT_THAT(answer_.last_frames.data(), HasSubstr("data: [DONE]\n\n"));
  EXPECT_EQ(answer_.last_frames.ends_size(), 3);
}

}  // namespace
}  // namespace gateway::model_router
