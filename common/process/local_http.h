#ifndef GATEWAY_COMMON_PROCESS_LOCAL_HTTP_H_
#define GATEWAY_COMMON_PROCESS_LOCAL_HTTP_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include <string>

#include "common/process/address.h"

namespace gateway::process {

struct LocalReply {
  int status = 0;
  std::string body;
};

// Asks a process on this machine, for at most 3 s. A wildcard address is asked
// on loopback. UNAVAILABLE if nothing listens there or no answer comes.
absl::StatusOr<LocalReply> AskLocal(const Address& address,
                                    const std::string& method,
                                    const std::string& path);

// Asks /readyz of the ops port. UNAVAILABLE if the process is not ready or does
// not answer.
absl::Status AskReadiness(const Address& ops);

// Asks the admin port for a drain and waits for the end of the process.
// UNAVAILABLE if nobody listens there or it refuses; DEADLINE_EXCEEDED if it is
// still there after `timeout`.
absl::Status AskDrain(const Address& admin, absl::Duration timeout);

}  // namespace gateway::process

#endif  // GATEWAY_COMMON_PROCESS_LOCAL_HTTP_H_
