#include "services/metrics_collector/config.h"

namespace gateway::metrics_collector {

using process::ReadDuration;

namespace {

void ReadBytes(bool is_set, int64_t value, const char* key, int64_t& bytes,
               process::Faults& faults) {
  if (!is_set) return;
  bytes = value;
  if (bytes < (1 << 20)) faults.Add(key, "1MiB or more");
}

}  // namespace

absl::StatusOr<Options> ReadOptions(const config::v1::Config& config) {
  process::Faults faults;
  Options options;
  auto service = process::ReadServiceOptions(config, "metrics-collector");
  faults.Add(service.status());
  if (service.ok()) options.service = *std::move(service);

  const config::v1::Monitoring& monitoring = config.monitoring();
  options.covert = monitoring.has_enabled() && !monitoring.enabled();
  if (monitoring.contents() != config::v1::CONTENTS_UNSPECIFIED) {
    options.contents = monitoring.contents();
  }
  ReadDuration(monitoring.has_contents_retention(),
               monitoring.contents_retention(), "monitoring.contentsRetention",
               options.contents_retention, faults);
  ReadDuration(monitoring.has_request_retention(),
               monitoring.request_retention(), "monitoring.requestRetention",
               options.request_retention, faults);
  ReadDuration(monitoring.has_usage_retention(), monitoring.usage_retention(),
               "monitoring.usageRetention", options.usage_retention, faults);
  ReadBytes(monitoring.has_request_log_bytes(), monitoring.request_log_bytes(),
            "monitoring.requestLogBytes", options.request_log_bytes, faults);
  ReadBytes(monitoring.has_usage_bytes(), monitoring.usage_bytes(),
            "monitoring.usageBytes", options.usage_bytes, faults);
  absl::Status status = faults.ToStatus();
  if (!status.ok()) return status;
  return options;
}

}  // namespace gateway::metrics_collector
