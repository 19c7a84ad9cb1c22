// A server and its bridges as a foreign client meets them: health, reflection,
// metadata, drain, reconnection, and calls that stream both ways.

#include <absl/strings/str_cat.h>
#include <absl/time/clock.h>
#include <absl/time/time.h>
#include <gmock/gmock.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <atomic>
#include <boost/asio/post.hpp>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "common/concurrency/io_pool.h"
#include "common/rpc/channel.h"
#include "common/rpc/client_bridge.h"
#include "common/rpc/server.h"
#include "common/rpc/server_bridge.h"
#include "common/status/error.h"
#include "common/time/clock.h"
#include "gateway/agent/v1/agent.grpc.pb.h"
#include "tests/support/running_flow.h"

namespace gateway {
namespace {

using namespace agent::v1;  // NOLINT: the messages of a service of all shapes
using std::chrono::milliseconds;
using Async = AgentService::StubInterface::async_interface;

// Runs until it is released or cancelled.
class Gate {
 public:
  void Open() { open_ = true; }

  Awaitable<absl::Status> Pass() {
    while (!open_.load()) {
      const bool slept = co_await RealClock()->SleepFor(absl::Milliseconds(2));
      if (!slept) co_return ClientClosed().Build();
    }
    co_return absl::OkStatus();
  }

 private:
  std::atomic<bool> open_{false};
};

class TestService final : public AgentService::CallbackService {
 public:
  explicit TestService(const rpc::ServerBridge& bridge) : bridge_(bridge) {}

  grpc::ServerUnaryReactor* ListModels(grpc::CallbackServerContext* context,
                                       const ListModelsRequest* request,
                                       ListModelsResponse* response) override {
    return rpc::ServeUnary(
        bridge_, context, *request, response,
        [this](rpc::Call& call) { return EchoMetadata(call); });
  }

  grpc::ServerUnaryReactor* Chat(grpc::CallbackServerContext* context,
                                 const ChatRequest* request,
                                 ChatResponse* response) override {
    return rpc::ServeUnary(bridge_, context, *request, response,
                           [](rpc::Call&) {
                             return Fail<absl::StatusOr<ChatResponse>>(
                                 MakeError(reason::kSessionBusy, "busy")
                                     .RetryAfter(absl::Seconds(3)));
                           });
  }

  grpc::ServerWriteReactor<StreamChatResponse>* StreamChat(
      grpc::CallbackServerContext* context,
      const StreamChatRequest* request) override {
    return rpc::ServeServerStream<StreamChatResponse>(
        bridge_, context, *request,
        [this, request](rpc::Call&, rpc::Sink<StreamChatResponse>& sink) {
          if (request->chat().model() == "flood") return Flood(sink);
          if (request->chat().model() == "large") return SendLarge(sink);
          return SendFailedEvent(sink);
        });
  }

  grpc::ServerWriteReactor<batch_aggregator::v1::StreamBatchResultsResponse>*
  StreamBatchResults(grpc::CallbackServerContext* context,
                     const StreamBatchResultsRequest* request) override {
    using Response = batch_aggregator::v1::StreamBatchResultsResponse;
    return rpc::ServeServerStream<Response>(
        bridge_, context, *request,
        [this](rpc::Call&, rpc::Sink<Response>&) { return gate.Pass(); },
        request->follow() ? rpc::DrainRule::kEnd : rpc::DrainRule::kFinish);
  }

  grpc::ServerReadReactor<SubmitBatchRequest>* SubmitBatch(
      grpc::CallbackServerContext* context,
      batch_aggregator::v1::Batch* response) override {
    return rpc::ServeClientStream<SubmitBatchRequest>(
        bridge_, context, response,
        [this](rpc::Call&, rpc::Source<SubmitBatchRequest>& source) {
          return CountWhenOpen(source);
        });
  }

  grpc::ServerBidiReactor<ConverseRequest, ConverseResponse>* Converse(
      grpc::CallbackServerContext* context) override {
    return rpc::ServeBidi<ConverseRequest, ConverseResponse>(
        bridge_, context,
        [this](rpc::Call&, rpc::Source<ConverseRequest>& source,
               rpc::Sink<ConverseResponse>& sink) {
          return Echo(source, sink);
        });
  }

