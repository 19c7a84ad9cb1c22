#ifndef GATEWAY_TESTS_SUPPORT_CRASH_DISK_H_
#define GATEWAY_TESTS_SUPPORT_CRASH_DISK_H_

#include <rocksdb/env.h>

#include <cstdint>
#include <memory>

namespace gateway {

// A disk, for RocksDB, that loses what was not synced when the power goes, and
// that can be full. Of a file survives what was there at its last sync; a new
// file survives only if its directory was synced after it was made. Renames are
// durable at once, and so are deletions. Thread-safe.
class CrashDisk {
 public:
  CrashDisk();
  ~CrashDisk();

  // For DatabaseOptions::env. Lives as long as this.
  rocksdb::Env* env();

  // From here on nothing can be written or synced.
  void CutPower();
  // Drops what was not synced, and the power is back. Precondition: whoever
  // wrote has closed its files.
  void RestorePower();

  // From here on a sync of RocksDB's log succeeds and keeps nothing: as if the
  // store did not sync.
  void IgnoreLogSyncs();

  // While they fail, a sync of RocksDB's log is an error, and what was written
  // before it is there nonetheless.
  void FailLogSyncs(bool fail);

  // While full, nothing can be written.
  void SetFull(bool full);

  // Bytes that a loss of power would drop now.
  int64_t UnsyncedBytes() const;
  // Syncs of files, so far.
  int64_t Syncs() const;

 private:
  class Files;
  const std::shared_ptr<Files> files_;
  const std::unique_ptr<rocksdb::Env> env_;
};

}  // namespace gateway

#endif  // GATEWAY_TESTS_SUPPORT_CRASH_DISK_H_
