// One contract for every way in: a call gives the same values, errors, order,
// back-pressure and cancellation whether it is direct, goes over an in-process
// channel, or over TCP.

#include <absl/strings/str_cat.h>
#include <absl/time/clock.h>
#include <absl/time/time.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "common/clients/checked_batch_aggregator.h"
#include "common/clients/checked_metrics_collector.h"
#include "common/clients/checked_model_router.h"
#include "common/clients/checked_session_store.h"
#include "common/clients/grpc_batch_aggregator.h"
#include "common/clients/grpc_batch_aggregator_server.h"
#include "common/clients/grpc_metrics_collector.h"
#include "common/clients/grpc_metrics_collector_server.h"
#include "common/clients/grpc_model_router.h"
#include "common/clients/grpc_model_router_server.h"
#include "common/clients/grpc_session_store.h"
#include "common/clients/grpc_session_store_server.h"
#include "common/concurrency/io_pool.h"
#include "common/rpc/channel.h"
#include "common/rpc/server.h"
#include "common/status/error.h"
#include "common/time/clock.h"
#include "tests/fakes/fake_batch_aggregator.h"
#include "tests/fakes/fake_metrics_collector.h"
#include "tests/fakes/fake_model_router.h"
#include "tests/fakes/fake_session_store.h"
#include "tests/support/running_flow.h"

namespace gateway {
namespace {

using batch_aggregator::v1::Batch;
using batch_aggregator::v1::StreamBatchResultsRequest;
using batch_aggregator::v1::StreamBatchResultsResponse;
using batch_aggregator::v1::SubmitBatchRequest;
using metrics_collector::v1::QueryUsageRequest;
using metrics_collector::v1::RecordUsageRequest;
using metrics_collector::v1::ReportRequest;
using metrics_collector::v1::ReportResponse;
using model_router::v1::Catalogue;
using model_router::v1::PlanBatchRequest;
using model_router::v1::PlanBatchResponse;
using model_router::v1::RouteEvent;
using model_router::v1::RouteRequest;
using model_router::v1::WatchCatalogueRequest;
using std::chrono::milliseconds;

enum class Way { kDirect, kInProcess, kTcp };

// A service's interface, its fake behind it, and the chosen way between.
template <class Interface, class Checked>
struct Path {
  explicit Path(Interface* fake)
      : served(fake, Entry::kGrpc), direct(fake, Entry::kDirect) {}

  Checked served;
  Checked direct;
  std::unique_ptr<Interface> client;
  Interface* operator->() { return client ? client.get() : &direct; }
};

class ClientsContractTest : public testing::TestWithParam<Way> {
 protected:
  ClientsContractTest() {
    if (GetParam() == Way::kDirect) return;
    const rpc::ServerBridge bridge{server_io_, calls_};
    auto server = rpc::Server::Start(
        {.address = "127.0.0.1:0"},
        {MakeModelRouterService(bridge, &router_.served),
         MakeSessionStoreService(bridge, &sessions_.served),
         MakeBatchAggregatorService(bridge, &batches_.served),
         MakeUsageRecorderService(bridge, &recorder_.served),
         MakeTelemetryReceiverService(bridge, &telemetry_.served),
         MakeMetricsQueryService(bridge, &query_.served)},
        &calls_);
    EXPECT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    server_->SetReady(true);
    auto channel = GetParam() == Way::kInProcess
                       ? rpc::MakeInProcessChannel(server_->grpc())
                       : rpc::MakeChannel({.target = absl::StrCat(
                                               "127.0.0.1:", server_->port())});
    router_.client = MakeGrpcModelRouter(channel);
    sessions_.client = MakeGrpcSessionStore(channel);
    batches_.client = MakeGrpcBatchAggregator(channel);
    recorder_.client = MakeGrpcUsageRecorder(channel);
    telemetry_.client = MakeGrpcTelemetryReceiver(channel);
    query_.client = MakeGrpcMetricsQuery(channel);
  }

