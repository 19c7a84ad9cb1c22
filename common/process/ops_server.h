#ifndef GATEWAY_COMMON_PROCESS_OPS_SERVER_H_
#define GATEWAY_COMMON_PROCESS_OPS_SERVER_H_

#include <absl/status/statusor.h>

#include <cstdint>
#include <memory>
#include <string>

#include "common/process/ops_pages.h"

namespace gateway::process {

// Serves the ops pages over HTTP on a thread of its own, so that a busy service
// never delays a probe.
class OpsServer {
 public:
  // `address` is `host:port`. `pages` outlives the server. INVALID_ARGUMENT or
  // UNAVAILABLE if it cannot listen there.
  static absl::StatusOr<std::unique_ptr<OpsServer>> Start(
      const std::string& address, const OpsPages* pages);
  virtual ~OpsServer() = default;
  virtual uint16_t port() const = 0;
};

}  // namespace gateway::process

#endif  // GATEWAY_COMMON_PROCESS_OPS_SERVER_H_
