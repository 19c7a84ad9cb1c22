#include "common/process/main.h"

#include "services/batch_aggregator/config.h"
#include "services/batch_aggregator/server.h"

int main(int argc, char** argv) {
  namespace batches = gateway::batch_aggregator;
  gateway::process::Program program;
  program.name = "batch-aggregator";
  program.check = [](const gateway::config::v1::Config& config) {
    return batches::ReadOptions(config).status();
  };
  program.create = [](const gateway::config::v1::Config& config,
                      gateway::IoPool* io)
      -> absl::StatusOr<std::unique_ptr<gateway::process::Service>> {
    absl::StatusOr<batches::Options> options = batches::ReadOptions(config);
    if (!options.ok()) return options.status();
    return batches::Server::Create(*std::move(options), {.io = io});
  };
  return gateway::process::Main(argc, argv, program);
}
