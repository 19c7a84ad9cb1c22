#include "services/ingress/agent_api.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

#include "common/status/error.h"
#include "tests/unit/services/ingress/agent_api_fixture.h"

namespace gateway::ingress {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;

TEST_F(AgentApiTest, AChatIsAnsweredWhole) {
  pb::ChatRequest request;
  *request.mutable_chat() = Chat();
  const auto response = Run(api_.Chat(call_, request));
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->chat().choices(0).message().content(0).text().text(),
            "hello");
  EXPECT_EQ(response->cost().pico_usd(), 7);
  EXPECT_FALSE(response->has_session());
  EXPECT_EQ(response->request_id(), response_metadata_.values["x-request-id"]);
  const auto routed = router_.requests();
  ASSERT_THAT(routed, SizeIs(1));
  EXPECT_FALSE(routed[0].typed().stream());
  EXPECT_EQ(routed[0].context().account().tenant(), "acme");
  EXPECT_EQ(routed[0].context().account().user(), "ada");
}

TEST_F(AgentApiTest, AnErrorIsTheStatusOfAChat) {
  pb::ChatRequest request;
  EXPECT_EQ(ReasonOf(Run(api_.Chat(call_, request)).status()),
            reason::kMissingParameter);
  *request.mutable_chat() = Chat();
  request.mutable_chat()->clear_messages();
  const auto empty = Run(api_.Chat(call_, request));
  EXPECT_EQ(DetailOf(empty.status())->param(), "chat.messages");

  *request.mutable_chat() = Chat();
  router_.OnRoute(FailScript(MakeError(reason::kUpstreamTimeout, "late")));
  const auto late = Run(api_.Chat(call_, request));
  EXPECT_EQ(late.status().code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(ReasonOf(late.status()), reason::kUpstreamTimeout);
}

TEST_F(AgentApiTest, AWrongKeyIsRefusedEverywhere) {
  metadata_.values["authorization"] = "Bearer guess";
  const auto refused = [](const absl::Status& status) {
    return ReasonOf(status) == reason::kInvalidApiKey;
  };
  EXPECT_TRUE(refused(Run(api_.Chat(call_, {})).status()));
  TestSink<pb::StreamChatResponse> sink;
  EXPECT_TRUE(refused(Run(api_.StreamChat(call_, {}, sink))));
  TestSource<pb::ConverseRequest> turns(io_.get_executor());
  TestSink<pb::ConverseResponse> events;
  EXPECT_TRUE(refused(Run(api_.Converse(call_, turns, events))));
  EXPECT_TRUE(refused(Run(api_.ListModels(call_, {})).status()));
  EXPECT_TRUE(refused(Run(api_.CreateSession(call_, {})).status()));
  EXPECT_TRUE(refused(Run(api_.GetSession(call_, {})).status()));
  EXPECT_TRUE(refused(Run(api_.ListSessions(call_, {})).status()));
  EXPECT_TRUE(refused(Run(api_.ListTurns(call_, {})).status()));
  EXPECT_TRUE(refused(Run(api_.DeleteSession(call_, {})).status()));
  TestSource<pb::SubmitBatchRequest> items(io_.get_executor());
  EXPECT_TRUE(refused(Run(api_.SubmitBatch(call_, items)).status()));
  EXPECT_TRUE(refused(Run(api_.GetBatch(call_, {})).status()));
  EXPECT_TRUE(refused(Run(api_.ListBatches(call_, {})).status()));
  EXPECT_TRUE(refused(Run(api_.CancelBatch(call_, {})).status()));
  TestSink<batch_aggregator::v1::StreamBatchResultsResponse> results;
  EXPECT_TRUE(refused(Run(api_.StreamBatchResults(call_, {}, results))));
}

TEST_F(AgentApiTest, TheKeyMayAlsoComeInOtherMetadata) {
  metadata_.values = {{"x-api-key", "secret"}};
  EXPECT_TRUE(Run(api_.ListSessions(call_, {})).ok());
  metadata_.values = {{"api-key", "secret"}};
  EXPECT_TRUE(Run(api_.ListSessions(call_, {})).ok());
}

TEST_F(AgentApiTest, AStreamIsStartedThenDeltasThenTheEnd) {
  router_.OnRoute(AnswerScript("a b"));
  pb::StreamChatRequest request;
  *request.mutable_chat() = Chat();
  TestSink<pb::StreamChatResponse> sink;
  EXPECT_TRUE(Run(api_.StreamChat(call_, request, sink)).ok());
  EXPECT_THAT(AllKinds(sink.messages),
              ElementsAre("started fake", "delta a", "delta b", "completed"));
  // `started` travels with the first delta.
  EXPECT_THAT(sink.messages, SizeIs(3));
  const auto& completed = sink.messages.back().events(0).completed();
  EXPECT_EQ(completed.finish_reason(), chat::v1::FINISH_REASON_STOP);
  EXPECT_EQ(completed.usage().output_tokens(), 2);
  EXPECT_EQ(completed.answer_id(), "chatcmpl-1");
}

TEST_F(AgentApiTest, AStreamThatFailsAtOnceHasAStatusAlone) {
  router_.OnRoute(FailScript(MakeError(reason::kUpstreamTimeout, "late")));
  pb::StreamChatRequest request;
  *request.mutable_chat() = Chat();
  TestSink<pb::StreamChatResponse> sink;
  EXPECT_EQ(ReasonOf(Run(api_.StreamChat(call_, request, sink))),
            reason::kUpstreamTimeout);
  EXPECT_THAT(sink.messages, SizeIs(0));
}

TEST_F(AgentApiTest, AStreamThatBreaksEndsInAnEventAndTheSameStatus) {
  router_.OnRoute(BreakScript(MakeError(reason::kUpstreamBadResponse, "cut")));
  pb::StreamChatRequest request;
  *request.mutable_chat() = Chat();
  TestSink<pb::StreamChatResponse> sink;
  const absl::Status status = Run(api_.StreamChat(call_, request, sink));
  EXPECT_EQ(ReasonOf(status), reason::kUpstreamBadResponse);
  EXPECT_THAT(AllKinds(sink.messages),
              ElementsAre("started fake", "delta part",
                          "failed upstream_bad_response"));
  EXPECT_EQ(sink.messages.back().events(0).failed().code(),
            static_cast<int>(status.code()));
}

TEST_F(AgentApiTest, ASessionIsNotMadeUnlessAsked) {
  pb::ChatRequest request;
  *request.mutable_chat() = Chat();
  request.mutable_session()->set_session_id("s");
  EXPECT_EQ(ReasonOf(Run(api_.Chat(call_, request)).status()),
            reason::kSessionNotFound);
  request.mutable_session()->set_create_if_absent(true);
  for (int turns = 0; turns < 2; ++turns) {
    const auto response = Run(api_.Chat(call_, request));
    ASSERT_TRUE(response.ok()) << response.status();
    EXPECT_EQ(response->session().session_id(), "s");
    EXPECT_EQ(response->session().turn_count(), turns);
    EXPECT_EQ(response->session().mode(), model_router::v1::SESSION_MODE_NEW);
  }
  request.mutable_session()->set_expected_turn_count(1);
  EXPECT_EQ(ReasonOf(Run(api_.Chat(call_, request)).status()),
            reason::kSessionTurnMismatch);
  request.mutable_session()->set_session_id("a b");
  EXPECT_EQ(DetailOf(Run(api_.Chat(call_, request)).status())->param(),
            "session.session_id");
}

TEST_F(AgentApiTest, TheClientsDeadlineIsPassedOn) {
  pb::ChatRequest request;
  *request.mutable_chat() = Chat();
  call_.deadline = clock_.Now() + absl::Seconds(3);
  EXPECT_TRUE(Run(api_.Chat(call_, request)).ok());
  call_.deadline = absl::InfiniteFuture();
  EXPECT_TRUE(Run(api_.Chat(call_, request)).ok());
  EXPECT_THAT(router_.deadlines(),
              ElementsAre(clock_.Now() + absl::Seconds(3),
                          clock_.Now() + absl::Seconds(600)));
}

TEST_F(AgentApiTest, ListsTheModelsOfTheKey) {
  EXPECT_EQ(ReasonOf(Run(api_.ListModels(call_, {})).status()),
            reason::kUnavailable);
  router_.SetModels({"m", "other"});
  VoidTestFlow watching(io_, catalogue_.Run());
  const auto models = Run(api_.ListModels(call_, {}));
  ASSERT_TRUE(models.ok());
  ASSERT_EQ(models->models_size(), 1);
  EXPECT_EQ(models->models(0).id(), "m");
  EXPECT_EQ(models->models(0).owned_by(), "fake");
  EXPECT_EQ(models->models(0).create_time().seconds(), 1'790'000'000);
  EXPECT_EQ(models->models(0).context_tokens(), 8192);
  watching.Cancel();
}

TEST_F(AgentApiTest, SessionsAreThoseOfTheCallersAccount) {
  pb::CreateSessionRequest create;
  create.set_session_id("s");
  ASSERT_TRUE(Run(api_.CreateSession(call_, create)).ok());
  pb::GetSessionRequest get;
  get.set_session_id("s");
  const auto found = Run(api_.GetSession(call_, get));
  ASSERT_TRUE(found.ok());
  EXPECT_EQ(found->user(), "ada");
  get.set_user("grace");
  EXPECT_EQ(ReasonOf(Run(api_.GetSession(call_, get)).status()),
            reason::kSessionNotFound);
  EXPECT_EQ(Run(api_.ListSessions(call_, {}))->sessions_size(), 1);
  pb::ListTurnsRequest turns;
  turns.set_session_id("s");
  EXPECT_EQ(Run(api_.ListTurns(call_, turns))->turns_size(), 0);
  pb::DeleteSessionRequest del;
  del.set_session_id("s");
  EXPECT_TRUE(Run(api_.DeleteSession(call_, del)).ok());
  EXPECT_EQ(Run(api_.ListSessions(call_, {}))->sessions_size(), 0);
}

TEST_F(AgentApiTest, AStoreThatIsAwayIsSaidSo) {
  store_.Fail("ListSessions", absl::UnavailableError("connect 10.0.0.3"));
  const absl::Status status = Run(api_.ListSessions(call_, {})).status();
  EXPECT_EQ(ReasonOf(status), reason::kSessionUnavailable);
  EXPECT_TRUE(DetailOf(status)->has_retry_delay());
}

TEST_F(AgentApiTest, TheCallersOwnDeadlineIsNoAbsenceOfTheStore) {
  store_.Fail("ListSessions", absl::DeadlineExceededError("late"));
  EXPECT_EQ(ReasonOf(Run(api_.ListSessions(call_, {})).status()),
            reason::kSessionUnavailable);
  call_.deadline = clock_.Now();
  EXPECT_EQ(ReasonOf(Run(api_.ListSessions(call_, {})).status()),
            reason::kDeadlineExceeded);
}

TEST_F(AgentApiTest, ACallerThatLeavesIsRecordedAsSuch) {
  TestSource<pb::SubmitBatchRequest> source(io_.get_executor());
  pb::SubmitBatchRequest header;
  header.mutable_header();
  source.Push(header);
  TestFlow<absl::StatusOr<batch_aggregator::v1::Batch>> flow(
      io_, api_.SubmitBatch(call_, source));
  EXPECT_FALSE(flow.done());
  flow.Cancel();
  ASSERT_TRUE(flow.done());
  EXPECT_EQ(flow.result().status().code(), absl::StatusCode::kCancelled);
  const auto records = Records();
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0].outcome(), metrics_collector::v1::OUTCOME_CANCELLED);
}

