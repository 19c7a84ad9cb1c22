#ifndef GATEWAY_SERVICES_METRICS_COLLECTOR_ROCKSDB_SIZES_H_
#define GATEWAY_SERVICES_METRICS_COLLECTOR_ROCKSDB_SIZES_H_

#include <absl/status/status.h>

#include <cstdint>
#include <map>
#include <string>

#include "common/storage/database.h"

namespace gateway::metrics_collector {

// How many bytes of something are stored, by when they began, so that the
// oldest can go without a look at them. Stored in the family `meta`:
// prefix slice(8) -> bytes(8). Thread-compatible.
class RocksdbSizes {
 public:
  using BySlice = std::map<uint64_t, int64_t>;

  // `prefix` tells it from others; `slice_us`, in µs, is how finely it counts.
  // Both are stored: do not change.
  RocksdbSizes(char prefix, uint64_t slice_us)
      : prefix_(1, prefix), slice_us_(slice_us) {}

  uint64_t SliceOf(uint64_t micros) const { return micros / slice_us_; }
  // The start of the slice that holds `micros`.
  uint64_t StartOf(uint64_t micros) const {
    return micros / slice_us_ * slice_us_;
  }

  // Reads what is stored. DATA_LOSS: it cannot be read.
  absl::Status Load(const storage::Database::Handle& db);
  bool empty() const { return bytes_.empty(); }
  int64_t total() const { return total_; }

  // Adds to `batch` what changes by `change`; once that is written, Apply.
  void AddChange(const storage::Database::Handle& db, const BySlice& change,
                 rocksdb::WriteBatch& batch) const;
  void Apply(const BySlice& change);

  // The start of the oldest slice that may stay for all to be within
  // `max_bytes`, in µs; 0: all may.
  uint64_t CutFor(int64_t max_bytes) const;

  // Whether something began before `micros`, the start of a slice.
  bool AnyBefore(uint64_t micros) const;
  // Adds to `batch` that nothing is left from before; once that is written,
  // Forget.
  void AddRemoval(const storage::Database::Handle& db, uint64_t micros,
                  rocksdb::WriteBatch& batch) const;
  void Forget(uint64_t micros);

 private:
  std::string KeyOf(uint64_t slice) const;

  const std::string prefix_;
  const uint64_t slice_us_;
  BySlice bytes_;
  int64_t total_ = 0;
};

}  // namespace gateway::metrics_collector

#endif  // GATEWAY_SERVICES_METRICS_COLLECTOR_ROCKSDB_SIZES_H_
