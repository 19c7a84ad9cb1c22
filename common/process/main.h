#ifndef GATEWAY_COMMON_PROCESS_MAIN_H_
#define GATEWAY_COMMON_PROCESS_MAIN_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/concurrency/io_pool.h"
#include "common/config/loader.h"
#include "common/process/command_line.h"
#include "common/process/service.h"
#include "common/process/service_options.h"
#include "gateway/config/v1/config.pb.h"

namespace gateway::process {

// A binary: what is its own.
struct Program {
  // `session-store`: the binary, the service and the section of the config.
  std::string name;
  // What of the config it does not read, beside the sections of the others.
  std::vector<config::RefusedKey> refused;
  // Checks everything in the config that this binary reads. INVALID_ARGUMENT
  // with a line for each fault. No network, no files but secrets.
  std::function<absl::Status(const config::v1::Config&)> check;
  // Builds the service; it is not started yet. The io threads outlive it.
  std::function<absl::StatusOr<std::unique_ptr<Service>>(
      const config::v1::Config&, IoPool* io)>
      create;
  // The command `smoke`, of ingress alone: tries a mesh that runs. Its status
  // is the exit code: INVALID_ARGUMENT 64, other errors 1.
  std::function<absl::Status(const ServiceOptions&, const SmokeOptions&)> smoke;
};

// The main function of every binary: command line, config, service, ops port,
// signals, drain. Returns the exit code.
int Main(int argc, const char* const* argv, const Program& program);

}  // namespace gateway::process

#endif  // GATEWAY_COMMON_PROCESS_MAIN_H_
