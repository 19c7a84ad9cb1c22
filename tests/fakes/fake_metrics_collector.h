#ifndef GATEWAY_TESTS_FAKES_FAKE_METRICS_COLLECTOR_H_
#define GATEWAY_TESTS_FAKES_FAKE_METRICS_COLLECTOR_H_

#include <absl/status/status.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "common/clients/metrics_collector.h"
#include "common/concurrency/mutex.h"

namespace gateway {

// A metrics-collector in memory: all three of its interfaces over one ledger
// and one request log. Queries match request id and tenant only, and sum over
// everything; no pages. Thread-safe.
class FakeMetricsCollector final : public UsageRecorder,
                                   public TelemetryReceiver,
                                   public MetricsQuery {
 public:
  // RecordUsage fails so until an OK status is set.
  void SetBroken(absl::Status broken);

  // In the order in which they came, duplicates dropped.
  std::vector<metrics_collector::v1::UsageRow> rows() const;
  std::vector<metrics_collector::v1::RequestRecord> records() const;
  std::vector<metrics_collector::v1::Beat> beats() const;
  // Report calls that run now, and those that ended without a half-close.
  int reporting() const;
  int broken_reports() const;

  Awaitable<absl::StatusOr<metrics_collector::v1::RecordUsageResponse>>
  RecordUsage(
      rpc::Call& call,
      const metrics_collector::v1::RecordUsageRequest& request) override;
  Awaitable<absl::StatusOr<metrics_collector::v1::ReportResponse>> Report(
      rpc::Call& call,
      rpc::Source<metrics_collector::v1::ReportRequest>& source) override;
  Awaitable<absl::StatusOr<metrics_collector::v1::QueryRequestsResponse>>
  QueryRequests(
      rpc::Call& call,
      const metrics_collector::v1::QueryRequestsRequest& request) override;
  Awaitable<absl::StatusOr<metrics_collector::v1::QueryUsageResponse>>
  QueryUsage(rpc::Call& call,
             const metrics_collector::v1::QueryUsageRequest& request) override;

 private:
  void Take(metrics_collector::v1::ReportRequest report);

  mutable Mutex mu_;
  absl::Status broken_ ABSL_GUARDED_BY(mu_);
  std::vector<metrics_collector::v1::UsageRow> rows_ ABSL_GUARDED_BY(mu_);
  // Where in rows_, by request id and attempt.
  std::map<std::pair<std::string, int>, size_t> known_ ABSL_GUARDED_BY(mu_);
  std::vector<metrics_collector::v1::RequestRecord> records_
      ABSL_GUARDED_BY(mu_);
  std::vector<metrics_collector::v1::Beat> beats_ ABSL_GUARDED_BY(mu_);
  int reporting_ ABSL_GUARDED_BY(mu_) = 0;
  int broken_reports_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace gateway

#endif  // GATEWAY_TESTS_FAKES_FAKE_METRICS_COLLECTOR_H_
