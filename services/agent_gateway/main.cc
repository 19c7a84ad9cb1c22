#include "common/process/main.h"

#include "services/agent_gateway/server.h"

int main(int argc, char** argv) {
  return gateway::process::Main(argc, argv,
                                {.name = "agent-gateway",
                                 .check = gateway::agent_gateway::Check,
                                 .create = gateway::agent_gateway::Create});
}
