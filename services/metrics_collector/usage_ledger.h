#ifndef GATEWAY_SERVICES_METRICS_COLLECTOR_USAGE_LEDGER_H_
#define GATEWAY_SERVICES_METRICS_COLLECTOR_USAGE_LEDGER_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include <functional>
#include <span>
#include <string>

#include "gateway/metrics_collector/v1/metrics_collector.pb.h"

namespace gateway::metrics_collector {

// Which rows a scan sees, and from where.
struct UsageScan {
  absl::Time start = absl::InfinitePast();  // included
  absl::Time end = absl::InfiniteFuture();  // excluded
  // Only the attempts of this request. Empty: all.
  std::string request_id;
  // From the position after this one. Empty: from the start.
  std::string after;
};

// What limits the ledger, at the time of a sweep. It counts by ten minutes, and
// those go as a whole.
struct UsageLimits {
  // Rows that began before are deleted.
  absl::Time rows_before;
  // Over it the oldest rows go.
  int64_t max_bytes = 0;
};

// The rows of every attempt, kept by (request id, attempt). Thread-safe; calls
// block on the disk.
class UsageLedger {
 public:
  struct Appended {
    int64_t stored = 0;
    int64_t duplicates = 0;
  };
  // Gets each row with its position, oldest first; null stands for one that is
  // damaged, which is logged and counted. False or an error ends the scan.
  using Visitor = std::function<absl::StatusOr<bool>(
      const std::string& position, const v1::UsageRow* row)>;

  virtual ~UsageLedger() = default;

  // All rows or none; they are on disk when it returns. A row that is known is
  // a duplicate, unless it knows more than the stored one (Supersedes), or that
  // one, or what leads to it, is damaged. UNAVAILABLE `storage_unavailable`.
  virtual absl::StatusOr<Appended> Append(
      std::span<const v1::UsageRow> rows) = 0;

  // INVALID_ARGUMENT for an `after` that no scan has given out; the visitor's
  // error.
  virtual absl::Status Scan(const UsageScan& scan,
                            const Visitor& visit) const = 0;

  // Deletes what is beyond the limits, also what is damaged, in bounded steps.
  // How many rows went for the size alone; those that are damaged do not count.
  virtual absl::StatusOr<int64_t> Sweep(const UsageLimits& limits) = 0;

  // As of the last Append or Sweep.
  virtual int64_t StoredBytes() const = 0;
};

// Whether `newer` takes the place of `stored`, both of one attempt: an attempt
// whose end was never seen gives way to one that knows its end.
bool Supersedes(const v1::UsageRow& newer, const v1::UsageRow& stored);

}  // namespace gateway::metrics_collector

#endif  // GATEWAY_SERVICES_METRICS_COLLECTOR_USAGE_LEDGER_H_