TEST_F(AgentApiTest, ACallThatIsCancelledAtItsDeadlineIsLate) {
  TestSource<pb::SubmitBatchRequest> source(io_.get_executor());
  call_.deadline = clock_.Now() + absl::Seconds(10);
  TestFlow<absl::StatusOr<batch_aggregator::v1::Batch>> flow(
      io_, api_.SubmitBatch(call_, source));
  clock_.Advance(absl::Seconds(10));
  flow.Cancel();
  ASSERT_TRUE(flow.done());
  EXPECT_EQ(ReasonOf(flow.result().status()), reason::kDeadlineExceeded);
  const auto records = Records();
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0].reason(), "deadline_exceeded");
}

TEST_F(AgentApiTest, ABatchWhoseClientFallsSilentIsGivenUp) {
  AgentApi api(&services_, &batches_, {.idle_timeout = absl::Milliseconds(30)});
  for (const bool with_header : {false, true}) {
    TestSource<pb::SubmitBatchRequest> source(io_.get_executor());
    if (with_header) {
      pb::SubmitBatchRequest header;
      header.mutable_header();
      source.Push(header);
    }
    TestFlow<absl::StatusOr<batch_aggregator::v1::Batch>> flow(
        io_, api.SubmitBatch(call_, source));
    EXPECT_EQ(admission_.in_flight(), 1);
    io_.restart();
    while (!flow.done() && io_.run_one_for(std::chrono::seconds(10)) > 0) {
    }
    ASSERT_TRUE(flow.done());
    EXPECT_EQ(ReasonOf(flow.result().status()), reason::kRequestTimeout);
    EXPECT_EQ(admission_.in_flight(), 0);
  }
  EXPECT_EQ(batches_.batches(), 0);
}

