#include "common/process/service_options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gateway::process {
namespace {

TEST(ServiceOptionsTest, DefaultsNeedNoConfig) {
  auto options = ReadServiceOptions({}, "session-store");
  ASSERT_TRUE(options.ok());
  EXPECT_EQ(options->grpc.ToString(), "0.0.0.0:50051");
  EXPECT_EQ(options->ops.ToString(), "0.0.0.0:8081");
  EXPECT_EQ(options->data_dir, "/var/lib/agent-gateway/session-store");
  EXPECT_EQ(options->shutdown.pre_drain_delay, absl::Seconds(5));
  EXPECT_EQ(options->shutdown.drain_timeout, absl::Seconds(30));
  // A body of 32 MiB, a context of 4 and 1 around them.
  EXPECT_EQ(options->max_message_bytes, 37 << 20);
  EXPECT_EQ(options->write_timeout, absl::Seconds(120));
}

TEST(ServiceOptionsTest, ShutdownTimesOfEachService) {
  const auto times = [](const char* service) {
    const ShutdownOptions shutdown = ReadServiceOptions({}, service)->shutdown;
    return std::pair(absl::ToInt64Seconds(shutdown.pre_drain_delay),
                     absl::ToInt64Seconds(shutdown.drain_timeout));
  };
  EXPECT_EQ(times("ingress"), std::pair(10L, 300L));
  EXPECT_EQ(times("model-router"), std::pair(10L, 300L));
  EXPECT_EQ(times("batch-aggregator"), std::pair(10L, 60L));
  EXPECT_EQ(times("metrics-collector"), std::pair(0L, 15L));
}

TEST(ServiceOptionsTest, AServiceOverridesTheShutdownOfAll) {
  config::v1::Config config;
  config.mutable_shutdown()->mutable_pre_drain_delay()->set_seconds(1);
  config.mutable_shutdown()->mutable_drain_timeout()->set_seconds(2);
  config.mutable_ingress()
      ->mutable_shutdown()
      ->mutable_drain_timeout()
      ->set_seconds(3);
  auto options = ReadServiceOptions(config, "ingress");
  EXPECT_EQ(options->shutdown.pre_drain_delay, absl::Seconds(1));
  EXPECT_EQ(options->shutdown.drain_timeout, absl::Seconds(3));
}

TEST(ServiceOptionsTest, TellsAllFaultsWithTheirKeys) {
  config::v1::Config config;
  config.mutable_session_store()->mutable_listen()->set_grpc("nowhere");
  config.mutable_session_store()->mutable_listen()->set_ops("1:2:3");
  config.mutable_limits()->set_max_body_bytes(0);
  config.set_threads(-1);
  EXPECT_EQ(ReadServiceOptions(config, "session-store").status().message(),
            "sessionStore.listen.grpc: \"nowhere\" is not an address: write "
            "host:port\n"
            "sessionStore.listen.ops: \"1:2:3\" is not an address: write "
            "host:port\n"
            "limits.maxBodyBytes: 1 to 1GiB\n"
            "threads: 0 to 256");
}

TEST(ServiceOptionsTest, KnowsWhereOthersAre) {
  config::v1::Config config;
  config.mutable_model_router()->set_target("127.0.0.1:9");
  EXPECT_EQ(TargetOf(config, "model-router"), "127.0.0.1:9");
  EXPECT_EQ(TargetOf(config, "session-store"), "dns:///session-store:50051");
}

TEST(ServiceOptionsTest, EverySectionIsFoundByItsName) {
  EXPECT_EQ(SectionKey("batch-aggregator"), "batchAggregator");
  config::v1::Config config;
  config.mutable_batch_aggregator()->set_data_dir("b");
  config.mutable_metrics_collector()->set_data_dir("m");
  config.mutable_agent_gateway()->set_data_dir("a");
  EXPECT_EQ(SectionOf(config, "batch-aggregator").data_dir, "b");
  EXPECT_EQ(SectionOf(config, "metrics-collector").data_dir, "m");
  EXPECT_EQ(SectionOf(config, "agent-gateway").data_dir, "a");
}

TEST(ReadTest, TakesWhatIsSetAndWithinItsBounds) {
  Faults faults;
  int count = 7;
  ReadCount(false, 0, "absent", count, faults, 9);
  EXPECT_EQ(count, 7);
  ReadCount(true, 9, "most", count, faults, 9);
  EXPECT_EQ(count, 9);
  ReadCount(true, 10, "over", count, faults, 9);
  ReadCount(true, 0, "under", count, faults);
  EXPECT_EQ(count, 9);
  absl::Duration time = absl::Hours(1);
  google::protobuf::Duration value;
  ReadDuration(false, value, "absent", time, faults);
  EXPECT_EQ(time, absl::Hours(1));
  ReadDuration(true, value, "none", time, faults);
  ReadDuration(true, value, "short", time, faults, absl::Milliseconds(1));
  EXPECT_EQ(time, absl::Hours(1));
  value.set_seconds(1);
  ReadDuration(true, value, "least", time, faults);
  EXPECT_EQ(time, absl::Seconds(1));
  EXPECT_EQ(faults.ToStatus().message(),
            "over: 1 to 9\nunder: 1 or more\nnone: 1s or more\n"
            "short: 1ms or more");
}

}  // namespace
}  // namespace gateway::process
