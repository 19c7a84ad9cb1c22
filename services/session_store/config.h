#ifndef GATEWAY_SERVICES_SESSION_STORE_CONFIG_H_
#define GATEWAY_SERVICES_SESSION_STORE_CONFIG_H_

#include <absl/status/statusor.h>

#include "common/process/service_options.h"
#include "gateway/config/v1/config.pb.h"
#include "services/session_store/session_cleaner.h"
#include "services/session_store/session_tree.h"

namespace gateway::session_store {

struct Options {
  process::ServiceOptions service;
  SessionTreeOptions tree;
  SessionCleanerOptions cleaner;
};

// INVALID_ARGUMENT with a line for each fault, each naming its key.
absl::StatusOr<Options> ReadOptions(const config::v1::Config& config);

}  // namespace gateway::session_store

#endif  // GATEWAY_SERVICES_SESSION_STORE_CONFIG_H_
