#include "common/process/main.h"

#include "services/agent_gateway/compose_config.h"
#include "services/agent_gateway/server.h"

int main(int argc, char** argv) {
  namespace agent_gateway = gateway::agent_gateway;
  return gateway::process::Main(argc, argv,
                                {.name = "agent-gateway",
                                 .refused = agent_gateway::RefusedKeys(),
                                 .check = agent_gateway::Check,
                                 .create = agent_gateway::Server::Create});
}
