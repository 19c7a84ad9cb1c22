#ifndef GATEWAY_SERVICES_AGENT_GATEWAY_COMPOSE_CONFIG_H_
#define GATEWAY_SERVICES_AGENT_GATEWAY_COMPOSE_CONFIG_H_

#include <vector>

#include "common/config/loader.h"
#include "gateway/config/v1/config.pb.h"

namespace gateway::agent_gateway {

// What the five services read when they run in one process: each keeps its data
// in a folder of its own below `agentGateway.dataDir`, unless its section names
// another.
config::v1::Config ComposeConfig(const config::v1::Config& config);

// What of the sections of the five has no meaning in one process: where they
// listen, how others find them and how they end.
std::vector<config::RefusedKey> RefusedKeys();

}  // namespace gateway::agent_gateway

#endif  // GATEWAY_SERVICES_AGENT_GATEWAY_COMPOSE_CONFIG_H_