  Gate gate;
  std::atomic<int> started{0};
  std::atomic<int> ended{0};
  std::atomic<int> counted{0};

 private:
  template <class T>
  static Awaitable<T> Fail(absl::Status status) {
    co_return status;
  }

  Awaitable<absl::StatusOr<ListModelsResponse>> EchoMetadata(rpc::Call& call) {
    ++started;
    ListModelsResponse response;
    if (call.metadata != nullptr) {
      call.response_metadata->Add("x-request-id", "req_7");
      for (const char* key : {"x-user-id", "absent"}) {
        const auto value = call.metadata->Get(key);
        response.add_models()->set_id(value ? std::string(*value) : "nothing");
      }
    }
    co_return response;
  }

  Awaitable<absl::Status> SendFailedEvent(rpc::Sink<StreamChatResponse>& sink) {
    StreamChatResponse last;
    last.add_events()->mutable_failed()->set_message("the last");
    absl::Status sent = co_await sink.Write(std::move(last));
    if (!sent.ok()) co_return sent;
    co_return ModelNotFound("m").Build();
  }

  // More than a connection takes before its client reads.
  Awaitable<absl::Status> SendLarge(rpc::Sink<StreamChatResponse>& sink) {
    StreamChatResponse last;
    last.add_events()->mutable_failed()->set_message(
        std::string(16 << 20, 'x'));
    co_return co_await sink.Write(std::move(last));
  }

  Awaitable<absl::Status> Flood(rpc::Sink<StreamChatResponse>& sink) {
    absl::Status sent;
    while (sent.ok()) {
      StreamChatResponse run;
      run.add_events()->mutable_failed()->set_message(
          std::string(16 * 1024, 'x'));
      sent = co_await sink.Write(std::move(run));
    }
    ++ended;
    co_return sent;
  }

  Awaitable<absl::StatusOr<batch_aggregator::v1::Batch>> CountWhenOpen(
      rpc::Source<SubmitBatchRequest>& source) {
    absl::Status passed = co_await gate.Pass();
    if (!passed.ok()) co_return passed;
    batch_aggregator::v1::Batch batch;
    while (true) {
      auto read = co_await source.Read();
      if (!read.ok()) co_return read.status();
      if (!read->has_value()) co_return batch;
      batch.set_total_items(batch.total_items() + 1);
      ++counted;
    }
  }

  Awaitable<absl::Status> Echo(rpc::Source<ConverseRequest>& source,
                               rpc::Sink<ConverseResponse>& sink) {
    ++started;
    absl::Status status;
    while (status.ok()) {
      auto read = co_await source.Read();
      if (!read.ok()) {
        status = read.status();
      } else if (!read->has_value()) {
        break;
      } else if ((*read)->turn_id() == "stop") {
        status = MakeError(reason::kPermissionDenied, "no more");
      } else {
        ConverseResponse response;
        response.set_turn_id((*read)->turn_id());
        status = co_await sink.Write(std::move(response));
      }
    }
    ++ended;
    co_return status;
  }

