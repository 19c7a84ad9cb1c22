#ifndef GATEWAY_SERVICES_METRICS_COLLECTOR_QUERIES_H_
#define GATEWAY_SERVICES_METRICS_COLLECTOR_QUERIES_H_

#include <absl/status/statusor.h>

#include "gateway/metrics_collector/v1/metrics_collector.pb.h"
#include "services/metrics_collector/query_budget.h"
#include "services/metrics_collector/request_log.h"
#include "services/metrics_collector/usage_ledger.h"

// What operators ask of the log and the ledger. Both block on the disk, within
// the budget: a page of records or rows that it ends is shorter and names the
// next one. What is damaged is left out, and the answer says how much that was.
// INVALID_ARGUMENT for a bad page size, page token, group or time range, and
// for sums over more rows than the budget has; DEADLINE_EXCEEDED, CANCELLED.
namespace gateway::metrics_collector {

absl::StatusOr<v1::QueryRequestsResponse> FindRequests(
    const RequestLog& log, const v1::QueryRequestsRequest& request,
    QueryBudget& budget);

absl::StatusOr<v1::QueryUsageResponse> SumUsage(
    const UsageLedger& ledger, const v1::QueryUsageRequest& request,
    QueryBudget& budget);

}  // namespace gateway::metrics_collector

#endif  // GATEWAY_SERVICES_METRICS_COLLECTOR_QUERIES_H_
