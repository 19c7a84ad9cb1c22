#ifndef GATEWAY_COMMON_CONFIG_SECRET_H_
#define GATEWAY_COMMON_CONFIG_SECRET_H_

#include <absl/status/statusor.h>

#include <string>

#include "gateway/config/v1/config.pb.h"

namespace gateway::config {

// Reads a secret from where its reference points; one trailing newline is
// dropped. INVALID_ARGUMENT without a source, NOT_FOUND if the file cannot be
// read or the variable is not set, FAILED_PRECONDITION if it is empty or holds
// control characters. Messages name the place, never the value.
absl::StatusOr<std::string> ReadSecret(const v1::Secret& reference);

}  // namespace gateway::config

#endif  // GATEWAY_COMMON_CONFIG_SECRET_H_
