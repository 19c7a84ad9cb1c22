#ifndef GATEWAY_SERVICES_METRICS_COLLECTOR_METRICS_COLLECTOR_SERVICE_H_
#define GATEWAY_SERVICES_METRICS_COLLECTOR_METRICS_COLLECTOR_SERVICE_H_

#include <vector>

#include "common/clients/metrics_collector.h"
#include "common/concurrency/bounded_executor.h"
#include "common/time/clock.h"
#include "services/metrics_collector/metrics.h"
#include "services/metrics_collector/open_requests.h"
#include "services/metrics_collector/privacy.h"
#include "services/metrics_collector/request_log.h"
#include "services/metrics_collector/usage_ledger.h"

namespace gateway::metrics_collector {

// The three interfaces of metrics-collector over its ledger and its log.
// Thread-safe.
class MetricsCollectorService : public UsageRecorder,
                                public TelemetryReceiver,
                                public MetricsQuery {
 public:
  // All outlive the service.
  struct Parts {
    UsageLedger* ledger;
    RequestLog* log;
    OpenRequests* open;
    const Privacy* privacy;
    // For what senders bring.
    BoundedExecutor* disk;
    // For what operators ask: never in the way of the senders.
    BoundedExecutor* queries;
    Clock* clock;
    Metrics* metrics;
  };

  explicit MetricsCollectorService(Parts parts) : parts_(parts) {}

  Awaitable<absl::StatusOr<v1::RecordUsageResponse>> RecordUsage(
      rpc::Call& call, const v1::RecordUsageRequest& request) override;
  Awaitable<absl::StatusOr<v1::ReportResponse>> Report(
      rpc::Call& call, rpc::Source<v1::ReportRequest>& source) override;
  Awaitable<absl::StatusOr<v1::QueryRequestsResponse>> QueryRequests(
      rpc::Call& call, const v1::QueryRequestsRequest& request) override;
  Awaitable<absl::StatusOr<v1::QueryUsageResponse>> QueryUsage(
      rpc::Call& call, const v1::QueryUsageRequest& request) override;

 private:
  Awaitable<void> StoreBeat(v1::Beat beat);
  Awaitable<absl::Status> StoreRecords(const std::string& instance_id,
                                       std::vector<v1::RequestRecord> records);

  const Parts parts_;
};

}  // namespace gateway::metrics_collector

#endif  // GATEWAY_SERVICES_METRICS_COLLECTOR_METRICS_COLLECTOR_SERVICE_H_
