#include "services/ingress/converse.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>

#include "common/status/error.h"
#include "tests/unit/services/ingress/agent_api_fixture.h"

namespace gateway::ingress {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;

class ConverseTest : public AgentApiTest {
 protected:
  ConverseTest() : source_(io_.get_executor()) {}

  static pb::ConverseRequest Turn(absl::string_view id) {
    pb::ConverseRequest request;
    request.set_turn_id(std::string(id));
    *request.mutable_start()->mutable_chat() = Chat();
    return request;
  }
  static pb::ConverseRequest Cancel(absl::string_view id) {
    pb::ConverseRequest request;
    request.set_turn_id(std::string(id));
    request.mutable_cancel();
    return request;
  }
  std::vector<std::string> KindsOf(absl::string_view id) const {
    std::vector<std::string> kinds;
    for (const auto& message : sink_.messages) {
      if (message.turn_id() != id) continue;
      for (std::string& kind : Kinds(message.events())) {
        kinds.push_back(std::move(kind));
      }
    }
    return kinds;
  }
  bool SaidGoingAway() const {
    for (const auto& message : sink_.messages) {
      if (message.going_away()) return true;
    }
    return false;
  }

  TestSource<pb::ConverseRequest> source_;
  TestSink<pb::ConverseResponse> sink_;
};

TEST_F(ConverseTest, TurnsRunSideBySideUnderTheirIds) {
  TestFlow<absl::Status> flow(io_, api_.Converse(call_, source_, sink_));
  router_.OnRoute(HangScript());
  source_.Push(Turn("slow"));
  flow.Poll();
  router_.OnRoute(AnswerScript("quick"));
  source_.Push(Turn("fast"));
  flow.Poll();
  EXPECT_THAT(KindsOf("slow"), ElementsAre("started fake", "delta part"));
  EXPECT_THAT(KindsOf("fast"),
              ElementsAre("started fake", "delta quick", "completed"));
  EXPECT_FALSE(flow.done());
  source_.Push(Cancel("slow"));
  flow.Poll();
  EXPECT_THAT(KindsOf("slow"), ElementsAre("started fake", "delta part",
                                           "failed client_closed"));
  EXPECT_EQ(sink_.messages.back().events(0).failed().code(),
            static_cast<int>(absl::StatusCode::kCancelled));
  source_.End();
  flow.Poll();
  ASSERT_TRUE(flow.done());
  EXPECT_TRUE(flow.result().ok());
}

TEST_F(ConverseTest, EndsAfterTheLastTurnOnceTheClientHasSaidAll) {
  TestFlow<absl::Status> flow(io_, api_.Converse(call_, source_, sink_));
  router_.OnRoute(HangScript());
  source_.Push(Turn("a"));
  source_.End();
  flow.Poll();
  EXPECT_FALSE(flow.done());
  EXPECT_EQ(router_.running(), 1);
  flow.Cancel();
  ASSERT_TRUE(flow.done());
  EXPECT_EQ(flow.result().code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(router_.running(), 0);
  EXPECT_EQ(router_.cancelled(), 1);
}

TEST_F(ConverseTest, ATurnsFailureIsAnEventAndTheCallGoesOn) {
  TestFlow<absl::Status> flow(io_, api_.Converse(call_, source_, sink_));
  router_.OnRoute(FailScript(MakeError(reason::kUpstreamTimeout, "late")));
  source_.Push(Turn("a"));
  flow.Poll();
  EXPECT_THAT(KindsOf("a"), ElementsAre("failed upstream_timeout"));
  router_.OnRoute(AnswerScript("again"));
  source_.Push(Turn("a"));
  source_.End();
  flow.Poll();
  ASSERT_TRUE(flow.done());
  EXPECT_TRUE(flow.result().ok());
  EXPECT_THAT(KindsOf("a"),
              ElementsAre("failed upstream_timeout", "started fake",
                          "delta again", "completed"));
}

TEST_F(ConverseTest, AnIdInFlightOrOutOfBoundsIsRefused) {
  TestFlow<absl::Status> flow(io_, api_.Converse(call_, source_, sink_));
  router_.OnRoute(HangScript());
  source_.Push(Turn("a"));
  source_.Push(Turn("a"));
  source_.Push(Turn(""));
  const std::string long_id(65, 'x');
  source_.Push(Turn(long_id));
  source_.Push(Cancel("unknown"));
  flow.Poll();
  EXPECT_THAT(KindsOf("a"), ElementsAre("started fake", "delta part",
                                        "failed invalid_value"));
  EXPECT_THAT(KindsOf(""), ElementsAre("failed invalid_value"));
  EXPECT_THAT(KindsOf(long_id), ElementsAre("failed invalid_value"));
  EXPECT_EQ(router_.running(), 1);
  flow.Cancel();
}

TEST_F(ConverseTest, EveryTurnIsRecordedOnceAlsoIfItIsRefused) {
  TestFlow<absl::Status> flow(io_, api_.Converse(call_, source_, sink_));
  source_.Push(Turn("a"));
  source_.Push(Turn(""));
  source_.End();
  flow.Poll();
  ASSERT_TRUE(flow.done());
  const auto records = Records();
  ASSERT_THAT(records, SizeIs(2));
  std::map<std::string, int> reasons;
  for (const auto& record : records) {
    ++reasons[record.reason()];
    EXPECT_EQ(record.method(), "Converse");
    EXPECT_EQ(record.account().tenant(), "acme");
    EXPECT_EQ(record.account().user(), "ada");
  }
  EXPECT_EQ(reasons,
            (std::map<std::string, int>{{"", 1}, {"invalid_value", 1}}));
  EXPECT_NE(records[0].request_id(), records[1].request_id());
}

TEST_F(ConverseTest, ATurnThatIsCancelledAtTheDeadlineIsToldSo) {
  call_.deadline = clock_.Now() + absl::Seconds(10);
  TestFlow<absl::Status> flow(io_, api_.Converse(call_, source_, sink_));
  router_.OnRoute(HangScript());
  source_.Push(Turn("a"));
  flow.Poll();
  clock_.Advance(absl::Milliseconds(9'990));
  source_.Push(Cancel("a"));
  flow.Poll();
  EXPECT_THAT(KindsOf("a"), ElementsAre("started fake", "delta part",
                                        "failed deadline_exceeded"));
  flow.Cancel();
  EXPECT_EQ(ReasonOf(flow.result()), reason::kDeadlineExceeded);
}

TEST_F(ConverseTest, ADrainSaysGoingAwayAndWaitsForTheLastTurn) {
  TestFlow<absl::Status> flow(io_, api_.Converse(call_, source_, sink_));
  router_.OnRoute(HangScript());
  source_.Push(Turn("a"));
  flow.Poll();
  api_.BeginDrain();
  flow.Poll();
  EXPECT_TRUE(SaidGoingAway());
  EXPECT_FALSE(flow.done());
  source_.Push(Turn("b"));
  flow.Poll();
  EXPECT_THAT(KindsOf("b"), ElementsAre("failed draining"));
  source_.Push(Cancel("a"));
  flow.Poll();
  ASSERT_TRUE(flow.done());
  EXPECT_TRUE(flow.result().ok());
}

TEST_F(ConverseTest, ADrainThatCutsFailsTheTurns) {
  TestFlow<absl::Status> flow(io_, api_.Converse(call_, source_, sink_));
  router_.OnRoute(HangScript());
  source_.Push(Turn("a"));
  flow.Poll();
  services_.cutting = true;
  flow.Cancel();
  ASSERT_TRUE(flow.done());
  EXPECT_THAT(KindsOf("a"),
              ElementsAre("started fake", "delta part", "failed draining"));
}

TEST_F(ConverseTest, AnIdleCallEndsOkAfterFiveMinutes) {
  TestFlow<absl::Status> flow(io_, api_.Converse(call_, source_, sink_));
  clock_.Advance(absl::Seconds(200));
  flow.Poll();
  source_.Push(Turn("a"));
  flow.Poll();
  clock_.Advance(absl::Seconds(299));
  flow.Poll();
  EXPECT_FALSE(flow.done());
  clock_.Advance(absl::Seconds(1));
  flow.Poll();
  ASSERT_TRUE(flow.done());
  EXPECT_TRUE(flow.result().ok());
}

TEST_F(ConverseTest, ACallWithATurnInFlightIsNotIdle) {
  TestFlow<absl::Status> flow(io_, api_.Converse(call_, source_, sink_));
  router_.OnRoute(HangScript());
  source_.Push(Turn("a"));
  flow.Poll();
  for (int i = 0; i < 5; ++i) {
    clock_.Advance(absl::Seconds(300));
    flow.Poll();
  }
  EXPECT_FALSE(flow.done());
  flow.Cancel();
}

TEST_F(ConverseTest, EachTurnHasARequestIdOfItsOwn) {
  TestFlow<absl::Status> flow(io_, api_.Converse(call_, source_, sink_));
  source_.Push(Turn("a"));
  source_.Push(Turn("b"));
  source_.End();
  flow.Poll();
  ASSERT_TRUE(flow.done());
  const auto requests = router_.requests();
  ASSERT_THAT(requests, SizeIs(2));
  EXPECT_NE(requests[0].context().request_id(),
            requests[1].context().request_id());
}

// Has one more turn for whoever reads while the call is being cancelled.
class LateSource final : public rpc::Source<pb::ConverseRequest> {
 public:
  LateSource(const boost::asio::any_io_executor& executor,
             pb::ConverseRequest late)
      : late_(std::move(late)), never_(executor) {}

  Awaitable<absl::StatusOr<std::optional<pb::ConverseRequest>>> Read()
      override {
    if (std::exchange(read_, true)) co_return std::nullopt;
    co_await never_.Wait();
    co_return late_;
  }

 private:
  const pb::ConverseRequest late_;
  Event never_;
  bool read_ = false;
};

TEST_F(ConverseTest, NoTurnBeginsOnceTheCallIsCancelled) {
  router_.OnRoute(HangScript());
  LateSource source(io_.get_executor(), Turn("late"));
  TestFlow<absl::Status> flow(io_, api_.Converse(call_, source, sink_));
  flow.Cancel();
  ASSERT_TRUE(flow.done());
  EXPECT_THAT(router_.requests(), SizeIs(0));
}

TEST_F(ConverseTest, TurnsBeyondTheBoundOnBytesAreRefused) {
  ConcurrencyLimit bodies(100);
  services_.bodies = &bodies;
  TestFlow<absl::Status> flow(io_, api_.Converse(call_, source_, sink_));
  router_.OnRoute(HangScript());
  source_.Push(Turn("a"));
  auto large = Turn("b");
  *large.mutable_start()->mutable_chat() = Chat(std::string(100, 'x'));
  source_.Push(large);
  flow.Poll();
  EXPECT_THAT(KindsOf("b"), ElementsAre("failed overloaded"));
  EXPECT_GT(bodies.in_use(), 0);
  source_.Push(Cancel("a"));
  flow.Poll();
  EXPECT_EQ(bodies.in_use(), 0);
  flow.Cancel();
}

TEST_F(ConverseTest, ATurnThatWaitsForAnotherIsCountedAsWell) {
  ConcurrencyLimit bodies(100'000);
  services_.bodies = &bodies;
  Conversations all;
  Arrival arrival;
  arrival.credential = "secret";
  const ConversationOptions options = {.max_turns_in_flight = 1};
  Conversation conversation(all, services_, arrival, call_, options, source_,
                            sink_, io_.get_executor());
  TestFlow<absl::Status> flow(io_, conversation.Run());
  router_.OnRoute(HangScript());
  source_.Push(Turn("a"));
  auto large = Turn("large");
  *large.mutable_start()->mutable_chat() = Chat(std::string(50'000, 'x'));
  source_.Push(large);
  flow.Poll();
  EXPECT_EQ(router_.running(), 1);
  EXPECT_GT(bodies.in_use(), 50'000);
  flow.Cancel();
  ASSERT_TRUE(flow.done());
  EXPECT_EQ(bodies.in_use(), 0);
}

TEST_F(ConverseTest, AReadThatFailsEndsTheCallAfterTheLastTurn) {
  TestFlow<absl::Status> flow(io_, api_.Converse(call_, source_, sink_));
  router_.OnRoute(HangScript());
  source_.Push(Turn("a"));
  source_.Break(Overloaded("full"));
  flow.Poll();
  EXPECT_FALSE(flow.done());
  EXPECT_EQ(router_.running(), 1);
  EXPECT_EQ(router_.cancelled(), 0);
  flow.Cancel();
  ASSERT_TRUE(flow.done());

  source_.Break(Overloaded("full"));
  TestFlow<absl::Status> again(io_, api_.Converse(call_, source_, sink_));
  ASSERT_TRUE(again.done());
  EXPECT_EQ(ReasonOf(again.result()), reason::kOverloaded);
}

TEST_F(ConverseTest, ASourceThatIsCancelledIsAClientThatLeft) {
  TestFlow<absl::Status> flow(io_, api_.Converse(call_, source_, sink_));
  router_.OnRoute(HangScript());
  source_.Push(Turn("a"));
  source_.Break(absl::CancelledError());
  flow.Poll();
  ASSERT_TRUE(flow.done());
  EXPECT_EQ(ReasonOf(flow.result()), reason::kClientClosed);
  EXPECT_EQ(router_.cancelled(), 1);
}

TEST_F(ConverseTest, AClientThatTakesNothingEndsTheCall) {
  TestFlow<absl::Status> flow(io_, api_.Converse(call_, source_, sink_));
  sink_.broken = absl::CancelledError();
  source_.Push(Turn("a"));
  flow.Poll();
  ASSERT_TRUE(flow.done());
  EXPECT_EQ(flow.result().code(), absl::StatusCode::kCancelled);
}

}  // namespace
}  // namespace gateway::ingress