  template <class T>
  T Run(Awaitable<T> flow) {
    return RunFlow(client_io_.At(0), std::move(flow));
  }
  template <class T>
  RunningFlow<T> Begin(Awaitable<T> flow) {
    return RunningFlow<T>(client_io_.At(0), std::move(flow));
  }

  static void Fill(common::v1::CallContext* context) {
    context->set_request_id("req_1");
    context->mutable_account()->set_tenant("acme");
  }

  static RouteRequest Typed(const std::string& model) {
    RouteRequest request;
    Fill(request.mutable_context());
    request.set_model(model);
    request.mutable_typed()->set_stream(true);
    return request;
  }

  static rpc::Call Soon() {
    return {.deadline = absl::Now() + absl::Seconds(60)};
  }

  FakeModelRouter fake_router_;
  FakeSessionStore fake_sessions_;
  FakeBatchAggregator fake_batches_;
  FakeMetricsCollector fake_metrics_;
  Path<ModelRouter, CheckedModelRouter> router_{&fake_router_};
  Path<SessionStore, CheckedSessionStore> sessions_{&fake_sessions_};
  Path<BatchAggregator, CheckedBatchAggregator> batches_{&fake_batches_};
  Path<UsageRecorder, CheckedUsageRecorder> recorder_{&fake_metrics_};
  Path<TelemetryReceiver, CheckedTelemetryReceiver> telemetry_{&fake_metrics_};
  Path<MetricsQuery, CheckedMetricsQuery> query_{&fake_metrics_};
  rpc::CallTracker calls_;
  IoPool client_io_{1, "client"};
  IoPool server_io_{2, "server"};
  std::unique_ptr<rpc::Server> server_;
  rpc::Call call_ = Soon();
};

// Keeps what it is given; can be told to stop, as a client that does not read.
template <class T>
class ListSink final : public rpc::Sink<T> {
 public:
  Awaitable<absl::Status> Write(T message) override {
    while (stopped.load()) {
      const bool slept = co_await RealClock()->SleepFor(absl::Milliseconds(5));
      if (!slept) co_return ClientClosed().Build();
    }
    if (!refusal.ok()) co_return refusal;
    messages.push_back(std::move(message));
    ++count;
    co_return absl::OkStatus();
  }

  std::atomic<bool> stopped{false};
  std::atomic<int> count{0};
  absl::Status refusal;
  std::vector<T> messages;
};

// Gives what it has, then ends, fails, or waits for its cancellation.
template <class T>
class ListSource final : public rpc::Source<T> {
 public:
  Awaitable<absl::StatusOr<std::optional<T>>> Read() override {
    if (next < messages.size()) co_return messages[next++];
    if (!failure.ok()) co_return failure;
    if (!hangs) co_return std::nullopt;
    waiting = true;
    co_await RealClock()->SleepUntil(absl::InfiniteFuture());
    waiting = false;
    co_return ClientClosed().Build();
  }

