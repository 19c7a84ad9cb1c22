#ifndef GATEWAY_SERVICES_INGRESS_SMOKE_H_
#define GATEWAY_SERVICES_INGRESS_SMOKE_H_

#include <absl/status/status.h>

#include "common/process/command_line.h"
#include "common/process/service_options.h"

namespace gateway::ingress {

// Tries a mesh that runs, as its clients would: a whole answer and a stream
// over HTTP, a stream over gRPC, and a session of two turns, which it deletes.
// Prints a line for each step. INVALID_ARGUMENT for a target or a key that
// cannot be read; else the first step that failed, and why. `service` says
// where to look for what the options leave open.
absl::Status Smoke(const process::ServiceOptions& service,
                   const process::SmokeOptions& options);

}  // namespace gateway::ingress

#endif  // GATEWAY_SERVICES_INGRESS_SMOKE_H_
