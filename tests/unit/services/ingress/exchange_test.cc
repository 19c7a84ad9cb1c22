#include "services/ingress/exchange.h"

#include <absl/strings/match.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <prometheus/metric_family.h>

#include <boost/asio/io_context.hpp>

#include "common/concurrency/spawn.h"
#include "common/status/error.h"
#include "tests/fakes/memory_session_store.h"
#include "tests/fakes/recording_telemetry_receiver.h"
#include "tests/fakes/scripted_model_router.h"
#include "tests/support/fake_clock.h"
#include "tests/support/run_flow.h"

namespace gateway::ingress {
namespace {

using metrics_collector::v1::RequestRecord;
using model_router::v1::RouteEvent;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

// What a client would see.
class RecordingSink final : public ExchangeSink {
 public:
  Awaitable<void> StreamOpened() override {
    log.push_back("opened");
    co_return;
  }
  void SessionBegun(const SessionTurn& turn) override {
    log.push_back("session " + turn.session_id());
  }
  void Started(const model_router::v1::Started& started) override {
    log.push_back("started " + started.provider());
  }
  Awaitable<absl::Status> Run(RouteEvent& event) override {
    if (gone) co_return absl::CancelledError();
    begun_ = true;
    log.push_back("run " + Data(event));
    if (on_run) on_run();
    co_return absl::OkStatus();
  }
  Awaitable<absl::Status> Completed(RouteEvent& event) override {
    if (gone) co_return absl::CancelledError();
    begun_ = true;
    log.push_back("completed " + Data(event) +
                  event.completed().last_frames().data());
    co_return absl::OkStatus();
  }
  Awaitable<void> Failed(const absl::Status& error) override {
    log.push_back("failed " + ReasonOf(error));
    co_return;
  }
  bool begun() const override { return begun_; }

  std::vector<std::string> log;
  bool gone = false;
  std::function<void()> on_run;

 private:
  static std::string Data(const RouteEvent& event) {
    if (event.has_answer()) return event.answer().encoded();
    return event.frames().data();
  }
  bool begun_ = false;
};

// A body of OpenAI's dialect, as its adapter would read it.
class FixedReader final : public ChatReader {
 public:
  absl::Status Read(ChatCall& call) override {
    ++reads;
    if (!error.ok()) return error;
    call.route.set_model(model);
    call.route.mutable_encoded()->set_body("{}");
    call.route.mutable_encoded()->set_stream(stream);
    call.stream = stream;
    call.session = session;
    call.user = user;
    call.deadline = deadline;
    return absl::OkStatus();
  }

  std::string model = "m";
  bool stream = false;
  std::optional<SessionWish> session;
  std::string user;
  absl::Status error;
  absl::Time deadline = absl::InfiniteFuture();
  int reads = 0;
};

SessionWish Session(absl::string_view id) {
  SessionWish wish;
  wish.session_id = std::string(id);
  return wish;
}

class ExchangeTest : public ::testing::Test {
 protected:
  ExchangeTest()
      : reporter_(&receiver_, &clock_, {.service = "ingress"}),
        catalogue_(&router_, &clock_) {
    access_.store = &store_;
    access_.clock = &clock_;
    ApiKeyOptions key;
    key.id = "k1";
    key.tenant = "acme";
    key.sha256 = Sha256("secret");
    key.models = {"m", "gone"};
    key.max_concurrency = 1;
    keys_ = std::make_unique<ApiKeys>(std::vector<ApiKeyOptions>{key});
    services_.keys = keys_.get();
    services_.admission = &admission_;
    services_.catalogue = &catalogue_;
    services_.router = &router_;
    services_.sessions = &access_;
    services_.reporter = &reporter_;
    services_.metrics = &metrics_;
    services_.clock = &clock_;
    arrival_.method = Method::kChatCompletions;
    arrival_.request_id = "req_1";
    arrival_.time = clock_.Now();
    arrival_.credential = "secret";
    arrival_.user = "ada";
  }