TEST_F(AgentApiTest, EveryCallOfAKnownCallerIsRecordedOnce) {
  EXPECT_TRUE(Run(api_.ListSessions(call_, {})).ok());
  EXPECT_FALSE(Run(api_.ListModels(call_, {})).ok());
  pb::GetBatchRequest get;
  get.set_batch_id("none");
  EXPECT_FALSE(Run(api_.GetBatch(call_, get)).ok());
  pb::StreamBatchResultsRequest stream;
  stream.set_batch_id("none");
  TestSink<batch_aggregator::v1::StreamBatchResultsResponse> results;
  EXPECT_FALSE(Run(api_.StreamBatchResults(call_, stream, results)).ok());
  metadata_.values["authorization"] = "Bearer guess";
  EXPECT_FALSE(Run(api_.ListSessions(call_, {})).ok());
  const auto records = Records();
  ASSERT_EQ(records.size(), 4u);
  EXPECT_EQ(records[0].method(), "sessions");
  EXPECT_EQ(records[0].outcome(), metrics_collector::v1::OUTCOME_COMPLETED);
  EXPECT_EQ(records[0].account().tenant(), "acme");
  EXPECT_EQ(records[0].account().user(), "ada");
  EXPECT_NE(records[0].request_id(), records[1].request_id());
  EXPECT_EQ(records[1].method(), "ListModels");
  EXPECT_EQ(records[1].reason(), reason::kUnavailable);
  EXPECT_EQ(records[2].method(), "batches");
  EXPECT_EQ(records[2].outcome(), metrics_collector::v1::OUTCOME_FAILED);
  EXPECT_EQ(records[3].method(), "batches");
}