  const rpc::ServerBridge bridge_;
};

// A call without generated code: sends one message, keeps what comes.
class RawCall final
    : public grpc::ClientBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer> {
 public:
  RawCall(std::shared_ptr<grpc::Channel> channel, const std::string& method,
          const std::string& message)
      : stub_(std::move(channel)) {
    const grpc::Slice slice(message);
    request_ = grpc::ByteBuffer(&slice, 1);
    stub_.PrepareBidiStreamingCall(&context_, method, {}, this);
    StartWriteLast(&request_, grpc::WriteOptions());
    StartRead(&response_);
    StartCall();
  }
  ~RawCall() override {
    context_.TryCancel();
    Finish();
  }

  grpc::Status Finish() {
    std::unique_lock lock(mu_);
    changed_.wait(lock, [&] { return done_; });
    return status_;
  }

  // The nth message, from 0.
  std::string Message(size_t n) {
    std::unique_lock lock(mu_);
    changed_.wait_for(lock, std::chrono::seconds(10),
                      [&] { return done_ || messages_.size() > n; });
    return messages_.size() > n ? messages_[n] : "none";
  }

  void OnReadDone(bool ok) override {
    if (!ok) return;
    std::vector<grpc::Slice> slices;
    std::string message;
    if (response_.Dump(&slices).ok()) {
      for (const grpc::Slice& slice : slices) {
        message.append(reinterpret_cast<const char*>(slice.begin()),
                       slice.size());
      }
    }
    {
      std::lock_guard lock(mu_);
      messages_.push_back(message);
      changed_.notify_all();
    }
    StartRead(&response_);
  }
  void OnDone(const grpc::Status& status) override {
    std::lock_guard lock(mu_);
    status_ = status;
    done_ = true;
    changed_.notify_all();
  }

 private:
  grpc::GenericStub stub_;
  grpc::ClientContext context_;
  grpc::ByteBuffer request_;
  grpc::ByteBuffer response_;
  std::mutex mu_;
  std::condition_variable changed_;
  std::vector<std::string> messages_;
  grpc::Status status_;
  bool done_ = false;
};

// Messages of grpc.health.v1.
std::string HealthRequest(const std::string& service) {
  if (service.empty()) return "";
  return absl::StrCat("\x0a", std::string(1, char(service.size())), service);
}
constexpr char kServing[] = "\x08\x01";
constexpr char kNotServing[] = "\x08\x02";

class RpcServerTest : public testing::Test {
 protected:
  RpcServerTest() { Start("127.0.0.1:0"); }

  void Start(const std::string& address) {
    auto service = std::make_shared<TestService>(
        rpc::ServerBridge{server_io_, calls_, /*expose_metadata=*/true});
    service_ = service.get();
    auto server = rpc::Server::Start(
        {.address = address, .reflection = true},
        {{AgentService::service_full_name(), std::move(service)}}, &calls_);
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    server_->SetReady(true);
    address_ = absl::StrCat("127.0.0.1:", server_->port());
    channel_ = rpc::MakeChannel({.target = address_});
    stub_ = AgentService::NewStub(channel_);
  }

  rpc::NamedService Named(rpc::CallTracker& calls) {
    return {
        AgentService::service_full_name(),
        std::make_shared<TestService>(rpc::ServerBridge{server_io_, calls})};
  }

  std::string Health(const std::string& service) {
    // Without the health check of its own that the mesh's channels have.
    RawCall call(
        grpc::CreateChannel(address_, grpc::InsecureChannelCredentials()),
        "/grpc.health.v1.Health/Check", HealthRequest(service));
    const grpc::Status status = call.Finish();
    return status.ok() ? call.Message(0) : status.error_message();
  }

  template <class T>
  T Run(Awaitable<T> flow) {
    return RunFlow(client_io_.At(0), std::move(flow));
  }

  auto List() {
    return rpc::CallUnary(stub_->async(), &Async::ListModels, call_, list_);
  }

  // A call that runs until the gate opens, or for ever.
  template <class Sink>
  auto Hang(bool ends_at_drain, Sink& sink) {
    hang_[ends_at_drain].set_follow(ends_at_drain);
    return RunningFlow<absl::Status>(
        client_io_.At(0),
        rpc::CallServerStream(stub_->async(), &Async::StreamBatchResults, call_,
                              hang_[ends_at_drain], sink));
  }