  Awaitable<absl::Status> Start() {
    Exchange exchange(services_, arrival_, sink_);
    co_return co_await exchange.Run(reader_);
  }

  absl::Status Run() {
    TestFlow<absl::Status> flow(io_, Start());
    EXPECT_TRUE(flow.done());
    return flow.result();
  }

  // Everything that was reported.
  std::vector<RequestRecord> Records() {
    reporter_.Stop();
    VoidTestFlow flow(io_, reporter_.Run());
    EXPECT_TRUE(flow.done());
    return receiver_.records();
  }
  RequestRecord OnlyRecord() {
    const auto records = Records();
    EXPECT_EQ(records.size(), 1u);
    return records.empty() ? RequestRecord() : records[0];
  }

  double RateLimited() const {
    for (const auto& family : metrics_.Collect()) {
      if (family.name != "agentgw_ratelimited_total") continue;
      return family.metric[0].counter.value;
    }
    return -1;
  }

  boost::asio::io_context io_;
  FakeClock clock_;
  ScriptedModelRouter router_;
  MemorySessionStore store_;
  RecordingTelemetryReceiver receiver_;
  telemetry::Reporter reporter_;
  ModelCatalogue catalogue_;
  Metrics metrics_;
  Admission admission_{{.max_requests_in_flight = 2}};
  SessionAccess access_;
  std::unique_ptr<ApiKeys> keys_;
  template <class T, class V>
  void SetOption(T ExchangeOptions::*member, V value) {
    ExchangeOptions options = services_.options.Get();
    options.*member = static_cast<T>(value);
    services_.options.Set(options);
  }

