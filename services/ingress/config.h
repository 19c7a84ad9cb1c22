#ifndef GATEWAY_SERVICES_INGRESS_CONFIG_H_
#define GATEWAY_SERVICES_INGRESS_CONFIG_H_

#include <absl/status/statusor.h>
#include <absl/strings/string_view.h>
#include <absl/time/time.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "common/process/service_options.h"
#include "gateway/config/v1/config.pb.h"
#include "services/ingress/admission.h"
#include "services/ingress/api_keys.h"
#include "services/ingress/deadline.h"
#include "services/ingress/exchange.h"

namespace gateway::ingress {

struct HttpLimits {
  size_t max_header_bytes = 64 << 10;
  int64_t max_connections = 16384;
  absl::Duration header_timeout = absl::Seconds(10);
  absl::Duration idle_timeout = absl::Seconds(75);
};

// Where the peers are, for those that are not in this process.
struct PeerTargets {
  std::string model_router;
  std::string session_store;
  std::string batch_aggregator;
  std::string metrics_collector;
};

struct Options {
  // The service whose listeners are meant.
  std::string section = "ingress";
  process::ServiceOptions service;
  PeerTargets peers;
  std::vector<ApiKeyOptions> keys;
  AdmissionOptions admission;
  HttpLimits http;
  DeadlineOptions deadline;
  absl::Duration heartbeat_interval = absl::Seconds(15);
  // Of Converse and SubmitBatch.
  absl::Duration idle_timeout = absl::Seconds(300);
  ExchangeOptions exchange;
  // Records waiting for metrics-collector.
  size_t telemetry_queue_size = 10000;
};

// `section` is the service whose listeners are meant: `ingress`, or
// `agent-gateway`. INVALID_ARGUMENT with a line for each fault, each naming its
// key; among them open mode where it is not allowed.
absl::StatusOr<Options> ReadOptions(const config::v1::Config& config,
                                    absl::string_view section = "ingress");

}  // namespace gateway::ingress

#endif  // GATEWAY_SERVICES_INGRESS_CONFIG_H_
