#ifndef GATEWAY_SERVICES_METRICS_COLLECTOR_ROCKSDB_USAGE_LEDGER_H_
#define GATEWAY_SERVICES_METRICS_COLLECTOR_ROCKSDB_USAGE_LEDGER_H_

#include "common/concurrency/mutex.h"
#include "common/storage/database.h"
#include "services/metrics_collector/rocksdb_store.h"
#include "services/metrics_collector/usage_ledger.h"

namespace gateway::metrics_collector {

// Stored, do not change (big-endian numbers, request ids are hex):
//   family `usage`        start_us(8) request_id NUL attempt(8) -> UsageRow
//   family `usage_index`  request_id NUL attempt(8)             -> start_us(8)
class RocksdbUsageLedger : public UsageLedger {
 public:
  // `database`, from OpenStore, outlives it.
  explicit RocksdbUsageLedger(storage::Database* database)
      : database_(database) {}

  absl::StatusOr<Appended> Append(std::span<const v1::UsageRow> rows) override;
  absl::Status Scan(const UsageScan& scan, const Visitor& visit) const override;
  absl::Status DeleteBefore(absl::Time time) override;

 private:
  // Visits some rows from the key `from` on, and sets it behind the last one.
  // False: that was all, or the visitor has enough.
  absl::StatusOr<bool> ScanSome(std::string& from, const std::string& to,
                                const Visitor& visit, Damages& damages) const;
  absl::Status ScanRequest(const UsageScan& scan, const Visitor& visit,
                           Damages& damages) const;

  storage::Database* const database_;
  // Held from the look at what is known to the write that depends on it.
  Mutex append_mu_;
};

}  // namespace gateway::metrics_collector

#endif  // GATEWAY_SERVICES_METRICS_COLLECTOR_ROCKSDB_USAGE_LEDGER_H_
