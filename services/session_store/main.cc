#include "common/process/main.h"

#include "services/session_store/config.h"
#include "services/session_store/server.h"

int main(int argc, char** argv) {
  namespace store = gateway::session_store;
  gateway::process::Program program;
  program.name = "session-store";
  program.check = [](const gateway::config::v1::Config& config) {
    return store::ReadOptions(config).status();
  };
  program.create = [](const gateway::config::v1::Config& config,
                      gateway::IoPool* io)
      -> absl::StatusOr<std::unique_ptr<gateway::process::Service>> {
    absl::StatusOr<store::Options> options = store::ReadOptions(config);
    if (!options.ok()) return options.status();
    return store::Server::Create(*std::move(options), {.io = io});
  };
  return gateway::process::Main(argc, argv, program);
}
