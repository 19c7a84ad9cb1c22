#ifndef GATEWAY_SERVICES_AGENT_GATEWAY_SERVER_H_
#define GATEWAY_SERVICES_AGENT_GATEWAY_SERVER_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <memory>

#include "common/concurrency/io_pool.h"
#include "common/process/service.h"
#include "gateway/config/v1/config.pb.h"

namespace gateway::agent_gateway {

// INVALID_ARGUMENT with the faults of all five services.
absl::Status Check(const config::v1::Config& config);

// The five services in this process, joined by direct clients. `io` outlives
// it.
absl::StatusOr<std::unique_ptr<process::Service>> Create(
    const config::v1::Config& config, IoPool* io);

}  // namespace gateway::agent_gateway

#endif  // GATEWAY_SERVICES_AGENT_GATEWAY_SERVER_H_
