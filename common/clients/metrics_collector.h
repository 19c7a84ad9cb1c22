#ifndef GATEWAY_COMMON_CLIENTS_METRICS_COLLECTOR_H_
#define GATEWAY_COMMON_CLIENTS_METRICS_COLLECTOR_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "common/concurrency/awaitable.h"
#include "common/rpc/call.h"
#include "gateway/metrics_collector/v1/metrics_collector.pb.h"

// metrics-collector as others see it, wherever it runs.
namespace gateway {

// The ledger's way in.
// Thread-safe. The service implements it, so do its gRPC client and its fake;
// what each method means and returns stands in the proto.
class UsageRecorder {
 public:
  virtual ~UsageRecorder() = default;

  virtual Awaitable<absl::StatusOr<metrics_collector::v1::RecordUsageResponse>>
  RecordUsage(rpc::Call& call,
              const metrics_collector::v1::RecordUsageRequest& request) = 0;
};

// The request log's way in.
// Thread-safe. The service implements it, so do its gRPC client and its fake;
// what each method means and returns stands in the proto.
class TelemetryReceiver {
 public:
  virtual ~TelemetryReceiver() = default;

  virtual Awaitable<absl::StatusOr<metrics_collector::v1::ReportResponse>>
  Report(rpc::Call& call,
         rpc::Source<metrics_collector::v1::ReportRequest>& source) = 0;
};

// What operators ask.
// Thread-safe. The service implements it, so do its gRPC client and its fake;
// what each method means and returns stands in the proto.
class MetricsQuery {
 public:
  virtual ~MetricsQuery() = default;

  virtual Awaitable<
      absl::StatusOr<metrics_collector::v1::QueryRequestsResponse>>
  QueryRequests(rpc::Call& call,
                const metrics_collector::v1::QueryRequestsRequest& request) = 0;
  virtual Awaitable<absl::StatusOr<metrics_collector::v1::QueryUsageResponse>>
  QueryUsage(rpc::Call& call,
             const metrics_collector::v1::QueryUsageRequest& request) = 0;
};

}  // namespace gateway

#endif  // GATEWAY_COMMON_CLIENTS_METRICS_COLLECTOR_H_