  std::vector<T> messages;
  size_t next = 0;
  absl::Status failure;
  bool hangs = false;
  std::atomic<bool> waiting{false};
};

std::string TextOf(const std::vector<RouteEvent>& events) {
  std::string text;
  for (const RouteEvent& event : events) {
    for (const auto& delta : event.deltas().deltas()) text += delta.text();
  }
  return text;
}

TEST_P(ClientsContractTest, UnaryCallsGiveValues) {
  session_store::v1::BeginTurnRequest begin;
  Fill(begin.mutable_context());
  begin.set_session_id("s");
  begin.set_create_if_absent(true);
  auto begun = Run(sessions_->BeginTurn(call_, begin));
  ASSERT_TRUE(begun.ok()) << begun.status();
  EXPECT_FALSE(begun->lease_id().empty());

  session_store::v1::CommitTurnRequest commit;
  Fill(commit.mutable_context());
  commit.set_session_id("s");
  commit.set_lease_id(begun->lease_id());
  commit.mutable_turn()->set_answer_id("answer");
  auto committed = Run(sessions_->CommitTurn(call_, commit));
  ASSERT_TRUE(committed.ok()) << committed.status();
  EXPECT_EQ(committed->turn_count(), 1);

  session_store::v1::GetSessionRequest get;
  Fill(get.mutable_context());
  get.set_session_id("s");
  auto got = Run(sessions_->GetSession(call_, get));
  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_EQ(got->head_turn_id(), committed->turn_id());

  RecordUsageRequest record;
  record.add_rows()->set_request_id("req_1");
  auto recorded = Run(recorder_->RecordUsage(call_, record));
  ASSERT_TRUE(recorded.ok()) << recorded.status();
  EXPECT_EQ(recorded->stored(), 1);
  auto usage = Run(query_->QueryUsage(call_, QueryUsageRequest()));
  ASSERT_TRUE(usage.ok()) << usage.status();
  EXPECT_EQ(usage->sums(0).attempts(), 1);
}

TEST_P(ClientsContractTest, ErrorsKeepTheirDetails) {
  PlanBatchRequest plan;
  Fill(plan.mutable_context());
  plan.set_model("nobody");
  auto planned = Run(router_->PlanBatch(call_, plan));
  ASSERT_TRUE(absl::IsNotFound(planned.status())) << planned.status();
  const absl::Status expected = ModelNotFound("nobody");
  EXPECT_EQ(planned.status().message(), expected.message());
  ASSERT_TRUE(DetailOf(planned.status()).has_value());
  EXPECT_EQ(DetailOf(planned.status())->SerializeAsString(),
            DetailOf(expected)->SerializeAsString());

  fake_router_.SetAnswer(
      "m", {.broken = Overloaded("too many").RetryAfter(absl::Seconds(7))});
  ListSink<RouteEvent> sink;
  absl::Status routed = Run(router_->Route(call_, Typed("m"), sink));
  EXPECT_TRUE(absl::IsUnavailable(routed)) << routed;
  ASSERT_TRUE(DetailOf(routed).has_value());
  EXPECT_EQ(DetailOf(routed)->reason(), reason::kOverloaded);
  EXPECT_EQ(DetailOf(routed)->retry_delay().seconds(), 7);
}

TEST_P(ClientsContractTest, EventsComeInOrder) {
  FakeAnswer answer{.pieces = {}};
  std::string text;
  for (int i = 0; i < 500; ++i) {
    answer.pieces.push_back(absl::StrCat(i, " "));
    text += answer.pieces.back();
  }
  fake_router_.SetAnswer("m", answer);
  ListSink<RouteEvent> sink;
  absl::Status routed = Run(router_->Route(call_, Typed("m"), sink));
  ASSERT_TRUE(routed.ok()) << routed;
  EXPECT_EQ(TextOf(sink.messages), text);
  EXPECT_TRUE(sink.messages.front().has_started());
  EXPECT_TRUE(sink.messages.back().has_completed());
}

TEST_P(ClientsContractTest, TheFailedEventComesBeforeTheEnd) {
  fake_router_.SetAnswer("m", {.failed = DeadlineExceeded()});
  ListSink<RouteEvent> sink;
  absl::Status routed = Run(router_->Route(call_, Typed("m"), sink));
  ASSERT_TRUE(routed.ok()) << routed;
  EXPECT_EQ(TextOf(sink.messages), "Hello");
  EXPECT_EQ(sink.messages.back().failed().detail().reason(),
            reason::kDeadlineExceeded);
}

TEST_P(ClientsContractTest, AStoppedReaderBoundsTheWriter) {
  fake_router_.SetAnswer(
      "m", {.pieces = std::vector<std::string>(1000, std::string(8000, 'x'))});
  ListSink<RouteEvent> sink;
  sink.stopped = true;
  const RouteRequest request = Typed("m");
  auto flow = Begin(router_->Route(call_, request, sink));
  int64_t written = -1;
  while (written != fake_router_.bytes_written()) {
    written = fake_router_.bytes_written();
    std::this_thread::sleep_for(milliseconds(300));
  }
  EXPECT_LE(written, 600 * 1024);
  sink.stopped = false;
  ASSERT_TRUE(flow.EndsWithin(std::chrono::seconds(30)));
  EXPECT_TRUE(flow.Get().ok());
  EXPECT_EQ(TextOf(sink.messages).size(), 8'000'000);
}

TEST_P(ClientsContractTest, ALongReportArrivesWhole) {
  ListSource<ReportRequest> source;
  for (int i = 0; i < 1000; ++i) {
    source.messages.emplace_back().add_records()->set_request_content(
        std::string(8000, 'x'));
  }
  auto reported = Run(telemetry_->Report(call_, source));
  ASSERT_TRUE(reported.ok()) << reported.status();
  EXPECT_EQ(reported->records_stored(), 1000);
  EXPECT_EQ(fake_metrics_.records().size(), 1000);
}

TEST_P(ClientsContractTest, CancellingAStreamReachesTheOtherSide) {
  fake_router_.SetAnswer("m", {.hang = true});
  for (int i = 1; i <= 20; ++i) {
    ListSink<RouteEvent> sink;
    const RouteRequest request = Typed("m");
    auto flow = Begin(router_->Route(call_, request, sink));
    ASSERT_TRUE(Eventually([&] { return sink.count == 2; }));
    const absl::Time start = absl::Now();
    flow.Cancel();
    EXPECT_TRUE(absl::IsCancelled(flow.Get()));
    ASSERT_TRUE(Eventually([&] { return fake_router_.cancelled() == i; }));
    EXPECT_LT(absl::Now() - start, absl::Milliseconds(250));
  }
}

TEST_P(ClientsContractTest, ACancelledReaderThatHadStoppedIsNoticed) {
  fake_router_.SetAnswer(
      "m", {.pieces = std::vector<std::string>(1000, std::string(8000, 'x'))});
  ListSink<RouteEvent> sink;
  sink.stopped = true;
  const RouteRequest request = Typed("m");
  auto flow = Begin(router_->Route(call_, request, sink));
  ASSERT_TRUE(Eventually([&] { return fake_router_.active() == 1; }));
  std::this_thread::sleep_for(milliseconds(100));
  flow.Cancel();
  EXPECT_TRUE(absl::IsCancelled(flow.Get()));
  EXPECT_TRUE(Eventually([&] { return fake_router_.cancelled() == 1; }));
}

TEST_P(ClientsContractTest, ASinkThatFailsEndsTheCall) {
  fake_router_.SetAnswer("m", {.hang = true});
  ListSink<RouteEvent> sink;
  sink.refusal = absl::DataLossError("no room");
  absl::Status routed = Run(router_->Route(call_, Typed("m"), sink));
  EXPECT_TRUE(absl::IsDataLoss(routed)) << routed;
  EXPECT_TRUE(Eventually([&] { return fake_router_.active() == 0; }));
}

TEST_P(ClientsContractTest, TheDeadlineEndsACall) {
  fake_router_.SetAnswer("m", {.hang = true});
  ListSink<RouteEvent> sink;
  rpc::Call call = call_.Within(absl::Milliseconds(100), absl::Now());
  const absl::Time start = absl::Now();
  absl::Status routed = Run(router_->Route(call, Typed("m"), sink));
  EXPECT_TRUE(absl::IsDeadlineExceeded(routed)) << routed;
  EXPECT_EQ(ReasonOf(routed), reason::kDeadlineExceeded);
  EXPECT_GE(absl::Now() - start, absl::Milliseconds(95));
  EXPECT_LT(absl::Now() - start, absl::Seconds(2));
  EXPECT_TRUE(Eventually([&] { return fake_router_.cancelled() == 1; }));
}

TEST_P(ClientsContractTest, ADeadlineInThePastIsNotServed) {
  fake_router_.SetAnswer("m", {});
  ListSink<RouteEvent> sink;
  rpc::Call call{.deadline = absl::Now() - absl::Seconds(1)};
  absl::Status routed = Run(router_->Route(call, Typed("m"), sink));
  EXPECT_TRUE(absl::IsDeadlineExceeded(routed)) << routed;
  EXPECT_TRUE(fake_router_.requests().empty());
}

TEST_P(ClientsContractTest, ACallWithoutContextIsRefused) {
  fake_router_.SetAnswer("m", {});
  ListSink<RouteEvent> sink;
  RouteRequest request = Typed("m");
  request.mutable_context()->clear_request_id();
  absl::Status routed = Run(router_->Route(call_, request, sink));
  EXPECT_TRUE(absl::IsInvalidArgument(routed)) << routed;
  EXPECT_EQ(ReasonOf(routed), reason::kMissingParameter);
  EXPECT_EQ(DetailOf(routed)->param(), "context.request_id");

  session_store::v1::GetSessionRequest get;
  get.mutable_context()->set_request_id("req_1");
  auto got = Run(sessions_->GetSession(call_, get));
  EXPECT_EQ(DetailOrDefault(got.status()).param(), "context.account.tenant");

  ListSource<SubmitBatchRequest> source;
  source.messages.emplace_back().mutable_header();
  source.messages.emplace_back().mutable_item()->set_custom_id("a");
  auto submitted = Run(batches_->SubmitBatch(call_, source));
  EXPECT_TRUE(absl::IsInvalidArgument(submitted.status()));
  EXPECT_EQ(fake_batches_.batches(), 0);
}

TEST_P(ClientsContractTest, AFiveMebibyteRequestArrives) {
  fake_router_.SetAnswer("m", {});
  RouteRequest request = Typed("m");
  request.mutable_encoded()->set_body(std::string(5 << 20, 'x'));
  request.mutable_encoded()->set_stream(true);
  ListSink<RouteEvent> sink;
  absl::Status routed = Run(router_->Route(call_, request, sink));
  ASSERT_TRUE(routed.ok()) << routed;
  EXPECT_EQ(fake_router_.requests()[0].encoded().body().size(), 5 << 20);
}

TEST_P(ClientsContractTest, ABatchIsSubmittedWholeAndItsResultsFollowed) {
  ListSource<SubmitBatchRequest> source;
  Fill(source.messages.emplace_back().mutable_header()->mutable_context());
  for (int i = 0; i < 300; ++i) {
    source.messages.emplace_back().mutable_item()->set_custom_id(
        absl::StrCat("item-", i));
  }
  auto submitted = Run(batches_->SubmitBatch(call_, source));
  ASSERT_TRUE(submitted.ok()) << submitted.status();
  EXPECT_EQ(submitted->total_items(), 300);
  const auto items = fake_batches_.Items(submitted->batch_id());
  EXPECT_EQ(items[299].custom_id(), "item-299");

  StreamBatchResultsRequest follow;
  Fill(follow.mutable_context());
  follow.set_batch_id(submitted->batch_id());
  follow.set_follow(true);
  ListSink<StreamBatchResultsResponse> sink;
  auto flow = Begin(batches_->StreamBatchResults(call_, follow, sink));
  fake_batches_.Answer(submitted->batch_id(), "item-7", "seven");
  EXPECT_TRUE(Eventually([&] { return sink.count == 1; }));
  for (int i = 0; i < 300; ++i) {
    if (i == 7) continue;
    fake_batches_.Fail(submitted->batch_id(), items[i].custom_id(),
                       InternalError());
  }
  EXPECT_TRUE(flow.Get().ok());
  EXPECT_EQ(sink.messages.size(), 300);
  EXPECT_EQ(sink.messages[0].result().custom_id(), "item-7");
}

TEST_P(ClientsContractTest, ABatchWhoseSourceBreaksIsNotMade) {
  // Many times: the end of a stream and its cancellation look alike to gRPC.
  for (int i = 1; i <= 50; ++i) {
    ListSource<SubmitBatchRequest> source;
    Fill(source.messages.emplace_back().mutable_header()->mutable_context());
    source.messages.emplace_back().mutable_item()->set_custom_id("a");
    source.failure = absl::DataLossError("broken");
    auto submitted = Run(batches_->SubmitBatch(call_, source));
    ASSERT_TRUE(absl::IsDataLoss(submitted.status())) << submitted.status();
  }
  EXPECT_TRUE(Eventually([&] { return calls_.in_flight() == 0; }));
  EXPECT_EQ(fake_batches_.batches(), 0);
}

TEST_P(ClientsContractTest, ACancelledSubmitMakesNoBatch) {
  for (int i = 1; i <= 50; ++i) {
    ListSource<SubmitBatchRequest> source;
    Fill(source.messages.emplace_back().mutable_header()->mutable_context());
    source.messages.emplace_back().mutable_item()->set_custom_id("a");
    source.hangs = true;
    auto flow = Begin(batches_->SubmitBatch(call_, source));
    ASSERT_TRUE(Eventually([&] { return source.waiting.load(); }));
    if (i % 2 == 0) {
      ASSERT_TRUE(Eventually([&] { return fake_batches_.bytes_read() > 0; }));
    }
    flow.Cancel();
    auto submitted = flow.Get();
    EXPECT_TRUE(absl::IsCancelled(submitted.status())) << submitted.status();
    EXPECT_FALSE(source.waiting);
  }
  EXPECT_TRUE(Eventually([&] { return calls_.in_flight() == 0; }));
  EXPECT_EQ(fake_batches_.batches(), 0);
}

TEST_P(ClientsContractTest, ARefusalDoesNotWaitForTheSource) {
  ListSource<SubmitBatchRequest> source;
  source.messages.emplace_back().mutable_item()->set_custom_id("a");
  source.hangs = true;
  auto flow = Begin(batches_->SubmitBatch(call_, source));
  ASSERT_TRUE(flow.EndsWithin(std::chrono::seconds(10)));
  auto submitted = flow.Get();
  EXPECT_TRUE(absl::IsInvalidArgument(submitted.status()))
      << submitted.status();
  EXPECT_EQ(DetailOrDefault(submitted.status()).param(), "header");
  EXPECT_FALSE(source.waiting);
}

TEST_P(ClientsContractTest, WatchersSeeEachChange) {
  fake_router_.SetAnswer("first", {});
  WatchCatalogueRequest request;
  request.mutable_context()->set_request_id("req_1");
  ListSink<Catalogue> sink;
  rpc::Call forever;
  auto flow = Begin(router_->WatchCatalogue(forever, request, sink));
  EXPECT_TRUE(Eventually([&] { return sink.count == 1; }));
  fake_router_.SetAnswer("second", {});
  EXPECT_TRUE(Eventually([&] { return sink.count == 2; }));
  flow.Cancel();
  EXPECT_TRUE(absl::IsCancelled(flow.Get()));
  EXPECT_EQ(sink.messages[1].models_size(), 2);
  EXPECT_TRUE(Eventually([&] { return fake_router_.active() == 0; }));
}

TEST_P(ClientsContractTest, ManyCallsAtOnceStayApart) {
  fake_router_.SetAnswer("m", {.pieces = {"a", "b", "c"}});
  std::vector<std::unique_ptr<ListSink<RouteEvent>>> sinks;
  std::vector<RunningFlow<absl::Status>> flows;
  const RouteRequest request = Typed("m");
  for (int i = 0; i < 200; ++i) {
    sinks.push_back(std::make_unique<ListSink<RouteEvent>>());
    flows.push_back(Begin(router_->Route(call_, request, *sinks.back())));
  }
  for (auto& flow : flows) EXPECT_TRUE(flow.Get().ok());
  for (const auto& sink : sinks) EXPECT_EQ(TextOf(sink->messages), "abc");
}

INSTANTIATE_TEST_SUITE_P(
    EveryWay, ClientsContractTest,
    testing::Values(Way::kDirect, Way::kInProcess, Way::kTcp),
    [](const testing::TestParamInfo<Way>& info) -> std::string {
      switch (info.param) {
        case Way::kDirect:
          return "Direct";
        case Way::kInProcess:
          return "InProcess";
        case Way::kTcp:
          return "Tcp";
      }
      return "";
    });

}  // namespace
}  // namespace gateway
