#ifndef GATEWAY_SERVICES_METRICS_COLLECTOR_CONFIG_H_
#define GATEWAY_SERVICES_METRICS_COLLECTOR_CONFIG_H_

#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include "common/process/service_options.h"
#include "gateway/config/v1/config.pb.h"

namespace gateway::metrics_collector {

struct Options {
  process::ServiceOptions service;
  // No users, sessions, key ids or contents are kept.
  bool covert = false;
  config::v1::Contents contents = config::v1::CONTENTS_OFF;
  absl::Duration contents_retention = absl::Hours(7 * 24);
  absl::Duration request_retention = absl::Hours(7 * 24);
  absl::Duration usage_retention = absl::Hours(400 * 24);
  int64_t request_log_bytes = int64_t{4} << 30;
  int64_t usage_bytes = int64_t{8} << 30;
};

// INVALID_ARGUMENT with a line for each fault, each naming its key.
absl::StatusOr<Options> ReadOptions(const config::v1::Config& config);

}  // namespace gateway::metrics_collector

#endif  // GATEWAY_SERVICES_METRICS_COLLECTOR_CONFIG_H_
