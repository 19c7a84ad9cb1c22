#include "tests/fakes/fake_metrics_collector.h"

#include <utility>

namespace gateway {

using namespace metrics_collector::v1;  // NOLINT: its messages, all of them

void FakeMetricsCollector::SetBroken(absl::Status broken) {
  MutexLock lock(mu_);
  broken_ = std::move(broken);
}

std::vector<UsageRow> FakeMetricsCollector::rows() const {
  MutexLock lock(mu_);
  return rows_;
}

std::vector<RequestRecord> FakeMetricsCollector::records() const {
  MutexLock lock(mu_);
  return records_;
}

std::vector<Beat> FakeMetricsCollector::beats() const {
  MutexLock lock(mu_);
  return beats_;
}

int FakeMetricsCollector::reporting() const {
  MutexLock lock(mu_);
  return reporting_;
}

int FakeMetricsCollector::broken_reports() const {
  MutexLock lock(mu_);
  return broken_reports_;
}

Awaitable<absl::StatusOr<RecordUsageResponse>>
FakeMetricsCollector::RecordUsage(rpc::Call& call,
                                  const RecordUsageRequest& request) {
  MutexLock lock(mu_);
  if (!broken_.ok()) co_return broken_;
  RecordUsageResponse response;
  for (const UsageRow& row : request.rows()) {
    const auto [known, is_new] =
        known_.try_emplace({row.request_id(), row.attempt()}, rows_.size());
    if (is_new) {
      rows_.push_back(row);
    } else if (rows_[known->second].outcome() == OUTCOME_UNKNOWN &&
               row.outcome() != OUTCOME_UNKNOWN) {
      rows_[known->second] = row;
    } else {
      response.set_duplicates(response.duplicates() + 1);
      continue;
    }
    response.set_stored(response.stored() + 1);
  }
  co_return response;
}

Awaitable<absl::StatusOr<ReportResponse>> FakeMetricsCollector::Report(
    rpc::Call& call, rpc::Source<ReportRequest>& source) {
  {
    MutexLock lock(mu_);
    ++reporting_;
  }
  ReportResponse response;
  while (true) {
    auto read = co_await source.Read();
    if (!read.ok()) {
      MutexLock lock(mu_);
      --reporting_;
      ++broken_reports_;
      co_return read.status();
    }
    if (!read->has_value()) break;
    response.set_records_stored(response.records_stored() +
                                (*read)->records_size());
    Take(**std::move(read));
  }
  MutexLock lock(mu_);
  --reporting_;
  co_return response;
}

void FakeMetricsCollector::Take(ReportRequest report) {
  MutexLock lock(mu_);
  if (report.has_beat()) beats_.push_back(report.beat());
  for (const RequestRecord& record : report.records()) {
    records_.push_back(record);
  }
}

Awaitable<absl::StatusOr<QueryRequestsResponse>>
FakeMetricsCollector::QueryRequests(rpc::Call& call,
                                    const QueryRequestsRequest& request) {
  MutexLock lock(mu_);
  QueryRequestsResponse response;
  for (auto record = records_.rbegin(); record != records_.rend(); ++record) {
    if (!request.tenant().empty() &&
        request.tenant() != record->account().tenant()) {
      continue;
    }
    if (!request.request_id().empty() &&
        request.request_id() != record->request_id()) {
      continue;
    }
    *response.add_records() = *record;
  }
  co_return response;
}

Awaitable<absl::StatusOr<QueryUsageResponse>> FakeMetricsCollector::QueryUsage(
    rpc::Call& call, const QueryUsageRequest& request) {
  MutexLock lock(mu_);
  QueryUsageResponse response;
  UsageSum sum;
  int64_t pico_usd = 0;
  for (const UsageRow& row : rows_) {
    if (!request.tenant().empty() &&
        request.tenant() != row.account().tenant()) {
      continue;
    }
    if (!request.request_id().empty() &&
        request.request_id() != row.request_id()) {
      continue;
    }
    sum.set_attempts(sum.attempts() + 1);
    auto* usage = sum.mutable_usage();
    usage->set_uncached_input_tokens(usage->uncached_input_tokens() +
                                     row.usage().uncached_input_tokens());
    usage->set_output_tokens(usage->output_tokens() +
                             row.usage().output_tokens());
    pico_usd += row.cost().pico_usd();
    if (request.include_rows()) *response.add_rows() = row;
  }
  sum.set_cost_nano_usd((pico_usd + 500) / 1000);
  if (sum.attempts() > 0) *response.add_sums() = sum;
  co_return response;
}

}  // namespace gateway
