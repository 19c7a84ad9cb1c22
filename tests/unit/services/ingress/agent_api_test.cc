#include "services/ingress/agent_api.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <map>

#include "common/status/error.h"
#include "tests/fakes/fake_batch_aggregator.h"
#include "tests/fakes/memory_session_store.h"
#include "tests/fakes/recording_telemetry_receiver.h"
#include "tests/fakes/scripted_model_router.h"
#include "tests/support/fake_clock.h"
#include "tests/support/run_flow.h"
#include "tests/support/test_streams.h"

namespace gateway::ingress {
namespace {

namespace pb = agent::v1;
using ::testing::ElementsAre;
using ::testing::SizeIs;

class MapMetadata final : public rpc::Metadata {
 public:
  std::optional<absl::string_view> Get(absl::string_view key) const override {
    const auto it = values.find(std::string(key));
    if (it == values.end()) return std::nullopt;
    return it->second;
  }
  std::map<std::string, std::string> values;
};

class MapResponseMetadata final : public rpc::ResponseMetadata {
 public:
  void Add(absl::string_view key, absl::string_view value) override {
    values[std::string(key)] = std::string(value);
  }
  std::map<std::string, std::string> values;
};

// One word for each event, in order.
std::vector<std::string> Kinds(
    const google::protobuf::RepeatedPtrField<pb::ChatEvent>& events) {
  std::vector<std::string> kinds;
  for (const pb::ChatEvent& event : events) {
    switch (event.event_case()) {
      case pb::ChatEvent::kStarted:
        kinds.push_back("started " + event.started().provider());
        break;
      case pb::ChatEvent::kDelta:
        kinds.push_back("delta " + event.delta().text());
        break;
      case pb::ChatEvent::kCompleted:
        kinds.push_back("completed");
        break;
      case pb::ChatEvent::kFailed:
        kinds.push_back("failed " + event.failed().detail().reason());
        break;
      default:
        kinds.push_back("?");
    }
  }
  return kinds;
}

template <class Messages>
std::vector<std::string> AllKinds(const Messages& messages) {
  std::vector<std::string> all;
  for (const auto& message : messages) {
    for (std::string& kind : Kinds(message.events())) {
      all.push_back(std::move(kind));
    }
  }
  return all;
}

class AgentApiTest : public ::testing::Test {
 protected:
  AgentApiTest()
      : reporter_(&receiver_, &clock_, {.service = "ingress"}),
        catalogue_(&router_, &clock_) {
    access_.store = &store_;
    access_.clock = &clock_;
    ApiKeyOptions key;
    key.id = "k1";
    key.tenant = "acme";
    key.sha256 = Sha256("secret");
    key.models = {"m"};
    keys_ = std::make_unique<ApiKeys>(std::vector<ApiKeyOptions>{key});
    services_.keys = keys_.get();
    services_.admission = &admission_;
    services_.catalogue = &catalogue_;
    services_.router = &router_;
    services_.sessions = &access_;
    services_.reporter = &reporter_;
    services_.metrics = &metrics_;
    services_.clock = &clock_;
    metadata_.values["authorization"] = "Bearer secret";
    metadata_.values["x-user-id"] = "ada";
    call_.metadata = &metadata_;
    call_.response_metadata = &response_metadata_;
  }

  template <class T>
  T Run(Awaitable<T> flow) {
    TestFlow<T> running(io_, std::move(flow));
    EXPECT_TRUE(running.done());
    return std::move(running.result());
  }

  static chat::v1::ChatRequest Chat(absl::string_view text = "hi") {
    chat::v1::ChatRequest chat;
    chat.set_model("m");
    auto& message = *chat.add_messages();
    message.set_role(chat::v1::ROLE_USER);
    message.add_content()->mutable_text()->set_text(std::string(text));
    return chat;
  }

  boost::asio::io_context io_;
  FakeClock clock_;
  ScriptedModelRouter router_;
  MemorySessionStore store_;
  FakeBatchAggregator batches_;
  RecordingTelemetryReceiver receiver_;
  telemetry::Reporter reporter_;
  ModelCatalogue catalogue_;
  Metrics metrics_;
  Admission admission_{{.max_requests_in_flight = 3}};
  SessionAccess access_;
  std::unique_ptr<ApiKeys> keys_;
  ExchangeServices services_;
  AgentApi api_{&services_, &batches_, {}};
  MapMetadata metadata_;
  MapResponseMetadata response_metadata_;
  rpc::Call call_;
};

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
