#include "services/ingress/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gateway::ingress {
namespace {

using ::testing::HasSubstr;

constexpr char kSha256[] =
    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

config::v1::ApiKey Key(const std::string& id) {
  config::v1::ApiKey key;
  key.set_id(id);
  key.set_sha256(kSha256);
  key.set_tenant("acme");
  return key;
}

std::string FaultsOf(const config::v1::Config& config) {
  return std::string(ReadOptions(config).status().message());
}

TEST(IngressConfigTest, DefaultsAreThoseOfTheReference) {
  const auto options = ReadOptions({});
  ASSERT_TRUE(options.ok()) << options.status();
  EXPECT_EQ(options->service.grpc.port, 50051);
  EXPECT_EQ(options->service.http.port, 8080);
  EXPECT_EQ(options->peers.model_router, "dns:///model-router:50051");
  EXPECT_EQ(options->peers.session_store, "dns:///session-store:50051");
  EXPECT_EQ(options->peers.batch_aggregator, "dns:///batch-aggregator:50051");
  EXPECT_EQ(options->peers.metrics_collector, "dns:///metrics-collector:50051");
  EXPECT_EQ(options->service.max_body_bytes, 32 << 20);
  EXPECT_EQ(options->http.max_header_bytes, 64u << 10);
  EXPECT_EQ(options->service.max_body_bytes_in_flight, 512 << 20);
  EXPECT_EQ(options->http.header_timeout, absl::Seconds(10));
  EXPECT_EQ(options->admission.max_requests_in_flight, 4096);
  EXPECT_EQ(options->deadline.max_stream, absl::Hours(1));
  EXPECT_EQ(options->heartbeat_interval, absl::Seconds(15));
  EXPECT_EQ(options->idle_timeout, absl::Seconds(300));
  EXPECT_TRUE(options->exchange.streaming);
  EXPECT_FALSE(options->exchange.covert);
  EXPECT_EQ(options->exchange.contents, Contents::kOff);
  EXPECT_EQ(options->telemetry_queue_size, 10000u);
}

TEST(IngressConfigTest, ReadsWhatIsSet) {
  config::v1::Config config;
  config.set_streaming(false);
  config.mutable_monitoring()->set_enabled(false);
  config.mutable_monitoring()->set_contents(config::v1::CONTENTS_ALL);
  config.mutable_monitoring()->set_queue_size(7);
  auto& limits = *config.mutable_limits();
  limits.set_max_body_bytes(1000);
  limits.set_max_header_bytes(2000);
  limits.set_max_body_bytes_in_flight(3000);
  limits.set_max_requests_in_flight(4);
  limits.set_max_connections(5);
  limits.mutable_header_timeout()->set_seconds(6);
  limits.mutable_idle_timeout()->set_seconds(7);
  limits.mutable_write_timeout()->set_seconds(11);
  auto& stream = *config.mutable_stream();
  stream.mutable_max_duration()->set_seconds(8);
  stream.mutable_heartbeat_interval()->set_seconds(9);
  stream.mutable_idle_timeout()->set_seconds(10);
  auto& key = *config.add_keys();
  key = Key("k1");
  key.add_models("m");
  key.set_max_concurrency(3);
  const auto options = ReadOptions(config);
  ASSERT_TRUE(options.ok()) << options.status();
  EXPECT_FALSE(options->exchange.streaming);
  EXPECT_TRUE(options->exchange.covert);
  EXPECT_EQ(options->exchange.contents, Contents::kAll);
  EXPECT_EQ(options->telemetry_queue_size, 7u);
  EXPECT_EQ(options->service.max_body_bytes, 1000);
  EXPECT_EQ(options->http.max_header_bytes, 2000u);
  EXPECT_EQ(options->service.max_body_bytes_in_flight, 3000);
  EXPECT_EQ(options->admission.max_requests_in_flight, 4);
  EXPECT_EQ(options->http.max_connections, 5);
  EXPECT_EQ(options->http.header_timeout, absl::Seconds(6));
  EXPECT_EQ(options->http.idle_timeout, absl::Seconds(7));
  EXPECT_EQ(options->service.write_timeout, absl::Seconds(11));
  EXPECT_EQ(options->deadline.max_stream, absl::Seconds(8));
  EXPECT_EQ(options->heartbeat_interval, absl::Seconds(9));
  EXPECT_EQ(options->idle_timeout, absl::Seconds(10));
  ASSERT_EQ(options->keys.size(), 1u);
  EXPECT_EQ(options->keys[0].id, "k1");
  EXPECT_EQ(options->keys[0].sha256, Sha256("abc"));
  EXPECT_EQ(options->keys[0].tenant, "acme");
  EXPECT_EQ(options->keys[0].models, std::vector<std::string>{"m"});
  EXPECT_EQ(options->keys[0].max_concurrency, 3);
}

TEST(IngressConfigTest, ListsEveryFaultWithItsKey) {
  config::v1::Config config;
  config.mutable_limits()->set_max_header_bytes(0);
  config.mutable_stream()->mutable_heartbeat_interval();
  config.mutable_monitoring()->set_queue_size(-1);
  auto& key = *config.add_keys();
  key.set_id("-");
  key.set_sha256("secret");
  key.set_max_concurrency(-1);
  *config.add_keys() = Key("twice");
  *config.add_keys() = Key("twice");
  const std::string faults = FaultsOf(config);
  for (const char* fault :
       {"limits.maxHeaderBytes:", "stream.heartbeatInterval:",
        "monitoring.queueSize:", "keys[0].id:", "keys[0].sha256:",
        "keys[0].tenant:", "keys[0].maxConcurrency:", "keys[2].id:",
        "keys[2].sha256:"}) {
    EXPECT_THAT(faults, HasSubstr(fault));
  }
  // A key that was pasted in place of its hash is not repeated.
  EXPECT_THAT(faults, ::testing::Not(HasSubstr("secret")));
}

class OpenModeTest : public ::testing::Test {
 protected:
  OpenModeTest() {
    (*config_.mutable_providers())["openai"].set_base_url(
        "https://api.openai.com/v1");
  }
  config::v1::Config config_;
};

TEST_F(OpenModeTest, IsRefusedOnAPublicListenerWithARealProvider) {
  const std::string fault = FaultsOf(config_);
  // Both ways out.
  EXPECT_THAT(fault, HasSubstr("add keys"));
  EXPECT_THAT(fault, HasSubstr("127.0.0.1"));
}

TEST_F(OpenModeTest, OneOpenListenerIsEnoughToBeRefused) {
  config_.mutable_ingress()->mutable_listen()->set_http("127.0.0.1:8080");
  EXPECT_THAT(FaultsOf(config_), HasSubstr("add keys"));
}

TEST_F(OpenModeTest, IsAllowedOnLoopback) {
  config_.mutable_ingress()->mutable_listen()->set_http("127.0.0.1:8080");
  config_.mutable_ingress()->mutable_listen()->set_grpc("[::1]:50051");
  EXPECT_EQ(FaultsOf(config_), "");
}

TEST_F(OpenModeTest, IsAllowedIfEveryProviderIsMock) {
  config_.mutable_providers()->clear();
  (*config_.mutable_providers())["a"].set_dialect(config::v1::DIALECT_MOCK);
  EXPECT_EQ(FaultsOf(config_), "");
}

TEST_F(OpenModeTest, IsOverWithAKey) {
  *config_.add_keys() = Key("k1");
  EXPECT_EQ(FaultsOf(config_), "");
}

TEST_F(OpenModeTest, GoesByTheListenersOfTheSection) {
  config_.mutable_agent_gateway()->mutable_listen()->set_http("127.0.0.1:0");
  config_.mutable_agent_gateway()->mutable_listen()->set_grpc("127.0.0.1:0");
  EXPECT_TRUE(ReadOptions(config_, "agent-gateway").ok());
  EXPECT_FALSE(ReadOptions(config_, "ingress").ok());
}

}  // namespace
}  // namespace gateway::ingress
