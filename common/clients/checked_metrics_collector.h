#ifndef GATEWAY_COMMON_CLIENTS_CHECKED_METRICS_COLLECTOR_H_
#define GATEWAY_COMMON_CLIENTS_CHECKED_METRICS_COLLECTOR_H_

#include "common/clients/checks.h"
#include "common/clients/metrics_collector.h"

namespace gateway {

// The first step of every call, however it comes in; see checks.h. Thread-safe.
class CheckedUsageRecorder final : public UsageRecorder {
 public:
  // `inner` outlives it.
  CheckedUsageRecorder(UsageRecorder* inner, Entry entry)
      : inner_(inner), entry_(entry) {}

  Awaitable<absl::StatusOr<metrics_collector::v1::RecordUsageResponse>>
  RecordUsage(
      rpc::Call& call,
      const metrics_collector::v1::RecordUsageRequest& request) override;

 private:
  UsageRecorder* const inner_;
  const EntryRule entry_;
};

class CheckedTelemetryReceiver final : public TelemetryReceiver {
 public:
  // `inner` outlives it.
  CheckedTelemetryReceiver(TelemetryReceiver* inner, Entry entry)
      : inner_(inner), entry_(entry) {}

  Awaitable<absl::StatusOr<metrics_collector::v1::ReportResponse>> Report(
      rpc::Call& call,
      rpc::Source<metrics_collector::v1::ReportRequest>& source) override;

 private:
  TelemetryReceiver* const inner_;
  const EntryRule entry_;
};

class CheckedMetricsQuery final : public MetricsQuery {
 public:
  // `inner` outlives it.
  CheckedMetricsQuery(MetricsQuery* inner, Entry entry)
      : inner_(inner), entry_(entry) {}

  Awaitable<absl::StatusOr<metrics_collector::v1::QueryRequestsResponse>>
  QueryRequests(
      rpc::Call& call,
      const metrics_collector::v1::QueryRequestsRequest& request) override;
  Awaitable<absl::StatusOr<metrics_collector::v1::QueryUsageResponse>>
  QueryUsage(rpc::Call& call,
             const metrics_collector::v1::QueryUsageRequest& request) override;

 private:
  MetricsQuery* const inner_;
  const EntryRule entry_;
};

}  // namespace gateway

#endif  // GATEWAY_COMMON_CLIENTS_CHECKED_METRICS_COLLECTOR_H_
