#ifndef GATEWAY_SERVICES_METRICS_COLLECTOR_ROCKSDB_STORE_H_
#define GATEWAY_SERVICES_METRICS_COLLECTOR_ROCKSDB_STORE_H_

#include <absl/status/statusor.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "common/storage/database.h"

namespace gateway::metrics_collector {

// Families of the one database, by their place in it. Stored under their names,
// do not change: `usage`, `usage_index`, `requests`, `contents`, `meta`.
inline constexpr size_t kUsageFamily = 0;
inline constexpr size_t kUsageIndexFamily = 1;
inline constexpr size_t kRequestsFamily = 2;
inline constexpr size_t kContentsFamily = 3;
inline constexpr size_t kMetaFamily = 4;

// See DatabaseOptions.
struct StoreOptions {
  std::string path;
  int64_t memory_bytes = 64 << 20;
  rocksdb::Env* env = nullptr;
};

// Opens the database that ledger and request log share. As Database::Open, and
// FAILED_PRECONDITION: it is of another format, which stands in `meta`.
absl::StatusOr<std::unique_ptr<storage::Database>> OpenStore(
    StoreOptions options);

// What one call passes over because it is damaged: counted, and told in one
// line of the log at the end. Thread-compatible.
class Damages {
 public:
  // `database` outlives it; `what` is a literal.
  Damages(const storage::Database* database, const char* what)
      : database_(database), what_(what) {}
  ~Damages() {
    if (count_ > 0) (void)database_->NoteDamage(what_, first_, count_);
  }
  Damages(const Damages&) = delete;
  Damages& operator=(const Damages&) = delete;

  void Add(std::string id) {
    if (count_++ == 0) first_ = std::move(id);
  }

 private:
  const storage::Database* const database_;
  const char* const what_;
  std::string first_;
  int64_t count_ = 0;
};

}  // namespace gateway::metrics_collector

#endif  // GATEWAY_SERVICES_METRICS_COLLECTOR_ROCKSDB_STORE_H_
