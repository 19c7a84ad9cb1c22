#ifndef GATEWAY_SERVICES_METRICS_COLLECTOR_ROCKSDB_REQUEST_LOG_H_
#define GATEWAY_SERVICES_METRICS_COLLECTOR_ROCKSDB_REQUEST_LOG_H_

#include "common/concurrency/mutex.h"
#include "common/storage/database.h"
#include "services/metrics_collector/request_log.h"
#include "services/metrics_collector/rocksdb_sizes.h"
#include "services/metrics_collector/rocksdb_store.h"

namespace gateway::metrics_collector {

// Stored, do not change (big-endian numbers, request ids are hex):
//   family `requests`  start_us(8) request_id -> RequestRecord, no contents
//   family `contents`  start_us(8) request_id -> RequestRecord, contents alone
//   family `meta`      'b' minute(8) -> bytes(8) of records begun in it
//                      's' instance_id -> Beat
//                      `format` is the store's
class RocksdbRequestLog : public RequestLog {
 public:
  // `database`, from OpenStore, outlives it.
  static absl::StatusOr<std::unique_ptr<RocksdbRequestLog>> Open(
      storage::Database* database);

  absl::Status Append(std::vector<v1::RequestRecord> records) override;
  absl::Status Scan(const RequestScan& scan,
                    const Visitor& visit) const override;
  absl::Status Sweep(const RequestLogLimits& limits) override;
  int64_t StoredBytes() const override;
  absl::Status Reload() override;
  absl::Status SaveBeat(const v1::Beat& beat) override;
  absl::Status ForgetBeat(const std::string& instance_id) override;
  absl::StatusOr<std::vector<v1::Beat>> LoadBeats() const override;

 private:
  explicit RocksdbRequestLog(storage::Database* database)
      : database_(database) {}
  // Visits some records before the key `before`, and moves it on to the next.
  // False: that was all, or the visitor has enough.
  absl::StatusOr<bool> ScanSome(std::string& before, const std::string& from,
                                const Visitor& visit, Damages& damages) const;
  absl::Status DeleteRecords(const RequestLogLimits& limits);
  absl::Status DeleteContentsBefore(uint64_t micros);

  static constexpr uint64_t kMinuteUs = 60'000'000;

  storage::Database* const database_;
  mutable Mutex mu_;
  RocksdbSizes sizes_ ABSL_GUARDED_BY(mu_){'b', kMinuteUs};
};

}  // namespace gateway::metrics_collector

#endif  // GATEWAY_SERVICES_METRICS_COLLECTOR_ROCKSDB_REQUEST_LOG_H_
