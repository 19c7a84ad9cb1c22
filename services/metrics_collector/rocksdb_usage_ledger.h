#ifndef GATEWAY_SERVICES_METRICS_COLLECTOR_ROCKSDB_USAGE_LEDGER_H_
#define GATEWAY_SERVICES_METRICS_COLLECTOR_ROCKSDB_USAGE_LEDGER_H_

#include "common/concurrency/mutex.h"
#include "common/storage/database.h"
#include "services/metrics_collector/rocksdb_sizes.h"
#include "services/metrics_collector/rocksdb_store.h"
#include "services/metrics_collector/usage_ledger.h"

namespace gateway::metrics_collector {

// Stored, do not change (big-endian numbers, request ids are hex):
//   family `usage`        start_us(8) request_id NUL attempt(8) -> UsageRow
//   family `usage_index`  request_id NUL attempt(8)             -> start_us(8)
//   family `meta`         'u' ten minutes(8) -> bytes(8) of rows begun in them
class RocksdbUsageLedger : public UsageLedger {
 public:
  // `database`, from OpenStore, outlives it.
  explicit RocksdbUsageLedger(storage::Database* database)
      : database_(database) {}

  absl::StatusOr<Appended> Append(std::span<const v1::UsageRow> rows) override;
  absl::Status Scan(const UsageScan& scan, const Visitor& visit) const override;
  absl::StatusOr<int64_t> Sweep(const UsageLimits& limits) override;
  int64_t StoredBytes() const override;
  // After the store was opened again: forgets what is known of it.
  void Reload();

 private:
  // Visits some rows from the key `from` on, and sets it behind the last one.
  // False: that was all, or the visitor has enough.
  absl::StatusOr<bool> ScanSome(std::string& from, const std::string& to,
                                const Visitor& visit, Damages& damages) const;
  absl::Status ScanRequest(const UsageScan& scan, const Visitor& visit,
                           Damages& damages) const;

  // Sees that `sizes_` is what is stored; counts all rows if nobody has yet.
  absl::Status LoadSizes() ABSL_EXCLUSIVE_LOCKS_REQUIRED(append_mu_);
  absl::Status CountRows() ABSL_EXCLUSIVE_LOCKS_REQUIRED(append_mu_);
  // How many rows that were.
  absl::StatusOr<int64_t> DeleteBefore(uint64_t micros);

  static constexpr uint64_t kSliceUs = 600'000'000;

  storage::Database* const database_;
  // Held from the look at what is known to the write that depends on it.
  mutable Mutex append_mu_;
  RocksdbSizes sizes_ ABSL_GUARDED_BY(append_mu_){'u', kSliceUs};
  bool loaded_ ABSL_GUARDED_BY(append_mu_) = false;
};

}  // namespace gateway::metrics_collector

#endif  // GATEWAY_SERVICES_METRICS_COLLECTOR_ROCKSDB_USAGE_LEDGER_H_
