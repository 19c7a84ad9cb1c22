#ifndef GATEWAY_SERVICES_METRICS_COLLECTOR_MAINTENANCE_H_
#define GATEWAY_SERVICES_METRICS_COLLECTOR_MAINTENANCE_H_

#include <absl/status/status.h>
#include <absl/time/time.h>

#include "services/metrics_collector/metrics.h"
#include "services/metrics_collector/open_requests.h"
#include "services/metrics_collector/request_log.h"
#include "services/metrics_collector/usage_ledger.h"

namespace gateway::metrics_collector {

// How long things are kept.
struct Retention {
  absl::Duration contents;
  absl::Duration requests;
  absl::Duration usage;
  int64_t request_log_bytes;
  int64_t usage_bytes;
};

// What has to be done from time to time. Both block on the disk. The parts
// outlive it. Thread-compatible.
class Maintenance {
 public:
  Maintenance(UsageLedger* ledger, RequestLog* log, OpenRequests* open,
              Metrics* metrics, Retention retention);

  // After a start: takes up the senders that were known before.
  absl::Status Resume(absl::Time now);

  // Closes the requests of silent senders. Every few seconds.
  absl::Status CloseLost(absl::Time now);

  // Deletes what is past its time or over its size. Every minute or so.
  absl::Status Sweep(absl::Time now);

 private:
  UsageLedger* const ledger_;
  RequestLog* const log_;
  OpenRequests* const open_;
  Metrics* const metrics_;
  const Retention retention_;
};

}  // namespace gateway::metrics_collector

#endif  // GATEWAY_SERVICES_METRICS_COLLECTOR_MAINTENANCE_H_
