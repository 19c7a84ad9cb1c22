#include "common/process/main.h"

#include "services/ingress/config.h"
#include "services/ingress/server.h"
#include "services/ingress/smoke.h"

int main(int argc, char** argv) {
  namespace ingress = gateway::ingress;
  gateway::process::Program program;
  program.name = "ingress";
  program.check = [](const gateway::config::v1::Config& config) {
    return ingress::ReadOptions(config).status();
  };
  program.create = [](const gateway::config::v1::Config& config,
                      gateway::IoPool* io)
      -> absl::StatusOr<std::unique_ptr<gateway::process::Service>> {
    absl::StatusOr<ingress::Options> options = ingress::ReadOptions(config);
    if (!options.ok()) return options.status();
    return ingress::Server::Create(*std::move(options), {.io = io});
  };
  program.smoke = ingress::Smoke;
  return gateway::process::Main(argc, argv, program);
}
