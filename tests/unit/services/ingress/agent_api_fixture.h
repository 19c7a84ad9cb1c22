#ifndef GATEWAY_TESTS_UNIT_SERVICES_INGRESS_AGENT_API_FIXTURE_H_
#define GATEWAY_TESTS_UNIT_SERVICES_INGRESS_AGENT_API_FIXTURE_H_

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "services/ingress/agent_api.h"
#include "tests/fakes/fake_batch_aggregator.h"
#include "tests/fakes/memory_session_store.h"
#include "tests/fakes/recording_telemetry_receiver.h"
#include "tests/fakes/scripted_model_router.h"
#include "tests/support/fake_clock.h"
#include "tests/support/run_flow.h"
#include "tests/support/test_streams.h"

namespace gateway::ingress {

namespace pb = agent::v1;

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
inline std::vector<std::string> Kinds(
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

// The API over scripted peers, on an io_context that the test runs. The caller
// is ada, with the key k1 of acme, which may use the model m.
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

  // Everything that was reported.
  std::vector<metrics_collector::v1::RequestRecord> Records() {
    reporter_.Stop();
    VoidTestFlow flow(io_, reporter_.Run());
    EXPECT_TRUE(flow.done());
    return receiver_.records();
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

}  // namespace gateway::ingress

#endif  // GATEWAY_TESTS_UNIT_SERVICES_INGRESS_AGENT_API_FIXTURE_H_
