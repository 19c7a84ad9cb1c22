#ifndef GATEWAY_SERVICES_MODEL_ROUTER_CONFIG_H_
#define GATEWAY_SERVICES_MODEL_ROUTER_CONFIG_H_

#include <absl/status/statusor.h>

#include <memory>
#include <string>
#include <vector>

#include "common/process/service_options.h"
#include "gateway/config/v1/config.pb.h"
#include "services/model_router/catalogue.h"
#include "services/model_router/usage_delivery.h"
#include "services/model_router/usage_spool.h"

namespace gateway::model_router {

struct Options {
  process::ServiceOptions service;
  std::shared_ptr<const Catalogue> catalogue;
  // By Provider::index; empty: the provider gets none.
  std::vector<std::string> keys;
  // How long a run of a stream may grow before it is read. 0 to 1 s.
  absl::Duration coalesce;
  UsageSpool::Options spool;
  UsageDelivery::Options delivery;
  // Where the ledger is, if no recorder is given to the server.
  std::string collector_target;
};

// INVALID_ARGUMENT with a line for each fault, each naming its key. Reads the
// providers' keys.
absl::StatusOr<Options> ReadOptions(const config::v1::Config& config);

}  // namespace gateway::model_router

#endif  // GATEWAY_SERVICES_MODEL_ROUTER_CONFIG_H_
