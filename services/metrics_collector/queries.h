#ifndef GATEWAY_SERVICES_METRICS_COLLECTOR_QUERIES_H_
#define GATEWAY_SERVICES_METRICS_COLLECTOR_QUERIES_H_

#include <absl/status/statusor.h>

#include "gateway/metrics_collector/v1/metrics_collector.pb.h"
#include "services/metrics_collector/request_log.h"
#include "services/metrics_collector/usage_ledger.h"

// What operators ask of the log and the ledger. Both block on the disk and
// read as much as the time range holds. INVALID_ARGUMENT for a bad page size,
// page token, group or time range.
namespace gateway::metrics_collector {

absl::StatusOr<v1::QueryRequestsResponse> FindRequests(
    const RequestLog& log, const v1::QueryRequestsRequest& request);

absl::StatusOr<v1::QueryUsageResponse> SumUsage(
    const UsageLedger& ledger, const v1::QueryUsageRequest& request);

}  // namespace gateway::metrics_collector

#endif  // GATEWAY_SERVICES_METRICS_COLLECTOR_QUERIES_H_