TEST_F(AgentApiTest, AChatBeyondTheBodyLimitIsTooLarge) {
  AgentApiOptions options;
  options.typed.max_body_bytes = 1000;
  AgentApi api(&services_, &batches_, options);
  pb::ChatRequest request;
  *request.mutable_chat() = Chat(std::string(2000, 'x'));
  EXPECT_EQ(ReasonOf(Run(api.Chat(call_, request)).status()),
            reason::kRequestTooLarge);
  *request.mutable_chat() = Chat("small");
  EXPECT_TRUE(Run(api.Chat(call_, request)).ok());
}

TEST_F(AgentApiTest, ABatchRunsOnTheCallersAccount) {
  TestSource<pb::SubmitBatchRequest> source(io_.get_executor());
  pb::SubmitBatchRequest header;
  header.mutable_header()->set_idempotency_key("once");
  (*header.mutable_header()->mutable_metadata())["a"] = "b";
  header.mutable_header()->set_user("grace");
  source.Push(header);
  for (const char* id : {"i1", "i2"}) {
    pb::SubmitBatchRequest item;
    item.mutable_item()->set_custom_id(id);
    *item.mutable_item()->mutable_typed() = Chat();
    source.Push(item);
  }
  source.End();
  const auto batch = Run(api_.SubmitBatch(call_, source));
  ASSERT_TRUE(batch.ok()) << batch.status();
  EXPECT_EQ(batch->total_items(), 2);
  const auto stored = batches_.Header(batch->batch_id());
  EXPECT_EQ(stored.context().account().tenant(), "acme");
  EXPECT_EQ(stored.context().account().key_id(), "k1");
  EXPECT_EQ(stored.context().account().user(), "grace");
  EXPECT_EQ(stored.idempotency_key(), "once");
  EXPECT_EQ(stored.metadata().at("a"), "b");
  EXPECT_THAT(stored.allowed_models(), ElementsAre("m"));

  pb::GetBatchRequest get;
  get.set_batch_id(batch->batch_id());
  EXPECT_TRUE(Run(api_.GetBatch(call_, get)).ok());
  EXPECT_EQ(Run(api_.ListBatches(call_, {}))->batches_size(), 1);
  batches_.Answer(batch->batch_id(), "i1", "one");
  batches_.Answer(batch->batch_id(), "i2", "two");
  pb::StreamBatchResultsRequest stream;
  stream.set_batch_id(batch->batch_id());
  TestSink<batch_aggregator::v1::StreamBatchResultsResponse> results;
  EXPECT_TRUE(Run(api_.StreamBatchResults(call_, stream, results)).ok());
  EXPECT_THAT(results.messages, SizeIs(2));
  pb::CancelBatchRequest cancel;
  cancel.set_batch_id(batch->batch_id());
  EXPECT_TRUE(Run(api_.CancelBatch(call_, cancel)).ok());
}

TEST_F(AgentApiTest, ABatchBeginsWithItsOneHeader) {
  pb::SubmitBatchRequest item;
  item.mutable_item()->set_custom_id("i1");
  pb::SubmitBatchRequest header;
  header.mutable_header();
  {
    TestSource<pb::SubmitBatchRequest> source(io_.get_executor());
    source.Push(item);
    source.End();
    EXPECT_EQ(DetailOf(Run(api_.SubmitBatch(call_, source)).status())->param(),
              "header");
  }
  TestSource<pb::SubmitBatchRequest> source(io_.get_executor());
  source.Push(header);
  source.Push(item);
  source.Push(header);
  source.End();
  EXPECT_EQ(Run(api_.SubmitBatch(call_, source)).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(batches_.batches(), 0);
}

}  // namespace
}  // namespace gateway::ingress
