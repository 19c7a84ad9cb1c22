#ifndef GATEWAY_COMMON_PROCESS_HEALTHCHECK_H_
#define GATEWAY_COMMON_PROCESS_HEALTHCHECK_H_

#include <absl/status/status.h>

#include "common/process/address.h"

namespace gateway::process {

// Asks /readyz of a process on this machine, for at most 3 s. UNAVAILABLE if it
// is not ready or does not answer. A wildcard address is asked on loopback.
absl::Status AskReadiness(const Address& ops);

}  // namespace gateway::process

#endif  // GATEWAY_COMMON_PROCESS_HEALTHCHECK_H_
