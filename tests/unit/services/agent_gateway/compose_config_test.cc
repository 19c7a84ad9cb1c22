#include "services/agent_gateway/compose_config.h"

#include <gtest/gtest.h>

namespace gateway::agent_gateway {
namespace {

TEST(ComposeConfigTest, EachServiceHasAFolderOfItsOwn) {
  config::v1::Config config;
  config.mutable_agent_gateway()->set_data_dir("/data");
  const config::v1::Config composed = ComposeConfig(config);
  EXPECT_EQ(composed.model_router().data_dir(), "/data/model-router");
  EXPECT_EQ(composed.batch_aggregator().data_dir(), "/data/batch-aggregator");
  EXPECT_EQ(composed.session_store().data_dir(), "/data/session-store");
  EXPECT_EQ(composed.metrics_collector().data_dir(), "/data/metrics-collector");
}

TEST(ComposeConfigTest, AFolderThatIsNamedStays) {
  config::v1::Config config;
  config.mutable_session_store()->set_data_dir("/elsewhere");
  const config::v1::Config composed = ComposeConfig(config);
  EXPECT_EQ(composed.session_store().data_dir(), "/elsewhere");
  EXPECT_EQ(composed.model_router().data_dir(),
            "/var/lib/agent-gateway/model-router");
}

}  // namespace
}  // namespace gateway::agent_gateway
