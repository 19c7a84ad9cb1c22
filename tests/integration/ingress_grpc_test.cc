#include <absl/strings/str_cat.h>
#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "common/status/error.h"
#include "common/status/grpc_status.h"
#include "gateway/agent/v1/agent.grpc.pb.h"
#include "tests/integration/ingress_fixture.h"
#include "tests/unit/common/http/raw_socket.h"

namespace gateway::ingress {
namespace {

namespace pb = agent::v1;
using ::testing::MatchesRegex;

class IngressGrpcTest : public IngressFixture {
 protected:
  void Start() {
    IngressFixture::Start();
    channel_ =
        grpc::CreateChannel(absl::StrCat("127.0.0.1:", server_->grpc_port()),
                            grpc::InsecureChannelCredentials());
    stub_ = pb::AgentService::NewStub(channel_);
  }

  static void Authorize(grpc::ClientContext& context,
                        const std::string& key = "secret") {
    context.AddMetadata("authorization", "Bearer " + key);
  }

  static pb::ChatRequest Chat(const std::string& model = "m") {
    pb::ChatRequest request;
    request.mutable_chat()->set_model(model);
    auto& message = *request.mutable_chat()->add_messages();
    message.set_role(chat::v1::ROLE_USER);
    message.add_content()->mutable_text()->set_text("hi");
    return request;
  }
  static pb::StreamChatRequest StreamChat() {
    pb::StreamChatRequest request;
    *request.mutable_chat() = Chat().chat();
    return request;
  }

  static std::string Trailer(const grpc::ClientContext& context,
                             const std::string& key) {
    const auto& trailers = context.GetServerTrailingMetadata();
    const auto it = trailers.find(key);
    return it == trailers.end()
               ? ""
               : std::string(it->second.data(), it->second.size());
  }

  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<pb::AgentService::Stub> stub_;
};

TEST_F(IngressGrpcTest, AChatIsAnswered) {
  Start();
  grpc::ClientContext context;
  Authorize(context);
  pb::ChatResponse response;
  const grpc::Status status = stub_->Chat(&context, Chat(), &response);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(response.chat().choices(0).message().content(0).text().text(),
            "hello");
  const auto& head = context.GetServerInitialMetadata();
  const auto id = head.find("x-request-id");
  ASSERT_NE(id, head.end());
  EXPECT_EQ(std::string(id->second.data(), id->second.size()),
            response.request_id());
  EXPECT_THAT(response.request_id(), MatchesRegex("req_[0-9a-f]{32}"));
  const auto records = AwaitRecords(1);
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0].protocol(), "grpc");
  EXPECT_EQ(records[0].method(), "Chat");
}

TEST_F(IngressGrpcTest, AnErrorCarriesItsDetailAndAdvice) {
  Start();
  {
    grpc::ClientContext context;
    Authorize(context, "guess");
    pb::ChatResponse response;
    const grpc::Status status = stub_->Chat(&context, Chat(), &response);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAUTHENTICATED);
    EXPECT_EQ(ReasonOf(FromGrpcStatus(status)), reason::kInvalidApiKey);
    EXPECT_EQ(Trailer(context, "grpc-retry-pushback-ms"), "-1");
  }
  router_.OnRoute(MeshFailScript(absl::UnavailableError("10.0.0.7")));
  grpc::ClientContext context;
  Authorize(context);
  pb::ChatResponse response;
  const grpc::Status status = stub_->Chat(&context, Chat(), &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(status.error_message(),
            "A part of the gateway is unavailable for the moment.");
  const auto detail = DetailOf(FromGrpcStatus(status));
  ASSERT_TRUE(detail.has_value());
  EXPECT_EQ(detail->reason(), reason::kUnavailable);
  EXPECT_EQ(detail->retry_delay().seconds(), 1);
  EXPECT_EQ(Trailer(context, "grpc-retry-pushback-ms"), "1000");
}

