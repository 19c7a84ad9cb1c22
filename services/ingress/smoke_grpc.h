#ifndef GATEWAY_SERVICES_INGRESS_SMOKE_GRPC_H_
#define GATEWAY_SERVICES_INGRESS_SMOKE_GRPC_H_

#include <absl/status/status.h>
#include <absl/time/time.h>

#include <string>

namespace gateway::ingress {

// How a mesh is tried over gRPC.
struct GrpcSmoke {
  std::string target;
  std::string key;  // empty: none
  absl::Duration timeout;
};

// Both block. A stream that is complete, or what was wrong with it.
absl::Status TryGrpcStream(const GrpcSmoke& mesh, const std::string& model);

absl::Status DeleteSession(const GrpcSmoke& mesh,
                           const std::string& session_id);

}  // namespace gateway::ingress

#endif  // GATEWAY_SERVICES_INGRESS_SMOKE_GRPC_H_