  ConcurrencyLimit bodies_{1000};
  rpc::CallTracker calls_;
  IoPool client_io_{1, "client"};
  IoPool server_io_{1, "server"};
  TestService* service_ = nullptr;
  std::unique_ptr<rpc::Server> server_;
  std::string address_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<AgentService::Stub> stub_;
  rpc::Call call_{.deadline = absl::Now() + absl::Seconds(60)};
  ListModelsRequest list_;
  StreamBatchResultsRequest hang_[2];
};

template <class T>
class ListSink final : public rpc::Sink<T> {
 public:
  Awaitable<absl::Status> Write(T message) override {
    messages.push_back(std::move(message));
    ++count;
    co_return absl::OkStatus();
  }
  std::vector<T> messages;
  std::atomic<int> count{0};
};

// Counts what is read from it: `limit` messages, then it ends or hangs.
template <class T>
class CountingSource final : public rpc::Source<T> {
 public:
  Awaitable<absl::StatusOr<std::optional<T>>> Read() override {
    if (reads < limit) {
      T message = make(reads);
      ++reads;
      bytes += message.ByteSizeLong();
      co_return message;
    }
    if (!hangs) co_return std::nullopt;
    co_await RealClock()->SleepUntil(absl::InfiniteFuture());
    co_return ClientClosed().Build();
  }
  int limit = 0;
  bool hangs = false;
  std::function<T(int)> make;
  std::atomic<int> reads{0};
  std::atomic<int64_t> bytes{0};
};

using Results = ListSink<batch_aggregator::v1::StreamBatchResultsResponse>;

TEST_F(RpcServerTest, HealthFollowsReadinessByEachName) {
  const std::string service = AgentService::service_full_name();
  for (const std::string& name :
       {std::string(), std::string("readiness"), service}) {
    EXPECT_EQ(Health(name), kServing) << name;
  }
  server_->SetReady(false);
  for (const std::string& name :
       {std::string(), std::string("readiness"), service}) {
    EXPECT_EQ(Health(name), kNotServing) << name;
  }
  EXPECT_EQ(Health("liveness"), kServing);
  server_->SetLive(false);
  EXPECT_EQ(Health("liveness"), kNotServing);
}

TEST_F(RpcServerTest, HealthOfAnUnknownNameIsNotFound) {
  RawCall call(channel_, "/grpc.health.v1.Health/Check", HealthRequest("no"));
  EXPECT_EQ(call.Finish().error_code(), grpc::StatusCode::NOT_FOUND);
}

TEST_F(RpcServerTest, HealthWatchersSeeEachChange) {
  RawCall watch(channel_, "/grpc.health.v1.Health/Watch",
                HealthRequest("readiness"));
  EXPECT_EQ(watch.Message(0), kServing);
  server_->SetReady(false);
  EXPECT_EQ(watch.Message(1), kNotServing);
}

TEST_F(RpcServerTest, AChannelFollowsReadinessIfToldTo) {
  ASSERT_TRUE(Run(List()).ok());
  server_->SetReady(false);
  EXPECT_TRUE(
      Eventually([&] { return absl::IsUnavailable(Run(List()).status()); }));
  const auto of_one = AgentService::NewStub(
      rpc::MakeChannel({.target = address_, .follows_readiness = false}));
  const auto listed =
      Run(rpc::CallUnary(of_one->async(), &Async::ListModels, call_, list_));
  EXPECT_TRUE(listed.ok()) << listed.status();
}

TEST_F(RpcServerTest, ReflectionListsTheService) {
  RawCall call(channel_,
               "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
               "\x3a\x01*");
  EXPECT_THAT(call.Message(0),
              testing::HasSubstr(AgentService::service_full_name()));
}

TEST_F(RpcServerTest, ThereIsNoReflectionUnlessAskedFor) {
  rpc::CallTracker calls;
  auto server =
      rpc::Server::Start({.address = "127.0.0.1:0"}, {Named(calls)}, &calls);
  ASSERT_TRUE(server.ok()) << server.status();
  RawCall call(rpc::MakeInProcessChannel((*server)->grpc()),
               "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
               "\x3a\x01*");
  EXPECT_EQ(call.Finish().error_code(), grpc::StatusCode::UNIMPLEMENTED);
}

TEST_F(RpcServerTest, MetadataGoesBothWays) {
  grpc::ClientContext context;
  context.AddMetadata("x-user-id", "ann");
  ListModelsResponse response;
  ASSERT_TRUE(stub_->ListModels(&context, list_, &response).ok());
  EXPECT_EQ(response.models(0).id(), "ann");
  EXPECT_EQ(response.models(1).id(), "nothing");
  const auto& head = context.GetServerInitialMetadata();
  ASSERT_TRUE(head.contains("x-request-id"));
  EXPECT_EQ(head.find("x-request-id")->second, "req_7");
}

TEST_F(RpcServerTest, ErrorsCarryTheRetryTrailer) {
  grpc::ClientContext context;
  ChatResponse response;
  const grpc::Status status = stub_->Chat(&context, {}, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::ABORTED);
  const auto& trailer = context.GetServerTrailingMetadata();
  ASSERT_TRUE(trailer.contains("grpc-retry-pushback-ms"));
  EXPECT_EQ(trailer.find("grpc-retry-pushback-ms")->second, "3000");
}

TEST_F(RpcServerTest, TheLastMessageArrivesBeforeAnError) {
  const StreamChatRequest request;
  ListSink<StreamChatResponse> sink;
  absl::Status status = Run(rpc::CallServerStream(
      stub_->async(), &Async::StreamChat, call_, request, sink));
  EXPECT_TRUE(absl::IsNotFound(status)) << status;
  ASSERT_EQ(sink.messages.size(), 1);
  EXPECT_EQ(sink.messages[0].events(0).failed().message(), "the last");
}

TEST_F(RpcServerTest, ACallThatArrivesTooLateIsNotRun) {
  ASSERT_TRUE(Run(List()).ok());
  std::atomic<bool> busy{false};
  boost::asio::post(server_io_.At(0), [&] {
    busy = true;
    std::this_thread::sleep_for(milliseconds(300));
    busy = false;
  });
  ASSERT_TRUE(Eventually([&] { return busy.load(); }));
  call_.deadline = absl::Now() + absl::Milliseconds(50);
  auto listed = Run(List());
  EXPECT_TRUE(absl::IsDeadlineExceeded(listed.status())) << listed.status();
  ASSERT_TRUE(Eventually([&] { return !busy.load(); }));
  call_.deadline = absl::Now() + absl::Seconds(60);
  ASSERT_TRUE(Run(List()).ok());
  EXPECT_EQ(service_->started, 2);
}

TEST_F(RpcServerTest, AClientThatTakesNothingLosesItsCall) {
  calls_.SetLimits({.write_timeout = absl::Milliseconds(100)});
  StreamChatRequest request;
  request.mutable_chat()->set_model("flood");
  grpc::ClientContext context;
  auto reader = stub_->StreamChat(&context, request);
  EXPECT_TRUE(Eventually([&] { return service_->ended == 1; }));
  EXPECT_TRUE(Eventually([&] { return calls_.in_flight() == 0; }));
  EXPECT_EQ(calls_.stats().write_timeouts, 1u);
  StreamChatResponse response;
  while (reader->Read(&response)) {
  }
  const grpc::Status status = reader->Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::CANCELLED);
  EXPECT_EQ(status.error_message(), "The client took no message for too long.");
}

TEST_F(RpcServerTest, AClientThatReadsOnKeepsItsCall) {
  calls_.SetLimits({.write_timeout = absl::Milliseconds(200)});
  StreamChatRequest request;
  request.mutable_chat()->set_model("flood");
  grpc::ClientContext context;
  auto reader = stub_->StreamChat(&context, request);
  StreamChatResponse response;
  const absl::Time end = absl::Now() + absl::Milliseconds(700);
  while (absl::Now() < end) ASSERT_TRUE(reader->Read(&response));
  EXPECT_EQ(calls_.stats().write_timeouts, 0u);
  context.TryCancel();
  while (reader->Read(&response)) {
  }
  (void)reader->Finish();
  EXPECT_TRUE(Eventually([&] { return service_->ended == 1; }));
}

TEST_F(RpcServerTest, RequestsBeyondTheBoundOnBytesAreRefused) {
  calls_.SetLimits({.bodies = &bodies_});
  ChatRequest large;
  large.mutable_chat()->set_model(std::string(2000, 'x'));
  const auto chat = [&] {
    return Run(rpc::CallUnary(stub_->async(), &Async::Chat, call_, large))
        .status();
  };
  EXPECT_EQ(ReasonOf(chat()), reason::kOverloaded);
  EXPECT_EQ(calls_.stats().refused, 1u);
  large.mutable_chat()->set_model("x");
  EXPECT_EQ(ReasonOf(chat()), reason::kSessionBusy);

  CountingSource<SubmitBatchRequest> source;
  source.limit = 2;
  source.make = [](int n) {
    SubmitBatchRequest request;
    request.mutable_item()->set_custom_id(std::string(n == 0 ? 1 : 2000, 'x'));
    return request;
  };
  service_->gate.Open();
  auto batch = Run(rpc::CallClientStream(
      stub_->async(), &Async::SubmitBatch, call_,
      static_cast<rpc::Source<SubmitBatchRequest>&>(source)));
  EXPECT_EQ(ReasonOf(batch.status()), reason::kOverloaded);
  EXPECT_TRUE(Eventually([&] { return bodies_.in_use() == 0; }));
}

TEST_F(RpcServerTest, AStreamOfRequestsThatIsIdleHoldsNothing) {
  calls_.SetLimits({.bodies = &bodies_});
  CountingSource<SubmitBatchRequest> source;
  source.limit = 1;
  source.hangs = true;
  source.make = [](int) {
    SubmitBatchRequest request;
    request.mutable_item()->set_custom_id(std::string(500, 'x'));
    return request;
  };
  service_->gate.Open();
  RunningFlow<absl::StatusOr<batch_aggregator::v1::Batch>> flow(
      client_io_.At(0),
      rpc::CallClientStream(
          stub_->async(), &Async::SubmitBatch, call_,
          static_cast<rpc::Source<SubmitBatchRequest>&>(source)));
  EXPECT_TRUE(Eventually([&] { return service_->counted == 1; }));
  EXPECT_TRUE(Eventually([&] { return bodies_.in_use() == 0; }));
  flow.Cancel();
  EXPECT_FALSE(flow.Get().ok());
}

TEST_F(RpcServerTest, AMessageThatDoesNotFitIsToldApartFromOverload) {
  const auto list = [&](int max_bytes, size_t user_bytes) {
    auto stub = AgentService::NewStub(
        rpc::MakeChannel({.target = address_, .max_message_bytes = max_bytes}));
    CreateSessionRequest request;
    request.set_user(std::string(user_bytes, 'x'));
    return Run(rpc::CallUnary(stub->async(), &Async::CreateSession, call_,
                              request))
        .status();
  };
  const absl::Status sent = list(100, 1000);
  EXPECT_EQ(ReasonOf(sent), reason::kRequestTooLarge) << sent;
  EXPECT_FALSE(IsRetryable(sent));
  auto stub = AgentService::NewStub(
      rpc::MakeChannel({.target = address_, .max_message_bytes = 15}));
  const absl::Status received =
      Run(rpc::CallUnary(stub->async(), &Async::ListModels, call_, list_))
          .status();
  EXPECT_EQ(ReasonOf(received), reason::kInternal) << received;
  EXPECT_FALSE(IsRetryable(received));
}

TEST_F(RpcServerTest, AConnectionHasABoundOnItsCalls) {
  rpc::CallTracker calls;
  auto service =
      std::make_shared<TestService>(rpc::ServerBridge{server_io_, calls});
  TestService& gated = *service;
  // One of them is the channel's own watch of the server's health.
  auto server = rpc::Server::Start(
      {.address = "127.0.0.1:0", .max_calls_per_connection = 2},
      {{AgentService::service_full_name(), std::move(service)}}, &calls);
  ASSERT_TRUE(server.ok()) << server.status();
  (*server)->SetReady(true);
  stub_ = AgentService::NewStub(rpc::MakeChannel(
      {.target = absl::StrCat("127.0.0.1:", (*server)->port())}));
  ASSERT_TRUE(Run(List()).ok());
  Results sink;
  auto first = Hang(false, sink);
  ASSERT_TRUE(Eventually([&] { return calls.in_flight() == 1; }));
  RunningFlow<absl::StatusOr<ListModelsResponse>> second(client_io_.At(0),
                                                         List());
  EXPECT_FALSE(second.EndsWithin(milliseconds(100)));
  gated.gate.Open();
  EXPECT_TRUE(first.Get().ok());
  EXPECT_TRUE(second.Get().ok());
}

TEST_F(RpcServerTest, ACallIsWaitedForUntilItsStatusIsOut) {
  grpc::ClientContext context;
  StreamChatRequest request;
  request.mutable_chat()->set_model("large");
  const auto reader = stub_->StreamChat(&context, request);
  reader->WaitForInitialMetadata();
  ASSERT_TRUE(Eventually([&] { return calls_.in_flight() == 0; }));
  // The last message waits for its reader, and the status behind it.
  EXPECT_FALSE(calls_.AwaitIdle(absl::Now() + absl::Milliseconds(50)));
  StreamChatResponse response;
  EXPECT_TRUE(reader->Read(&response));
  EXPECT_TRUE(reader->Finish().ok());
  EXPECT_TRUE(calls_.AwaitIdle(absl::Now() + absl::Seconds(10)));
}

TEST_F(RpcServerTest, ASlowReaderBoundsTheClientsSource) {
  CountingSource<SubmitBatchRequest> source;
  source.limit = 500;
  source.make = [](int) {
    SubmitBatchRequest request;
    request.mutable_item()->set_custom_id(std::string(8000, 'x'));
    return request;
  };
  RunningFlow<absl::StatusOr<batch_aggregator::v1::Batch>> flow(
      client_io_.At(0),
      rpc::CallClientStream(
          stub_->async(), &Async::SubmitBatch, call_,
          static_cast<rpc::Source<SubmitBatchRequest>&>(source)));
  int64_t bytes = -1;
  while (bytes != source.bytes) {
    bytes = source.bytes;
    std::this_thread::sleep_for(milliseconds(300));
  }
  EXPECT_LE(bytes, 600 * 1024);
  service_->gate.Open();
  auto batch = flow.Get();
  ASSERT_TRUE(batch.ok()) << batch.status();
  EXPECT_EQ(batch->total_items(), 500);
}

class ConverseTest : public RpcServerTest {
 protected:
  ConverseTest() {
    source_.make = [](int n) {
      ConverseRequest request;
      request.set_turn_id(absl::StrCat(n));
      return request;
    };
  }