TEST_F(IngressGrpcTest, TheSameRulesHoldAsOnHttp) {
  Start();
  const auto reason_of = [&](const pb::ChatRequest& request,
                             const std::string& key = "secret") {
    grpc::ClientContext context;
    Authorize(context, key);
    pb::ChatResponse response;
    return ReasonOf(FromGrpcStatus(stub_->Chat(&context, request, &response)));
  };
  EXPECT_EQ(reason_of(Chat("gone")), reason::kModelNotFound);
  EXPECT_EQ(reason_of(Chat("org/m"), "guest"), reason::kModelNotAllowed);
  EXPECT_EQ(reason_of({}), reason::kMissingParameter);
  pb::ChatRequest absent = Chat();
  absent.mutable_session()->set_session_id("s");
  EXPECT_EQ(reason_of(absent), reason::kSessionNotFound);
}

TEST_F(IngressGrpcTest, AStreamArrivesInEvents) {
  Start();
  router_.OnRoute(AnswerScript("a b"));
  grpc::ClientContext context;
  Authorize(context);
  auto reader = stub_->StreamChat(&context, StreamChat());
  std::string text;
  pb::ChatEvent last;
  pb::StreamChatResponse response;
  while (reader->Read(&response)) {
    for (const auto& event : response.events()) {
      text += event.delta().text();
      last = event;
    }
  }
  EXPECT_TRUE(reader->Finish().ok());
  EXPECT_EQ(text, "ab");
  EXPECT_EQ(last.completed().usage().output_tokens(), 2);
}

TEST_F(IngressGrpcTest, ABrokenStreamEndsInAnEventAndTheSameStatus) {
  Start();
  router_.OnRoute(BreakScript(MakeError(reason::kUpstreamBadResponse, "cut")));
  grpc::ClientContext context;
  Authorize(context);
  auto reader = stub_->StreamChat(&context, StreamChat());
  pb::ChatEvent last;
  pb::StreamChatResponse response;
  while (reader->Read(&response)) {
    last = *response.events().rbegin();
  }
  const grpc::Status status = reader->Finish();
  EXPECT_EQ(last.failed().detail().reason(), reason::kUpstreamBadResponse);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(ReasonOf(FromGrpcStatus(status)), reason::kUpstreamBadResponse);
}

TEST_F(IngressGrpcTest, AClientThatLeavesCancelsTheCall) {
  Start();
  router_.OnRoute(HangScript());
  grpc::ClientContext context;
  Authorize(context);
  auto reader = stub_->StreamChat(&context, StreamChat());
  pb::StreamChatResponse response;
  ASSERT_TRUE(reader->Read(&response));
  context.TryCancel();
  EXPECT_TRUE(Eventually([&] { return router_.cancelled() == 1; }));
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::CANCELLED);
  const auto records = AwaitRecords(1);
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0].outcome(), metrics_collector::v1::OUTCOME_CANCELLED);
}

TEST_F(IngressGrpcTest, TheClientsDeadlineIsPassedOn) {
  Start();
  grpc::ClientContext context;
  Authorize(context);
  context.set_deadline(std::chrono::system_clock::now() +
                       std::chrono::seconds(20));
  pb::ChatResponse response;
  ASSERT_TRUE(stub_->Chat(&context, Chat(), &response).ok());
  ASSERT_EQ(router_.deadlines().size(), 1u);
  // gRPC sends what is left of it, by a clock of its own.
  EXPECT_LE(router_.deadlines()[0],
            absl::Now() + absl::Seconds(20) + absl::Milliseconds(500));
}

