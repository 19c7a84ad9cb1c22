#ifndef GATEWAY_COMMON_STATUS_GRPC_STATUS_H_
#define GATEWAY_COMMON_STATUS_GRPC_STATUS_H_

#include <grpcpp/support/status.h>

#include <optional>
#include <string>

#include "absl/status/status.h"

namespace gateway {

// The trailer a server sets beside a failed status, see RetryPushbackMs.
inline constexpr char kRetryPushbackTrailer[] = "grpc-retry-pushback-ms";

// Code, message and details, bounded so that the trailers stay below the size
// at which gRPC replaces an error by its own: details of at most 4 KiB, long
// texts cut.
grpc::Status ToGrpcStatus(const absl::Status& status);

// The inverse. A status without readable details keeps its code and text and
// has no ErrorDetail.
absl::Status FromGrpcStatus(const grpc::Status& status);

// The value of kRetryPushbackTrailer: milliseconds to wait, or "-1" for an
// error that a retry cannot mend. nullopt: no advice, set no trailer.
std::optional<std::string> RetryPushbackMs(const absl::Status& status);

}  // namespace gateway

#endif  // GATEWAY_COMMON_STATUS_GRPC_STATUS_H_