  RunningFlow<absl::Status> Converse() {
    return RunningFlow<absl::Status>(
        client_io_.At(0),
        rpc::CallBidi(stub_->async(), &Async::Converse, call_,
                      static_cast<rpc::Source<ConverseRequest>&>(source_),
                      static_cast<rpc::Sink<ConverseResponse>&>(sink_)));
  }

  CountingSource<ConverseRequest> source_;
  ListSink<ConverseResponse> sink_;
};

TEST_F(ConverseTest, BothDirectionsRunInOrder) {
  source_.limit = 2000;
  EXPECT_TRUE(Converse().Get().ok());
  ASSERT_EQ(sink_.messages.size(), 2000);
  for (int i = 0; i < 2000; ++i) {
    ASSERT_EQ(sink_.messages[i].turn_id(), absl::StrCat(i));
  }
}

TEST_F(ConverseTest, TheFunctionCountsWhatItHolds) {
  calls_.SetLimits({.bodies = &bodies_});
  source_.limit = 2;
  source_.make = [](int) {
    ConverseRequest request;
    request.set_turn_id(std::string(2000, 'x'));
    return request;
  };
  EXPECT_TRUE(Converse().Get().ok());
  EXPECT_EQ(sink_.messages.size(), 2u);
  EXPECT_EQ(calls_.stats().refused, 0u);
}

TEST_F(ConverseTest, AnAnswerComesWhileTheSourceWaits) {
  source_.limit = 1;
  source_.hangs = true;
  auto flow = Converse();
  EXPECT_TRUE(Eventually([&] { return sink_.count == 1; }));
  flow.Cancel();
  EXPECT_TRUE(absl::IsCancelled(flow.Get()));
  EXPECT_TRUE(Eventually([&] { return service_->ended == 1; }));
}

TEST_F(ConverseTest, TheServersEndDoesNotWaitForTheSource) {
  source_.limit = 2;
  source_.hangs = true;
  source_.make = [](int n) {
    ConverseRequest request;
    request.set_turn_id(n == 0 ? "first" : "stop");
    return request;
  };
  absl::Status status = Converse().Get();
  EXPECT_TRUE(absl::IsPermissionDenied(status)) << status;
  EXPECT_EQ(sink_.messages.size(), 1);
}

TEST_F(RpcServerTest, ADrainRefusesNewCallsWithAHint) {
  calls_.BeginDrain();
  auto listed = Run(List());
  EXPECT_TRUE(absl::IsUnavailable(listed.status())) << listed.status();
  EXPECT_EQ(ReasonOf(listed.status()), reason::kDraining);
  ASSERT_TRUE(DetailOf(listed.status()).has_value());
  EXPECT_TRUE(DetailOf(listed.status())->has_retry_delay());
  EXPECT_EQ(service_->started, 0);
}

TEST_F(RpcServerTest, ADrainLetsCallsFinishButEndsWatches) {
  Results finishing_sink, watching_sink;
  auto finishing = Hang(false, finishing_sink);
  auto watching = Hang(true, watching_sink);
  ASSERT_TRUE(Eventually([&] { return calls_.in_flight() == 2; }));
  server_->BeginDrain();
  const absl::Status watched = watching.Get();
  EXPECT_TRUE(absl::IsUnavailable(watched)) << watched;
  EXPECT_EQ(ReasonOf(watched), reason::kDraining);
  EXPECT_FALSE(finishing.EndsWithin(milliseconds(100)));
  EXPECT_EQ(calls_.in_flight(), 1);
  service_->gate.Open();
  EXPECT_TRUE(finishing.Get().ok());
  EXPECT_TRUE(calls_.AwaitIdle(absl::Now() + absl::Seconds(10)));
}

TEST_F(RpcServerTest, TheEndOfADrainEndsCallsAsUnavailable) {
  Results sink;
  auto flow = Hang(false, sink);
  ASSERT_TRUE(Eventually([&] { return calls_.in_flight() == 1; }));
  server_->BeginDrain();
  EXPECT_FALSE(calls_.AwaitIdle(absl::Now() + absl::Milliseconds(50)));
  server_->EndCalls();
  EXPECT_EQ(calls_.in_flight(), 0);
  const absl::Status status = flow.Get();
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  EXPECT_EQ(ReasonOf(status), reason::kDraining);
}

TEST_F(RpcServerTest, StoppingDoesNotWaitForHealthWatches) {
  RawCall watch(channel_, "/grpc.health.v1.Health/Watch", "");
  EXPECT_EQ(watch.Message(0), kServing);
  const absl::Time start = absl::Now();
  server_->BeginDrain();
  server_->Stop();
  EXPECT_LT(absl::Now() - start, absl::Seconds(5));
}

TEST_F(RpcServerTest, ATakenPortIsAnError) {
  rpc::CallTracker calls;
  auto second =
      rpc::Server::Start({.address = address_}, {Named(calls)}, &calls);
  EXPECT_TRUE(absl::IsUnavailable(second.status())) << second.status();
}

TEST_F(RpcServerTest, APeerThatComesBackIsUsedAgain) {
  ASSERT_TRUE(Run(List()).ok());
  server_->Stop();
  server_.reset();
  EXPECT_TRUE(Eventually([&] { return !Run(List()).ok(); }));
  const absl::Time start = absl::Now();
  auto listed = Run(List());
  EXPECT_LT(absl::Now() - start, absl::Milliseconds(100));
  EXPECT_TRUE(absl::IsUnavailable(listed.status())) << listed.status();

  rpc::CallTracker calls;
  auto server =
      rpc::Server::Start({.address = address_}, {Named(calls)}, &calls);
  ASSERT_TRUE(server.ok()) << server.status();
  (*server)->SetReady(true);
  EXPECT_TRUE(
      Eventually([&] { return Run(List()).ok(); }, std::chrono::seconds(5)));
}

}  // namespace
}  // namespace gateway
