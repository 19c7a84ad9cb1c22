#ifndef GATEWAY_SERVICES_BATCH_AGGREGATOR_CONFIG_H_
#define GATEWAY_SERVICES_BATCH_AGGREGATOR_CONFIG_H_

#include <absl/status/statusor.h>

#include <string>

#include "common/process/service_options.h"
#include "gateway/config/v1/config.pb.h"
#include "services/batch_aggregator/batch_aggregator_service.h"
#include "services/batch_aggregator/dispatcher.h"

namespace gateway::batch_aggregator {

struct Options {
  process::ServiceOptions service;
  ServiceOptions batches;
  DispatcherOptions dispatcher;
  // How long an ended batch and its results are kept.
  absl::Duration retention = absl::Hours(7 * 24);
  // Where the peers are, unless they are in the same process.
  std::string model_router_target;
  std::string session_store_target;
};

// INVALID_ARGUMENT with a line for each fault, each naming its key.
absl::StatusOr<Options> ReadOptions(const config::v1::Config& config);

}  // namespace gateway::batch_aggregator

#endif  // GATEWAY_SERVICES_BATCH_AGGREGATOR_CONFIG_H_
