#include "services/agent_gateway/compose_config.h"

#include <absl/strings/str_cat.h>

#include "common/process/service_options.h"

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

std::vector<config::RefusedKey> RefusedKeys() {
  std::vector<config::RefusedKey> refused;
  for (const std::string& service : process::ServiceNames()) {
    const std::string section = process::SectionKey(service);
    for (const char* key : {"listen", "shutdown"}) {
      refused.push_back(
          {absl::StrCat(section, ".", key),
           absl::StrCat("not read by agent-gateway, which runs ", service,
                        " in its own process: set agentGateway.", key)});
    }
    if (service == "ingress") continue;
    refused.push_back(
        {absl::StrCat(section, ".target"),
         absl::StrCat("not read by agent-gateway, which runs ", service,
                      " in its own process: leave it out")});
  }
  return refused;
}

}  // namespace gateway::agent_gateway
