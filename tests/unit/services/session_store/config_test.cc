#include "services/session_store/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gateway::session_store {
namespace {

using ::testing::HasSubstr;

TEST(SessionStoreConfigTest, AnEmptyConfigMeansTheDefaults) {
  const absl::StatusOr<Options> options = ReadOptions(config::v1::Config());
  ASSERT_TRUE(options.ok()) << options.status();
  EXPECT_EQ(options->tree.ttl, absl::Hours(24));
  EXPECT_EQ(options->tree.max_turns, 1000);
  EXPECT_EQ(options->tree.max_bytes, 16 << 20);
  EXPECT_EQ(options->tree.max_context_bytes, 4 << 20);
  EXPECT_EQ(options->tree.max_sessions, 100000);
  EXPECT_EQ(options->tree.lease_timeout, absl::Seconds(30));
  EXPECT_EQ(options->cleaner.interval, absl::Seconds(60));
  EXPECT_EQ(options->service.data_dir, "/var/lib/agent-gateway/session-store");
  EXPECT_EQ(options->service.shutdown.pre_drain_delay, absl::Seconds(5));
  EXPECT_EQ(options->service.shutdown.drain_timeout, absl::Seconds(30));
}

TEST(SessionStoreConfigTest, EveryKeyIsRead) {
  config::v1::Config config;
  config::v1::Session& session = *config.mutable_session();
  session.mutable_ttl()->set_seconds(1);
  session.set_max_turns(2);
  session.set_max_bytes(3);
  session.set_max_context_bytes(4);
  session.set_max_sessions(5);
  session.mutable_lease_timeout()->set_seconds(6);
  session.mutable_clean_interval()->set_seconds(7);
  const absl::StatusOr<Options> options = ReadOptions(config);
  ASSERT_TRUE(options.ok()) << options.status();
  EXPECT_EQ(options->tree.ttl, absl::Seconds(1));
  EXPECT_EQ(options->tree.max_turns, 2);
  EXPECT_EQ(options->tree.max_bytes, 3);
  EXPECT_EQ(options->tree.max_context_bytes, 4);
  EXPECT_EQ(options->tree.max_sessions, 5);
  EXPECT_EQ(options->tree.lease_timeout, absl::Seconds(6));
  EXPECT_EQ(options->cleaner.interval, absl::Seconds(7));
}

TEST(SessionStoreConfigTest, AllFaultsAreToldAtOnceWithTheirKeys) {
  config::v1::Config config;
  config.mutable_session_store()->mutable_listen()->set_grpc("nowhere");
  config::v1::Session& session = *config.mutable_session();
  session.mutable_ttl()->set_seconds(0);
  session.set_max_turns(0);
  session.set_max_bytes(0);
  session.set_max_context_bytes(1 << 30);
  session.set_max_sessions(-1);
  session.mutable_lease_timeout()->set_nanos(1);
  session.mutable_clean_interval()->set_seconds(-1);
  const absl::Status faults = ReadOptions(config).status();
  EXPECT_TRUE(absl::IsInvalidArgument(faults));
  for (const char* key :
       {"sessionStore.listen.grpc: ", "session.ttl: 1s or more",
        "session.maxTurns: 1 or more", "session.maxBytes: 1 or more",
        "session.maxContextBytes: at most limits.maxBodyBytes",
        "session.maxSessions: 1 or more", "session.leaseTimeout: 1s or more",
        "session.cleanInterval: 1s or more"}) {
    EXPECT_THAT(std::string(faults.message()), HasSubstr(key));
  }
}

}  // namespace
}  // namespace gateway::session_store
