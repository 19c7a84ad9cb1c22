#include "common/process/main.h"

#include "services/model_router/config.h"
#include "services/model_router/server.h"

int main(int argc, char** argv) {
  namespace router = gateway::model_router;
  gateway::process::Program program;
  program.name = "model-router";
  program.check = [](const gateway::config::v1::Config& config) {
    return router::ReadOptions(config).status();
  };
  program.create = [](const gateway::config::v1::Config& config,
                      gateway::IoPool* io)
      -> absl::StatusOr<std::unique_ptr<gateway::process::Service>> {
    absl::StatusOr<router::Options> options = router::ReadOptions(config);
    if (!options.ok()) return options.status();
    return router::Server::Create(*std::move(options), {.io = io});
  };
  return gateway::process::Main(argc, argv, program);
}
