// The five services behind one Server, in this process, over real sockets.

#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>
#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <thread>

#include "gateway/agent/v1/agent.grpc.pb.h"
#include "services/agent_gateway/server.h"
#include "tests/integration/http_reply.h"
#include "tests/unit/common/http/raw_socket.h"

namespace gateway::agent_gateway {
namespace {

namespace fs = std::filesystem;
using http::RawSocket;
using testing::HasSubstr;
using testing::UnorderedElementsAre;

bool Eventually(const std::function<bool()>& condition) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return true;
}

class AgentGatewayTest : public testing::Test {
 protected:
  AgentGatewayTest() {
    std::string path =
        (fs::temp_directory_path() / "agent_gateway_XXXXXX").string();
    EXPECT_NE(mkdtemp(path.data()), nullptr);
    dir_ = path;
    auto& own = *config_.mutable_agent_gateway();
    own.mutable_listen()->set_grpc("127.0.0.1:0");
    own.mutable_listen()->set_http("127.0.0.1:0");
    own.set_data_dir(dir_);
    (*config_.mutable_providers())["mock"].set_dialect(
        config::v1::DIALECT_MOCK);
    (*config_.mutable_providers())["slow"].set_dialect(
        config::v1::DIALECT_MOCK);
    (*config_.mutable_providers())["slow"]
        .mutable_mock()
        ->mutable_token_interval()
        ->set_nanos(100'000'000);
    for (const char* name : {"mock", "slow"}) {
      (*config_.mutable_models())[name].add_targets()->set_provider(name);
    }
    // A batch does not wait for others.
    config_.mutable_batch()->mutable_wait()->set_nanos(1'000'000);
  }

  ~AgentGatewayTest() override {
    server_.reset();
    io_.Stop();
    fs::remove_all(dir_);
  }

  void Start() {
    auto created = Server::Create(config_, &io_);
    ASSERT_TRUE(created.ok()) << created.status();
    server_ = *std::move(created);
    const absl::Status started = server_->Start();
    ASSERT_TRUE(started.ok()) << started;
    ASSERT_TRUE(Eventually([&] {
      for (const process::Check& check : server_->Checks()) {
        if (check.state != process::Check::State::kOk) return false;
      }
      return !server_->Checks().empty();
    }));
    agent_ = agent::v1::AgentService::NewStub(
        grpc::CreateChannel(absl::StrCat("127.0.0.1:", server_->grpc_port()),
                            grpc::InsecureChannelCredentials()));
  }

  std::string Request(const std::string& model, bool stream,
                      const std::string& more = "") {
    const std::string body = absl::StrCat(
        R"({"model":")", model, R"(",)", stream ? R"("stream":true,)" : "",
        R"("messages":[{"role":"user","content":"Hello there"}]})");
    return absl::StrCat(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\n"
        "content-type: application/json\r\ncontent-length: ",
        body.size(), "\r\nconnection: close\r\n", more, "\r\n", body);
  }

  RawSocket Begin(const std::string& request) {
    RawSocket socket =
        RawSocket::Connect(static_cast<uint16_t>(server_->http_port()));
    socket.Send(request);
    return socket;
  }

  HttpReply Chat(const std::string& model, bool stream,
                 const std::string& more = "") {
    return ParseReply(Begin(Request(model, stream, more)).ReceiveAll());
  }

  // The sum of a family over all its series.
  double Sum(const std::string& name) {
    double sum = 0;
    for (const auto& family : server_->CollectMetrics()) {
      if (family.name != name) continue;
      for (const auto& metric : family.metric) {
        sum += metric.counter.value + metric.gauge.value;
      }
    }
    return sum;
  }

  // What lies in the stores afterwards, read by metrics-collector's own server.
  std::string StoredText() {
    std::string text;
    for (const auto& entry : fs::recursive_directory_iterator(
             fs::path(dir_) / "metrics-collector")) {
      if (!entry.is_regular_file()) continue;
      std::ifstream file(entry.path(), std::ios::binary);
      text.append(std::istreambuf_iterator<char>(file), {});
    }
    return text;
  }

