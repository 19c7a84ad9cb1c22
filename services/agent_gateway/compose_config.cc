#include "services/agent_gateway/compose_config.h"

#include <absl/strings/str_cat.h>

namespace gateway::agent_gateway {

config::v1::Config ComposeConfig(const config::v1::Config& config) {
  config::v1::Config composed = config;
  const std::string& given = config.agent_gateway().data_dir();
  const std::string root = given.empty() ? "/var/lib/agent-gateway" : given;
  const auto place = [&](config::v1::Service* part, const char* name) {
    if (part->data_dir().empty()) {
      part->set_data_dir(absl::StrCat(root, "/", name));
    }
  };
  place(composed.mutable_model_router(), "model-router");
  place(composed.mutable_batch_aggregator(), "batch-aggregator");
  place(composed.mutable_session_store(), "session-store");
  place(composed.mutable_metrics_collector(), "metrics-collector");
  return composed;
}

}  // namespace gateway::agent_gateway