TEST_F(IngressGrpcTest, AConversationTakesManyTurns) {
  Start();
  router_.OnRoute(AnswerScript("yes"));
  grpc::ClientContext context;
  Authorize(context);
  auto stream = stub_->Converse(&context);
  for (const char* id : {"a", "b"}) {
    pb::ConverseRequest turn;
    turn.set_turn_id(id);
    *turn.mutable_start() = StreamChat();
    ASSERT_TRUE(stream->Write(turn));
  }
  stream->WritesDone();
  int completed = 0;
  pb::ConverseResponse response;
  while (stream->Read(&response)) {
    for (const auto& event : response.events()) {
      if (event.has_completed()) ++completed;
    }
  }
  EXPECT_TRUE(stream->Finish().ok());
  EXPECT_EQ(completed, 2);
}

TEST_F(IngressGrpcTest, TheBoundOnBytesIsOfEachTurnWhileItRuns) {
  options_.service.max_body_bytes_in_flight = 1 << 20;
  Start();
  grpc::ClientContext context;
  Authorize(context);
  auto stream = stub_->Converse(&context);
  const auto turn = [&](const std::string& id, size_t bytes) {
    pb::ConverseRequest request;
    request.set_turn_id(id);
    *request.mutable_start() = StreamChat();
    request.mutable_start()
        ->mutable_chat()
        ->mutable_messages(0)
        ->mutable_content(0)
        ->mutable_text()
        ->set_text(std::string(bytes, 'x'));
    return stream->Write(request);
  };
  // The last event of `id`, which is its end.
  const auto end = [&](const std::string& id) {
    pb::ConverseResponse response;
    while (stream->Read(&response)) {
      if (response.turn_id() != id) continue;
      const auto& last = response.events(response.events_size() - 1);
      if (last.has_completed()) return std::string("completed");
      if (last.has_failed()) return last.failed().detail().reason();
    }
    return std::string("none");
  };
  for (const char* id : {"a", "b"}) {
    ASSERT_TRUE(turn(id, 700'000));
    EXPECT_EQ(end(id), "completed");
  }
  // While the call is idle.
  EXPECT_TRUE(Eventually([&] { return Gauge("agentgw_body_bytes") == 0; }));

  router_.OnRoute(HangScript());
  ASSERT_TRUE(turn("slow", 700'000));
  ASSERT_TRUE(turn("c", 700'000));
  EXPECT_EQ(end("c"), "overloaded");
  pb::ConverseRequest cancel;
  cancel.set_turn_id("slow");
  cancel.mutable_cancel();
  ASSERT_TRUE(stream->Write(cancel));
  EXPECT_EQ(end("slow"), "client_closed");
  router_.OnRoute(AnswerScript("again"));
  ASSERT_TRUE(turn("c", 700'000));
  EXPECT_EQ(end("c"), "completed");
  stream->WritesDone();
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(IngressGrpcTest, ADrainEndsAConversationOk) {
  Start();
  grpc::ClientContext context;
  Authorize(context);
  auto stream = stub_->Converse(&context);
  pb::ConverseRequest turn;
  turn.set_turn_id("a");
  *turn.mutable_start() = StreamChat();
  ASSERT_TRUE(stream->Write(turn));
  pb::ConverseResponse response;
  ASSERT_TRUE(stream->Read(&response));
  server_->BeginDrain();
  bool going_away = false;
  while (stream->Read(&response)) going_away |= response.going_away();
  EXPECT_TRUE(going_away);
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(IngressGrpcTest, WhatTheDrainCutsIsUnavailable) {
  Start();
  router_.OnRoute(HangScript());
  grpc::ClientContext context;
  Authorize(context);
  auto reader = stub_->StreamChat(&context, StreamChat());
  pb::StreamChatResponse response;
  ASSERT_TRUE(reader->Read(&response));
  server_->BeginDrain();
  server_->CancelRemaining();
  pb::ChatEvent last;
  while (reader->Read(&response)) last = *response.events().rbegin();
  EXPECT_EQ(last.failed().detail().reason(), reason::kDraining);
  const grpc::Status status = reader->Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(ReasonOf(FromGrpcStatus(status)), reason::kDraining);
}

TEST_F(IngressGrpcTest, ABatchStreamsThrough) {
  Start();
  grpc::ClientContext context;
  Authorize(context);
  batch_aggregator::v1::Batch batch;
  auto writer = stub_->SubmitBatch(&context, &batch);
  pb::SubmitBatchRequest header;
  header.mutable_header()->set_idempotency_key("once");
  ASSERT_TRUE(writer->Write(header));
  for (int i = 0; i < 100; ++i) {
    pb::SubmitBatchRequest item;
    item.mutable_item()->set_custom_id(absl::StrCat("i", i));
    *item.mutable_item()->mutable_typed() = Chat().chat();
    ASSERT_TRUE(writer->Write(item));
  }
  writer->WritesDone();
  const grpc::Status status = writer->Finish();
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(batch.total_items(), 100);
  EXPECT_EQ(batches_.Header(batch.batch_id()).context().account().tenant(),
            "acme");
}

TEST_F(IngressGrpcTest, SessionsAndModelsAreServed) {
  Start();
  {
    grpc::ClientContext context;
    Authorize(context);
    pb::CreateSessionRequest request;
    request.set_user("ada");
    session_store::v1::Session session;
    ASSERT_TRUE(stub_->CreateSession(&context, request, &session).ok());
    EXPECT_NE(session.session_id(), "");
  }
  grpc::ClientContext context;
  Authorize(context, "guest");
  pb::ListModelsResponse models;
  ASSERT_TRUE(stub_->ListModels(&context, {}, &models).ok());
  ASSERT_EQ(models.models_size(), 1);
  EXPECT_EQ(models.models(0).id(), "m");
}

TEST_F(IngressGrpcTest, AClientThatTakesNothingLosesItsPlace) {
  options_.service.write_timeout = absl::Milliseconds(200);
  Start();
  router_.OnRoute(Flood);
  grpc::ClientContext context;
  Authorize(context);
  auto reader = stub_->StreamChat(&context, StreamChat());
  const auto records = AwaitRecords(1);
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0].outcome(), metrics_collector::v1::OUTCOME_CANCELLED);
  EXPECT_EQ(router_.running(), 0);
  pb::StreamChatResponse response;
  while (reader->Read(&response)) {
  }
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::CANCELLED);
}

TEST_F(IngressGrpcTest, AStreamEndsAtItsLongestDuration) {
  options_.deadline.max_stream = absl::Milliseconds(200);
  Start();
  router_.OnRoute(Flood);
  grpc::ClientContext context;
  Authorize(context);
  auto reader = stub_->StreamChat(&context, StreamChat());
  const auto records = AwaitRecords(1);
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0].reason(), reason::kDeadlineExceeded);
  EXPECT_EQ(router_.running(), 0);
  pb::StreamChatResponse response;
  while (reader->Read(&response)) {
  }
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
}

TEST_F(IngressGrpcTest, BothWaysInShareTheBoundOnBodies) {
  options_.service.max_body_bytes_in_flight = 4000;
  Start();
  router_.OnRoute(HangScript());
  pb::StreamChatRequest large = StreamChat();
  large.mutable_chat()
      ->mutable_messages(0)
      ->mutable_content(0)
      ->mutable_text()
      ->set_text(std::string(3000, 'x'));
  grpc::ClientContext context;
  Authorize(context);
  auto reader = stub_->StreamChat(&context, large);
  pb::StreamChatResponse response;
  ASSERT_TRUE(reader->Read(&response));
  http::RawSocket socket =
      http::RawSocket::Connect(static_cast<uint16_t>(server_->http_port()));
  socket.Send(absl::StrCat(
      "POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\nauthorization: Bearer "
      "secret\r\ncontent-length: 2000\r\n\r\n",
      std::string(2000, ' ')));
  EXPECT_THAT(socket.ReceiveMessage(), ::testing::StartsWith("HTTP/1.1 503 "));
  context.TryCancel();
  (void)reader->Finish();
}

}  // namespace
}  // namespace gateway::ingress