  ExchangeServices services_;
  Arrival arrival_;
  FixedReader reader_;
  RecordingSink sink_;
};

TEST_F(ExchangeTest, AWholeAnswerGoesOutAtOnce) {
  EXPECT_TRUE(Run().ok());
  EXPECT_THAT(sink_.log,
              ElementsAre("started fake", "completed " + AnswerBody("hello")));
  const auto requests = router_.requests();
  ASSERT_EQ(requests.size(), 1u);
  EXPECT_EQ(requests[0].context().request_id(), "req_1");
  EXPECT_EQ(requests[0].context().account().tenant(), "acme");
  EXPECT_EQ(requests[0].context().account().key_id(), "k1");
  EXPECT_EQ(requests[0].context().account().user(), "ada");
  EXPECT_EQ(requests[0].context().priority(), common::v1::PRIORITY_INTERACTIVE);
  EXPECT_FALSE(requests[0].want_turn());
  EXPECT_EQ(admission_.in_flight(), 0);
}

TEST_F(ExchangeTest, AnAnswerIsRecordedOnce) {
  EXPECT_TRUE(Run().ok());
  const RequestRecord record = OnlyRecord();
  EXPECT_EQ(record.request_id(), "req_1");
  EXPECT_EQ(record.outcome(), metrics_collector::v1::OUTCOME_COMPLETED);
  EXPECT_EQ(record.protocol(), "http");
  EXPECT_EQ(record.method(), "/v1/chat/completions");
  EXPECT_EQ(record.model(), "m");
  EXPECT_EQ(record.target(), "fake/fake-m");
  EXPECT_EQ(record.http_status(), 200);
  EXPECT_EQ(record.error_class(), "");
  EXPECT_EQ(record.usage().output_tokens(), 2);
  EXPECT_EQ(record.cost().pico_usd(), 7);
  EXPECT_EQ(record.account().user(), "ada");
  EXPECT_EQ(record.request_content(), "");
}

TEST_F(ExchangeTest, AStreamGoesOutInRuns) {
  reader_.stream = true;
  router_.OnRoute(AnswerScript("a b"));
  EXPECT_TRUE(Run().ok());
  EXPECT_THAT(sink_.log,
              ElementsAre("opened", "started fake", "run " + ChunkFrame("a"),
                          "run " + ChunkFrame("b"),
                          std::string("completed ") + kDoneFrame));
  EXPECT_EQ(OnlyRecord().protocol(), "sse");
}

TEST_F(ExchangeTest, EventsThatComeTogetherGoTogether) {
  reader_.stream = true;
  router_.OnRoute(
      [](const auto& request, auto& sink) -> Awaitable<absl::Status> {
        std::vector<RouteEvent> first = {StartedEvent(), RunEvent(request, "a"),
                                         RunEvent(request, "b")};
        co_await sink.WriteMany(first);
        std::vector<RouteEvent> last = {RunEvent(request, "c"),
                                        EndEvent(request, "abc")};
        co_return co_await sink.WriteMany(last);
      });
  EXPECT_TRUE(Run().ok());
  EXPECT_THAT(sink_.log,
              ElementsAre("opened", "started fake",
                          "run " + ChunkFrame("a") + ChunkFrame("b"),
                          "completed " + ChunkFrame("c") + kDoneFrame));
}

TEST_F(ExchangeTest, WithoutStreamingAStreamIsHeldAndSentAsOne) {
  SetOption(&ExchangeOptions::streaming, false);
  reader_.stream = true;
  router_.OnRoute(AnswerScript("a b"));
  EXPECT_TRUE(Run().ok());
  EXPECT_THAT(sink_.log, ElementsAre("opened", "started fake",
                                     "completed " + ChunkFrame("a") +
                                         ChunkFrame("b") + kDoneFrame));
}

TEST_F(ExchangeTest, WithoutStreamingABrokenStreamIsAnErrorAlone) {
  SetOption(&ExchangeOptions::streaming, false);
  reader_.stream = true;
  router_.OnRoute(BreakScript(MakeError(reason::kUpstreamBadResponse, "cut")));
  EXPECT_FALSE(Run().ok());
  EXPECT_THAT(sink_.log, ElementsAre("opened", "started fake",
                                     "failed upstream_bad_response"));
}

TEST_F(ExchangeTest, HoldingALongTypedStreamTakesTimeInItsLengthAlone) {
  SetOption(&ExchangeOptions::streaming, false);
  SetOption(&ExchangeOptions::max_held_bytes, 64 << 20);
  router_.OnRoute([](const model_router::v1::RouteRequest& request,
                     rpc::Sink<RouteEvent>& sink) -> Awaitable<absl::Status> {
    for (int i = 0; i < 30'000; ++i) {
      RouteEvent event;
      event.mutable_deltas()->add_deltas()->set_text("word");
      absl::Status sent = co_await sink.Write(std::move(event));
      if (!sent.ok()) co_return sent;
    }
    co_return co_await sink.Write(EndEvent(request, ""));
  });
  reader_.stream = true;
  const absl::Time start = absl::Now();
  EXPECT_TRUE(Run().ok());
  // Looking at all that is held for each event took minutes.
  EXPECT_LT(absl::Now() - start, absl::Seconds(5));
}

TEST_F(ExchangeTest, AHeldStreamThatGrowsTooLargeIsSent) {
  SetOption(&ExchangeOptions::streaming, false);
  SetOption(&ExchangeOptions::max_held_bytes, ChunkFrame("a").size());
  reader_.stream = true;
  router_.OnRoute(AnswerScript("a b c"));
  EXPECT_TRUE(Run().ok());
  EXPECT_THAT(sink_.log,
              ElementsAre("opened", "started fake",
                          "run " + ChunkFrame("a") + ChunkFrame("b"),
                          "completed " + ChunkFrame("c") + kDoneFrame));
}

TEST_F(ExchangeTest, AWrongKeyIsRefusedUnreadAndUnrecorded) {
  arrival_.credential = "guess";
  EXPECT_EQ(Run().code(), absl::StatusCode::kUnauthenticated);
  EXPECT_THAT(sink_.log, ElementsAre("failed invalid_api_key"));
  EXPECT_EQ(reader_.reads, 0);
  EXPECT_THAT(Records(), IsEmpty());
}

TEST_F(ExchangeTest, AFullKeyIsRefusedUnreadButRecorded) {
  router_.OnRoute(HangScript());
  TestFlow<absl::Status> first(io_, Start());
  RecordingSink other;
  FixedReader unread;
  const auto second = [&]() -> Awaitable<absl::Status> {
    Exchange exchange(services_, arrival_, other);
    co_return co_await exchange.Run(unread);
  };
  TestFlow<absl::Status> refused(io_, second());
  ASSERT_TRUE(refused.done());
  EXPECT_THAT(other.log, ElementsAre("failed rate_limit_exceeded"));
  EXPECT_EQ(unread.reads, 0);
  first.Cancel();
  ASSERT_TRUE(first.done());
  EXPECT_EQ(Records().size(), 2u);
}

TEST_F(ExchangeTest, OnlyOwnRefusalsCountAsRateLimited) {
  router_.OnRoute(
      FailScript(MakeError(reason::kRateLimitExceeded, "the provider's")));
  EXPECT_FALSE(Run().ok());
  EXPECT_EQ(RateLimited(), 0);
  router_.OnRoute(HangScript());
  TestFlow<absl::Status> first(io_, Start());
  EXPECT_FALSE(Run().ok());
  EXPECT_EQ(RateLimited(), 1);
  first.Cancel();
}

TEST_F(ExchangeTest, ABadBodyIsTheCallersFault) {
  reader_.error = MakeError(reason::kInvalidJson, "no JSON");
  EXPECT_FALSE(Run().ok());
  EXPECT_THAT(sink_.log, ElementsAre("failed invalid_json"));
  const RequestRecord record = OnlyRecord();
  EXPECT_EQ(record.outcome(), metrics_collector::v1::OUTCOME_FAILED);
  EXPECT_EQ(record.error_class(), "caller");
  EXPECT_EQ(record.reason(), "invalid_json");
  EXPECT_EQ(record.http_status(), 400);
}

TEST_F(ExchangeTest, AModelOutsideTheKeysListIsRefused) {
  reader_.model = "other";
  EXPECT_FALSE(Run().ok());
  EXPECT_THAT(sink_.log, ElementsAre("failed model_not_allowed"));
  EXPECT_THAT(router_.requests(), IsEmpty());
}

TEST_F(ExchangeTest, AnUnknownModelIsRefusedOnceTheCatalogueIsKnown) {
  reader_.model = "gone";
  EXPECT_TRUE(Run().ok());
  EXPECT_EQ(router_.requests().size(), 1u);

  VoidTestFlow watching(io_, catalogue_.Run());
  ASSERT_NE(catalogue_.snapshot(), nullptr);
  sink_.log.clear();
  EXPECT_FALSE(Run().ok());
  EXPECT_THAT(sink_.log, ElementsAre("failed model_not_found"));
  EXPECT_EQ(router_.requests().size(), 1u);
  watching.Cancel();
}

TEST_F(ExchangeTest, AFailureBeforeTheFirstRunIsTheOutcome) {
  router_.OnRoute(FailScript(MakeError(reason::kUpstreamTimeout, "late")));
  EXPECT_EQ(ReasonOf(Run()), reason::kUpstreamTimeout);
  EXPECT_THAT(sink_.log, ElementsAre("failed upstream_timeout"));
  const RequestRecord record = OnlyRecord();
  EXPECT_EQ(record.error_class(), "provider");
  EXPECT_EQ(record.http_status(), 504);
}

TEST_F(ExchangeTest, AFailureInAStreamFollowsWhatCame) {
  reader_.stream = true;
  router_.OnRoute(BreakScript(MakeError(reason::kUpstreamBadResponse, "cut")));
  EXPECT_FALSE(Run().ok());
  EXPECT_THAT(sink_.log,
              ElementsAre("opened", "started fake", "run " + ChunkFrame("part"),
                          "failed upstream_bad_response"));
  // The client saw a 200 that broke.
  EXPECT_EQ(OnlyRecord().http_status(), 200);
}

TEST_F(ExchangeTest, ARouterThatIsGoneIsUnavailableWithoutItsText) {
  router_.OnRoute(
      MeshFailScript(absl::UnavailableError("connect to 10.0.0.7 failed")));
  const absl::Status outcome = Run();
  EXPECT_EQ(ReasonOf(outcome), reason::kUnavailable);
  EXPECT_FALSE(absl::StrContains(outcome.message(), "10.0.0.7"));
  EXPECT_TRUE(DetailOf(outcome)->has_retry_delay());
  EXPECT_EQ(OnlyRecord().error_class(), "gateway");
}

TEST_F(ExchangeTest, AnEndWithoutATerminalEventIsAnError) {
  router_.OnRoute(MeshFailScript(absl::OkStatus()));
  EXPECT_EQ(ReasonOf(Run()), reason::kInternal);
  EXPECT_THAT(sink_.log, ElementsAre("failed internal"));
}

TEST_F(ExchangeTest, AnEndWithoutTheWholeAnswerIsAnError) {
  router_.OnRoute(
      [](const auto& request, auto& sink) -> Awaitable<absl::Status> {
        RouteEvent end = EndEvent(request, "lost");
        end.clear_run();
        co_return co_await sink.Write(std::move(end));
      });
  EXPECT_EQ(ReasonOf(Run()), reason::kInternal);
  EXPECT_THAT(sink_.log, ElementsAre("failed internal"));
}

TEST_F(ExchangeTest, ACallerWhoseTimeIsOverHasNotLeft) {
  for (const bool stream : {false, true}) {
    for (const bool in_session : {false, true}) {
      reader_.stream = stream;
      if (in_session) reader_.session = Session("s");
      reader_.deadline = clock_.Now() + absl::Seconds(10);
      arrival_.time = clock_.Now();
      router_.OnRoute(HangScript());
      TestFlow<absl::Status> flow(io_, Start());
      // The caller's own clock, which gRPC cancels by, is a little ahead.
      clock_.Advance(absl::Milliseconds(9'990));
      flow.Cancel();
      ASSERT_TRUE(flow.done());
      EXPECT_EQ(ReasonOf(flow.result()), reason::kDeadlineExceeded);
    }
  }
  EXPECT_THAT(sink_.log, Not(Contains(StartsWith("failed"))));
  for (const RequestRecord& record : Records()) {
    EXPECT_EQ(record.outcome(), metrics_collector::v1::OUTCOME_FAILED);
    EXPECT_EQ(record.reason(), "deadline_exceeded");
    EXPECT_EQ(record.error_class(), "caller");
  }
}

TEST_F(ExchangeTest, AClientThatLeavesCancelsTheCallAndIsRecorded) {
  reader_.deadline = clock_.Now() + absl::Seconds(10);
  reader_.stream = true;
  router_.OnRoute(HangScript());
  TestFlow<absl::Status> flow(io_, Start());
  EXPECT_FALSE(flow.done());
  EXPECT_EQ(router_.running(), 1);
  flow.Cancel();
  ASSERT_TRUE(flow.done());
  EXPECT_EQ(flow.result().code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(router_.running(), 0);
  EXPECT_EQ(router_.cancelled(), 1);
  EXPECT_THAT(sink_.log, ElementsAre("opened", "started fake",
                                     "run " + ChunkFrame("part")));
  EXPECT_EQ(admission_.in_flight(), 0);
  const RequestRecord record = OnlyRecord();
  EXPECT_EQ(record.outcome(), metrics_collector::v1::OUTCOME_CANCELLED);
  EXPECT_EQ(record.reason(), "client_closed");
  EXPECT_EQ(record.http_status(), 499);
}

TEST_F(ExchangeTest, AClientThatTakesNoRunHasLeft) {
  reader_.stream = true;
  sink_.gone = true;
  EXPECT_EQ(Run().code(), absl::StatusCode::kCancelled);
  EXPECT_THAT(sink_.log, ElementsAre("opened", "started fake"));
  EXPECT_EQ(OnlyRecord().outcome(), metrics_collector::v1::OUTCOME_CANCELLED);
}

TEST_F(ExchangeTest, AFlowThatTheDrainCutsTellsItsClient) {
  reader_.stream = true;
  router_.OnRoute(HangScript());
  TestFlow<absl::Status> flow(io_, Start());
  services_.cutting = true;
  flow.Cancel();
  ASSERT_TRUE(flow.done());
  EXPECT_EQ(ReasonOf(flow.result()), reason::kDraining);
  EXPECT_THAT(sink_.log,
              ElementsAre("opened", "started fake", "run " + ChunkFrame("part"),
                          "failed draining"));
  EXPECT_EQ(OnlyRecord().outcome(), metrics_collector::v1::OUTCOME_FAILED);
}

TEST_F(ExchangeTest, TheDeadlineIsPassedOn) {
  reader_.deadline = clock_.Now() + absl::Seconds(7);
  EXPECT_TRUE(Run().ok());
  EXPECT_THAT(router_.deadlines(), ElementsAre(reader_.deadline));
}

TEST_F(ExchangeTest, ASessionIsReadBeforeAndWrittenBeforeTheEnd) {
  reader_.session = Session("s");
  reader_.stream = true;
  sink_.on_run = [&] { EXPECT_EQ(store_.turns("acme", "ada", "s"), 0); };
  EXPECT_TRUE(Run().ok());
  EXPECT_THAT(sink_.log, ElementsAre("opened", "session s", "started fake",
                                     "run " + ChunkFrame("hello"),
                                     std::string("completed ") + kDoneFrame));
  EXPECT_EQ(store_.turns("acme", "ada", "s"), 1);
  EXPECT_FALSE(store_.leased("acme", "ada", "s"));

  sink_.on_run = nullptr;
  EXPECT_TRUE(Run().ok());
  const auto requests = router_.requests();
  ASSERT_EQ(requests.size(), 2u);
  EXPECT_TRUE(requests[1].want_turn());
  EXPECT_EQ(requests[1].session().turns_size(), 1);
  EXPECT_EQ(requests[1].session().mode(), model_router::v1::SESSION_MODE_NEW);
  EXPECT_EQ(Records().back().session_id(), "s");
}

TEST_F(ExchangeTest, AnAnswerThatCannotBeSavedIsAnError) {
  reader_.session = Session("s");
  store_.Fail("CommitTurn", absl::InternalError("disk"));
  const absl::Status outcome = Run();
  EXPECT_EQ(ReasonOf(outcome), reason::kSessionNotSaved);
  EXPECT_FALSE(IsRetryable(outcome));
  EXPECT_THAT(sink_.log, ElementsAre("session s", "started fake",
                                     "failed session_not_saved"));
  // The usage is booked all the same.
  EXPECT_EQ(OnlyRecord().usage().output_tokens(), 2);
  EXPECT_FALSE(store_.leased("acme", "ada", "s"));
}

TEST_F(ExchangeTest, AFailedTurnFreesTheSession) {
  reader_.session = Session("s");
  router_.OnRoute(FailScript(MakeError(reason::kUpstreamTimeout, "late")));
  EXPECT_FALSE(Run().ok());
  EXPECT_FALSE(store_.leased("acme", "ada", "s"));
  EXPECT_EQ(store_.turns("acme", "ada", "s"), 0);
}

TEST_F(ExchangeTest, ACancelledTurnFreesTheSession) {
  reader_.session = Session("s");
  router_.OnRoute(HangScript());
  TestFlow<absl::Status> flow(io_, Start());
  EXPECT_TRUE(store_.leased("acme", "ada", "s"));
  flow.Cancel();
  ASSERT_TRUE(flow.done());
  EXPECT_FALSE(store_.leased("acme", "ada", "s"));
  EXPECT_EQ(store_.turns("acme", "ada", "s"), 0);
}

TEST_F(ExchangeTest, WithoutTheStoreOnlySessionsFail) {
  store_.Fail("BeginTurn", absl::UnavailableError("down"));
  EXPECT_TRUE(Run().ok());
  reader_.session = Session("s");
  EXPECT_EQ(ReasonOf(Run()), reason::kSessionUnavailable);
  EXPECT_EQ(router_.requests().size(), 1u);
}

TEST_F(ExchangeTest, TheUserOfTheSessionComesFirst) {
  reader_.user = "grace";
  reader_.session = Session("s");
  EXPECT_TRUE(Run().ok());
  EXPECT_EQ(store_.turns("acme", "grace", "s"), 1);
  EXPECT_EQ(router_.requests()[0].context().account().user(), "grace");
}

TEST_F(ExchangeTest, CovertReportsNameNobody) {
  SetOption(&ExchangeOptions::covert, true);
  SetOption(&ExchangeOptions::contents, Contents::kAll);
  reader_.session = Session("s");
  EXPECT_TRUE(Run().ok());
  const RequestRecord record = OnlyRecord();
  EXPECT_EQ(record.account().tenant(), "acme");
  EXPECT_EQ(record.account().key_id(), "");
  EXPECT_EQ(record.account().user(), "");
  EXPECT_EQ(record.session_id(), "");
  EXPECT_EQ(record.request_content(), "");
  EXPECT_EQ(record.answer_content(), "");
  EXPECT_EQ(record.usage().output_tokens(), 2);
  // The session itself works as ever.
  EXPECT_EQ(store_.turns("acme", "ada", "s"), 1);
}

TEST_F(ExchangeTest, CovertBeatsNameNobody) {
  SetOption(&ExchangeOptions::covert, true);
  router_.OnRoute(HangScript());
  TestFlow<absl::Status> flow(io_, Start());
  VoidTestFlow reporting(io_, reporter_.Run());
  const auto beats = receiver_.beats();
  ASSERT_EQ(beats.size(), 1u);
  ASSERT_EQ(beats[0].open_requests_size(), 1);
  const auto& open = beats[0].open_requests(0);
  EXPECT_EQ(open.request_id(), "req_1");
  EXPECT_EQ(open.account().tenant(), "acme");
  EXPECT_EQ(open.account().user(), "");
  EXPECT_EQ(open.account().key_id(), "");
  flow.Cancel();
  reporting.Cancel();
}

TEST_F(ExchangeTest, ContentsAreKeptIfTheyAreWanted) {
  SetOption(&ExchangeOptions::contents, Contents::kAll);
  EXPECT_TRUE(Run().ok());
  const RequestRecord record = OnlyRecord();
  EXPECT_EQ(record.request_content(), "{}");
  EXPECT_EQ(record.answer_content(), AnswerBody("hello"));
}

TEST_F(ExchangeTest, ContentsOfErrorsAreKeptIfOnlyTheyAreWanted) {
  SetOption(&ExchangeOptions::contents, Contents::kErrors);
  EXPECT_TRUE(Run().ok());
  reader_.stream = true;
  router_.OnRoute(BreakScript(MakeError(reason::kUpstreamBadResponse, "cut")));
  EXPECT_FALSE(Run().ok());
  const auto records = Records();
  ASSERT_EQ(records.size(), 2u);
  EXPECT_EQ(records[0].request_content(), "");
  EXPECT_EQ(records[1].request_content(), "{}");
  EXPECT_EQ(records[1].answer_content(), ChunkFrame("part"));
}

}  // namespace
}  // namespace gateway::ingress
