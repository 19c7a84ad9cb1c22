#include "common/clients/checked_metrics_collector.h"

#include <utility>

namespace gateway {

using metrics_collector::v1::QueryRequestsRequest;
using metrics_collector::v1::QueryRequestsResponse;
using metrics_collector::v1::QueryUsageRequest;
using metrics_collector::v1::QueryUsageResponse;
using metrics_collector::v1::RecordUsageRequest;
using metrics_collector::v1::RecordUsageResponse;
using metrics_collector::v1::ReportRequest;
using metrics_collector::v1::ReportResponse;

Awaitable<absl::StatusOr<RecordUsageResponse>>
CheckedUsageRecorder::RecordUsage(rpc::Call& call,
                                  const RecordUsageRequest& request) {
  absl::Status checked = CheckDeadline(call);
  if (!checked.ok())
    return Refuse<absl::StatusOr<RecordUsageResponse>>(std::move(checked));
  return entry_.Enter(call, inner_->RecordUsage(call, request));
}

Awaitable<absl::StatusOr<ReportResponse>> CheckedTelemetryReceiver::Report(
    rpc::Call& call, rpc::Source<ReportRequest>& source) {
  absl::Status checked = CheckDeadline(call);
  if (!checked.ok())
    return Refuse<absl::StatusOr<ReportResponse>>(std::move(checked));
  return entry_.Enter(call, inner_->Report(call, source));
}

Awaitable<absl::StatusOr<QueryRequestsResponse>>
CheckedMetricsQuery::QueryRequests(rpc::Call& call,
                                   const QueryRequestsRequest& request) {
  absl::Status checked = CheckDeadline(call);
  if (!checked.ok())
    return Refuse<absl::StatusOr<QueryRequestsResponse>>(std::move(checked));
  return entry_.Enter(call, inner_->QueryRequests(call, request));
}

Awaitable<absl::StatusOr<QueryUsageResponse>> CheckedMetricsQuery::QueryUsage(
    rpc::Call& call, const QueryUsageRequest& request) {
  absl::Status checked = CheckDeadline(call);
  if (!checked.ok())
    return Refuse<absl::StatusOr<QueryUsageResponse>>(std::move(checked));
  return entry_.Enter(call, inner_->QueryUsage(call, request));
}

}  // namespace gateway
