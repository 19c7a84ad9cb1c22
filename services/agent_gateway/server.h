#ifndef GATEWAY_SERVICES_AGENT_GATEWAY_SERVER_H_
#define GATEWAY_SERVICES_AGENT_GATEWAY_SERVER_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <memory>

#include "common/concurrency/io_pool.h"
#include "common/process/service.h"
#include "gateway/config/v1/config.pb.h"

namespace gateway::agent_gateway {

// All five services in one process, joined by direct clients: one gRPC, one
// HTTP and one ops port.
class Server : public process::Service {
 public:
  // INVALID_ARGUMENT with a line for each fault of any of the five. `io`
  // outlives the server.
  static absl::StatusOr<std::unique_ptr<Server>> Create(
      const config::v1::Config& config, IoPool* io);

  // The listeners' ports; 0 before Start.
  virtual int http_port() const = 0;
  virtual int grpc_port() const = 0;
};

// Whether a server could be made of it: every fault of every service.
absl::Status Check(const config::v1::Config& config);

}  // namespace gateway::agent_gateway

#endif  // GATEWAY_SERVICES_AGENT_GATEWAY_SERVER_H_
