#include "services/metrics_collector/queries.h"

#include <optional>
#include <utility>

#include "common/status/error.h"
#include "common/status/macros.h"
#include "common/status/page_size.h"
#include "common/time/timestamp.h"
#include "services/metrics_collector/usage_sums.h"

namespace gateway::metrics_collector {
namespace {

// Contents make records large; far below what a caller takes in one message.
constexpr int64_t kMaxPageBytes = 8 << 20;

// The range of both scans; absent ends are open.
template <class Scan, class Request>
absl::Status SetRange(const Request& request, Scan& scan) {
  if (request.has_start_time()) scan.start = ToTime(request.start_time());
  if (request.has_end_time()) scan.end = ToTime(request.end_time());
  if (scan.start > scan.end) {
    return InvalidParameter("end_time", "before start_time");
  }
  return absl::OkStatus();
}

bool Allows(const std::string& wanted, const std::string& value) {
  return wanted.empty() || wanted == value;
}

bool Matches(const v1::QueryRequestsRequest& request,
             const v1::RequestRecord& record) {
  return Allows(request.tenant(), record.account().tenant()) &&
         Allows(request.model(), record.model()) &&
         Allows(request.error_class(), record.error_class()) &&
         (request.outcome() == v1::OUTCOME_UNSPECIFIED ||
          request.outcome() == record.outcome());
}

bool Matches(const v1::QueryUsageRequest& request, const v1::UsageRow& row) {
  return Allows(request.tenant(), row.account().tenant()) &&
         Allows(request.model(), row.model()) &&
         Allows(request.provider(), row.provider());
}

// What a query gets of an entry.
struct Found {
  std::optional<v1::RequestRecord> record;  // if it matches
  bool damaged = false;                     // the record or its contents
};

absl::StatusOr<Found> Look(const RequestLog::Entry& entry,
                           const v1::QueryRequestsRequest& request) {
  Found found;
  if (!request.request_id().empty() &&
      entry.request_id() != request.request_id()) {
    return found;
  }
  absl::StatusOr<v1::RequestRecord> record = entry.Record();
  found.damaged = absl::IsDataLoss(record.status());
  if (found.damaged) return found;
  RETURN_IF_ERROR(record.status());
  if (!Matches(request, *record)) return found;
  const absl::Status added = entry.AddContents(*record);
  found.damaged = absl::IsDataLoss(added);
  if (!found.damaged) RETURN_IF_ERROR(added);
  found.record = *std::move(record);
  return found;
}

// Whether an answer with one more part of `bytes` can still be sent.
bool Fits(int64_t bytes, int64_t& total) {
  const bool first = total == 0;
  total += bytes;
  return first || total <= kMaxPageBytes;
}

absl::Status AddRows(const UsageLedger& ledger, UsageScan scan,
                     const v1::QueryUsageRequest& request, QueryBudget& budget,
                     v1::QueryUsageResponse& response) {
  ASSIGN_OR_RETURN(const int32_t page_size, PageSize(request.page_size()));
  scan.after = request.page_token();
  std::string last;
  const auto visit = [&](const std::string& position,
                         const v1::UsageRow* row) -> absl::StatusOr<bool> {
    ASSIGN_OR_RETURN(const bool may, budget.Spend());
    const bool matches = row != nullptr && Matches(request, *row);
    if (!may || (matches && response.rows_size() == page_size)) {
      response.set_next_page_token(last);
      return false;
    }
    if (matches) *response.add_rows() = *row;
    last = position;
    return true;
  };
  return ledger.Scan(scan, visit);
}

}  // namespace

absl::StatusOr<v1::QueryRequestsResponse> FindRequests(
    const RequestLog& log, const v1::QueryRequestsRequest& request,
    QueryBudget& budget) {
  ASSIGN_OR_RETURN(const int32_t page_size, PageSize(request.page_size()));
  RequestScan scan;
  RETURN_IF_ERROR(SetRange(request, scan));
  scan.after = request.page_token();
  v1::QueryRequestsResponse response;
  std::string last;
  int64_t bytes = 0;
  const auto visit =
      [&](const RequestLog::Entry& entry) -> absl::StatusOr<bool> {
    ASSIGN_OR_RETURN(const bool may, budget.Spend());
    if (!may) {
      response.set_next_page_token(last);
      return false;
    }
    ASSIGN_OR_RETURN(Found found, Look(entry, request));
    if (found.record) {
      if (response.records_size() == page_size ||
          !Fits(static_cast<int64_t>(found.record->ByteSizeLong()), bytes)) {
        response.set_next_page_token(last);
        return false;
      }
      *response.add_records() = *std::move(found.record);
    }
    if (found.damaged) {
      response.set_damaged_records(response.damaged_records() + 1);
    }
    last = entry.Position();
    return true;
  };
  RETURN_IF_ERROR(log.Scan(scan, visit));
  return response;
}

absl::StatusOr<v1::QueryUsageResponse> SumUsage(
    const UsageLedger& ledger, const v1::QueryUsageRequest& request,
    QueryBudget& budget) {
  std::vector<v1::UsageGroup> group_by;
  for (int group : request.group_by()) {
    group_by.push_back(static_cast<v1::UsageGroup>(group));
  }
  RETURN_IF_ERROR(UsageSums::Validate(group_by));
  UsageScan scan;
  RETURN_IF_ERROR(SetRange(request, scan));
  scan.request_id = request.request_id();

  v1::QueryUsageResponse response;
  UsageSums sums(group_by);
  const auto visit = [&](const std::string&,
                         const v1::UsageRow* row) -> absl::StatusOr<bool> {
    ASSIGN_OR_RETURN(const bool may, budget.Spend());
    if (!may) {
      return InvalidParameter("start_time",
                              "too many rows since then: ask for less time")
          .Build();
    }
    if (row == nullptr) {
      response.set_damaged_rows(response.damaged_rows() + 1);
    } else if (Matches(request, *row)) {
      RETURN_IF_ERROR(sums.Add(*row));
    }
    return true;
  };
  RETURN_IF_ERROR(ledger.Scan(scan, visit));

  for (v1::UsageSum& sum : sums.Take()) *response.add_sums() = std::move(sum);
  if (request.include_rows()) {
    budget.Renew();
    RETURN_IF_ERROR(AddRows(ledger, scan, request, budget, response));
  }
  return response;
}

}  // namespace gateway::metrics_collector
