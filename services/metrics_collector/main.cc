#include "common/process/main.h"

#include "services/metrics_collector/server.h"

namespace gateway::metrics_collector {
namespace {

absl::Status Check(const config::v1::Config& config) {
  return ReadOptions(config).status();
}

absl::StatusOr<std::unique_ptr<process::Service>> Create(
    const config::v1::Config& config, IoPool* io) {
  absl::StatusOr<Options> options = ReadOptions(config);
  if (!options.ok()) return options.status();
  return Server::Create(*std::move(options), {.io = io});
}

}  // namespace
}  // namespace gateway::metrics_collector

int main(int argc, char** argv) {
  return gateway::process::Main(argc, argv,
                                {.name = "metrics-collector",
                                 .check = gateway::metrics_collector::Check,
                                 .create = gateway::metrics_collector::Create});
}
