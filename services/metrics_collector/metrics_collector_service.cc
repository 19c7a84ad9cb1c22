#include "services/metrics_collector/metrics_collector_service.h"

#include <absl/strings/str_cat.h>

#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/this_coro.hpp>

#include "common/status/error.h"
#include "common/status/macros.h"
#include "services/metrics_collector/queries.h"
#include "services/metrics_collector/query_budget.h"

namespace gateway::metrics_collector {
namespace {

constexpr int kMaxRows = 1000;

absl::Status Validate(const v1::RecordUsageRequest& request) {
  if (request.rows().empty() || request.rows_size() > kMaxRows) {
    return InvalidParameter("rows", "1 to 1000 rows a call");
  }
  for (int i = 0; i < request.rows_size(); ++i) {
    const v1::UsageRow& row = request.rows(i);
    const std::string at = absl::StrCat("rows[", i, "]");
    if (row.request_id().empty()) return MissingParameter(at + ".request_id");
    if (row.attempt() < 1) {
      return InvalidParameter(at + ".attempt", "1 or more");
    }
    if (row.account().tenant().empty()) {
      return MissingParameter(at + ".account.tenant");
    }
    if (!row.has_start_time()) return MissingParameter(at + ".start_time");
  }
  return absl::OkStatus();
}

// Ends a query when its caller has left.
class CancelWithCaller {
 public:
  CancelWithCaller(boost::asio::cancellation_slot slot, QueryBudget* budget)
      : slot_(slot) {
    if (!slot_.is_connected()) return;
    slot_.assign(
        [budget](boost::asio::cancellation_type) { budget->Cancel(); });
  }
  ~CancelWithCaller() { slot_.clear(); }

 private:
  boost::asio::cancellation_slot slot_;
};

bool IsWhole(const v1::RequestRecord& record) {
  return !record.request_id().empty() && record.has_start_time() &&
         record.outcome() != v1::OUTCOME_UNSPECIFIED;
}

}  // namespace

Awaitable<absl::StatusOr<v1::RecordUsageResponse>>
MetricsCollectorService::RecordUsage(rpc::Call& call,
                                     const v1::RecordUsageRequest& request) {
  CO_RETURN_IF_ERROR(Validate(request));
  std::vector<v1::UsageRow> rows(request.rows().begin(), request.rows().end());
  for (v1::UsageRow& row : rows) parts_.privacy->Strip(row);
  const absl::StatusOr<UsageLedger::Appended> appended =
      co_await parts_.disk->Run([&] { return parts_.ledger->Append(rows); });
  if (!appended.ok()) {
    parts_.metrics->rows_failed.Increment(rows.size());
    co_return appended.status();
  }
  parts_.metrics->rows_stored.Increment(appended->stored);
  parts_.metrics->rows_duplicate.Increment(appended->duplicates);
  v1::RecordUsageResponse response;
  response.set_stored(appended->stored);
  response.set_duplicates(appended->duplicates);
  co_return response;
}

Awaitable<absl::StatusOr<v1::ReportResponse>> MetricsCollectorService::Report(
    rpc::Call& call, rpc::Source<v1::ReportRequest>& source) {
  v1::ReportResponse response;
  std::string instance_id;
  while (true) {
    CO_ASSIGN_OR_RETURN(std::optional<v1::ReportRequest> report,
                        co_await source.Read());
    if (!report) co_return response;
    if (report->has_beat()) {
      instance_id = report->beat().instance_id();
      co_await StoreBeat(std::move(*report->mutable_beat()));
    }
    if (instance_id.empty()) {
      co_return MissingParameter("beat.instance_id").Build();
    }
    std::vector<v1::RequestRecord> records;
    int64_t dropped = 0;
    for (v1::RequestRecord& record : *report->mutable_records()) {
      if (IsWhole(record)) {
        records.push_back(std::move(record));
      } else {
        ++dropped;
      }
    }
    const int64_t count = records.size();
    const absl::Status stored =
        co_await StoreRecords(instance_id, std::move(records));
    parts_.metrics->records_failed.Increment(
        static_cast<double>(stored.ok() ? dropped : dropped + count));
    // The sender has kept them, and sends them again.
    CO_RETURN_IF_ERROR(stored);
    response.set_records_stored(response.records_stored() + count);
    response.set_records_dropped(response.records_dropped() + dropped);
  }
}

Awaitable<void> MetricsCollectorService::StoreBeat(v1::Beat beat) {
  parts_.privacy->Strip(beat);
  parts_.open->Heard(beat, parts_.clock->Now());
  parts_.metrics->open_requests.Set(parts_.open->size());
  // Kept in memory anyway: a beat that cannot be stored is no reason to end
  // the stream.
  (void)co_await parts_.disk->Run([&] { return parts_.log->SaveBeat(beat); });
}

Awaitable<absl::Status> MetricsCollectorService::StoreRecords(
    const std::string& instance_id, std::vector<v1::RequestRecord> records) {
  if (records.empty()) co_return absl::OkStatus();
  for (v1::RequestRecord& record : records) {
    parts_.privacy->Strip(record);
    parts_.open->Closed(instance_id, record.request_id());
  }
  const auto count = static_cast<double>(records.size());
  const absl::Status stored = co_await parts_.disk->Run(
      [&] { return parts_.log->Append(std::move(records)); });
  if (stored.ok()) {
    parts_.metrics->records_stored.Increment(count);
    parts_.metrics->request_log_bytes.Set(parts_.log->StoredBytes());
  }
  co_return stored;
}

Awaitable<absl::StatusOr<v1::QueryRequestsResponse>>
MetricsCollectorService::QueryRequests(
    rpc::Call& call, const v1::QueryRequestsRequest& request) {
  QueryBudget budget(parts_.clock, call.deadline);
  const auto caller = co_await boost::asio::this_coro::cancellation_state;
  CancelWithCaller cancel(caller.slot(), &budget);
  auto found = co_await parts_.queries->Run(
      [&] { return FindRequests(*parts_.log, request, budget); });
  co_return found;
}

Awaitable<absl::StatusOr<v1::QueryUsageResponse>>
MetricsCollectorService::QueryUsage(rpc::Call& call,
                                    const v1::QueryUsageRequest& request) {
  QueryBudget budget(parts_.clock, call.deadline);
  const auto caller = co_await boost::asio::this_coro::cancellation_state;
  CancelWithCaller cancel(caller.slot(), &budget);
  auto summed = co_await parts_.queries->Run(
      [&] { return SumUsage(*parts_.ledger, request, budget); });
  co_return summed;
}

}  // namespace gateway::metrics_collector