  std::string dir_;
  config::v1::Config config_;
  IoPool io_{2};
  std::unique_ptr<Server> server_;
  std::unique_ptr<agent::v1::AgentService::Stub> agent_;
};

TEST_F(AgentGatewayTest, AnAddressInUseStopsTheStart) {
  Start();
  config::v1::Config config = config_;
  auto& own = *config.mutable_agent_gateway();
  own.set_data_dir((fs::path(dir_) / "second").string());
  own.mutable_listen()->set_http(
      absl::StrCat("127.0.0.1:", server_->http_port()));
  auto second = Server::Create(config, &io_);
  ASSERT_TRUE(second.ok()) << second.status();
  const absl::Status started = (*second)->Start();
  EXPECT_TRUE(absl::IsUnavailable(started)) << started;
  EXPECT_THAT(std::string(started.message()),
              HasSubstr(absl::StrCat(server_->http_port())));
  (*second)->Stop();
}

TEST_F(AgentGatewayTest, AllFiveAnswerBehindOne) {
  Start();
  // ingress and model-router, both ways in.
  EXPECT_THAT(Chat("mock", false).body, HasSubstr(R"("finish_reason":"stop")"));
  EXPECT_TRUE(absl::EndsWith(Chat("mock", true).body, "data: [DONE]\n\n"));
  grpc::ClientContext chat_context;
  agent::v1::ChatRequest chat;
  chat.mutable_chat()->set_model("mock");
  auto& message = *chat.mutable_chat()->add_messages();
  message.set_role(chat::v1::ROLE_USER);
  message.add_content()->mutable_text()->set_text("Hello");
  agent::v1::ChatResponse answer;
  EXPECT_TRUE(agent_->Chat(&chat_context, chat, &answer).ok());
  // session-store.
  EXPECT_EQ(Chat("mock", false, "x-session-id: s\r\n").header("x-session-turn"),
            "0");
  EXPECT_EQ(Chat("mock", false, "x-session-id: s\r\n").header("x-session-turn"),
            "1");
  EXPECT_EQ(server_->Statistics()[0],
            std::pair(std::string("sessions"), int64_t{1}));
  // metrics-collector: five answers, a row and a record of each.
  EXPECT_TRUE(Eventually([&] {
    return Sum("agentgw_ledger_rows_total") == 5 &&
           Sum("agentgw_request_records_total") == 5;
  })) << Sum("agentgw_ledger_rows_total")
      << " rows, " << Sum("agentgw_request_records_total") << " records";
}

TEST_F(AgentGatewayTest, ABatchIsAnsweredItemByItem) {
  Start();
  grpc::ClientContext context;
  batch_aggregator::v1::Batch batch;
  auto writer = agent_->SubmitBatch(&context, &batch);
  agent::v1::SubmitBatchRequest part;
  part.mutable_header();
  writer->Write(part);
  for (const char* id : {"a", "b"}) {
    part.Clear();
    part.mutable_item()->set_custom_id(id);
    auto& typed = *part.mutable_item()->mutable_typed();
    typed.set_model("mock");
    auto& message = *typed.add_messages();
    message.set_role(chat::v1::ROLE_USER);
    message.add_content()->mutable_text()->set_text(id);
    writer->Write(part);
  }
  writer->WritesDone();
  ASSERT_TRUE(writer->Finish().ok());
  EXPECT_TRUE(Eventually([&] {
    grpc::ClientContext get;
    agent::v1::GetBatchRequest request;
    request.set_batch_id(batch.batch_id());
    batch_aggregator::v1::Batch now;
    return agent_->GetBatch(&get, request, &now).ok() &&
           now.succeeded_items() == 2;
  }));
}

TEST_F(AgentGatewayTest, ChecksAndMetricsNameTheirService) {
  Start();
  std::set<std::string> checks, services;
  for (const process::Check& check : server_->Checks()) {
    checks.insert(check.name);
  }
  EXPECT_THAT(checks,
              UnorderedElementsAre(
                  "ingress/model-router", "ingress/session-store",
                  "ingress/batch-aggregator", "ingress/metrics-collector",
                  "model-router/metrics-collector", "model-router/usage_spool",
                  "batch-aggregator/model-router",
                  "batch-aggregator/session-store", "batch-aggregator/database",
                  "session-store/database", "metrics-collector/database"));
  for (const auto& family : server_->CollectMetrics()) {
    for (const auto& metric : family.metric) {
      bool labelled = false;
      for (const auto& label : metric.label) {
        if (label.name != "service") continue;
        labelled = true;
        services.insert(label.value);
      }
      EXPECT_TRUE(labelled) << family.name;
    }
  }
  EXPECT_THAT(services, UnorderedElementsAre(
                            "ingress", "model-router", "batch-aggregator",
                            "session-store", "metrics-collector"));
}

TEST_F(AgentGatewayTest, NoPeerIsElsewhere) {
  Start();
  std::set<std::string> names;
  for (const process::Peer& peer : server_->PeerStates()) {
    if (peer.name.starts_with("provider ")) continue;
    names.insert(peer.name);
    EXPECT_EQ(peer.target, "in process") << peer.name;
    EXPECT_EQ(peer.state, "ok") << peer.name;
  }
  EXPECT_THAT(names,
              UnorderedElementsAre("model-router", "session-store",
                                   "batch-aggregator", "metrics-collector"));
}

TEST_F(AgentGatewayTest, ADrainLetsStreamsFinishAndRefusesNewOnes) {
  Start();
  RawSocket stream = Begin(Request("slow", true));
  ASSERT_NE(stream.ReceiveUntil("data: "), "");
  server_->SetHealth(false, true);
  server_->BeginDrain();
  EXPECT_GE(server_->Active(), 1u);
  EXPECT_FALSE(Begin(Request("mock", false)).Receive() != "");
  EXPECT_TRUE(absl::StrContains(stream.ReceiveAll(), "data: [DONE]\n\n"));
  EXPECT_TRUE(Eventually([&] { return server_->Active() == 0; }));
}

TEST_F(AgentGatewayTest, WhatADrainCutsIsCountedAsDrained) {
  (*config_.mutable_providers())["slow"]
      .mutable_mock()
      ->mutable_token_interval()
      ->set_seconds(5);
  Start();
  RawSocket stream = Begin(Request("slow", true));
  ASSERT_NE(stream.ReceiveUntil("data: "), "");
  server_->BeginDrain();
  server_->CancelRemaining();
  const std::string rest = stream.ReceiveAll();
  EXPECT_THAT(rest, HasSubstr(R"("code":"draining")"));
  EXPECT_FALSE(absl::StrContains(rest, "[DONE]"));
  double drained = 0;
  for (const auto& family : server_->CollectMetrics()) {
    if (family.name != "agentgw_streams_total") continue;
    for (const auto& metric : family.metric) {
      for (const auto& label : metric.label) {
        if (label.value == "drained") drained += metric.counter.value;
      }
    }
  }
  EXPECT_EQ(drained, 1);
}

TEST_F(AgentGatewayTest, TheCovertModeKeepsNoPerson) {
  config_.mutable_monitoring()->set_enabled(false);
  config_.mutable_monitoring()->set_contents(config::v1::CONTENTS_ALL);
  Start();
  const std::string who = "x-user-id: person-7\r\nx-session-id: secret-9\r\n";
  EXPECT_EQ(Chat("mock", false, who).status, 200);
  // Sessions work unchanged.
  EXPECT_EQ(Chat("mock", false, who).header("x-session-turn"), "1");
  EXPECT_TRUE(Eventually([&] {
    return Sum("agentgw_ledger_rows_total") == 2 &&
           Sum("agentgw_request_records_total") == 2;
  }));
  server_.reset();
  const std::string stored = StoredText();
  EXPECT_NE(stored, "");
  for (const char* word : {"person-7", "secret-9", "Hello there"}) {
    EXPECT_FALSE(absl::StrContains(stored, word)) << word;
  }
}

TEST_F(AgentGatewayTest, WithMonitoringThePersonIsThere) {
  Start();
  EXPECT_EQ(Chat("mock", false, "x-user-id: person-7\r\n").status, 200);
  EXPECT_TRUE(Eventually([&] {
    return Sum("agentgw_ledger_rows_total") == 1 &&
           Sum("agentgw_request_records_total") == 1;
  }));
  server_.reset();
  EXPECT_TRUE(absl::StrContains(StoredText(), "person-7"));
}

TEST_F(AgentGatewayTest, AReloadReachesThoseThatItConcerns) {
  Start();
  EXPECT_EQ(Chat("new", false).status, 404);
  (*config_.mutable_models())["new"].add_targets()->set_provider("mock");
  ASSERT_TRUE(server_->Reload(config_).ok());
  EXPECT_TRUE(Eventually([&] { return Chat("new", false).status == 200; }));
  config_.add_keys()->set_id("k");
  config_.mutable_keys(0)->set_tenant("t");
  config_.mutable_keys(0)->set_sha256(std::string(64, 'a'));
  ASSERT_TRUE(server_->Reload(config_).ok());
  EXPECT_EQ(Chat("new", false).status, 401);
}

TEST_F(AgentGatewayTest, WhenOneCannotStartNoneDoes) {
  const fs::path blocked = fs::path(dir_) / "session-store";
  std::ofstream(blocked) << "a file, where a folder is to be";
  auto created = Server::Create(config_, &io_);
  ASSERT_TRUE(created.ok());
  EXPECT_FALSE((*created)->Start().ok());
  EXPECT_EQ((*created)->http_port(), 0);
}

}  // namespace
}  // namespace gateway::agent_gateway
