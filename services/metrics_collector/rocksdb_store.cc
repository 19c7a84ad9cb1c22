#include "services/metrics_collector/rocksdb_store.h"

#include <utility>

#include "common/status/macros.h"

namespace gateway::metrics_collector {

absl::StatusOr<std::unique_ptr<storage::Database>> OpenStore(
    StoreOptions options) {
  ASSIGN_OR_RETURN(std::unique_ptr<storage::Database> database,
                   storage::Database::Open(
                       {.path = std::move(options.path),
                        .column_families = {"usage", "usage_index", "requests",
                                            "contents", "meta"},
                        .memory_bytes = options.memory_bytes,
                        .env = options.env}));
  RETURN_IF_ERROR(database->CheckFormat(kMetaFamily, "1", "a ledger"));
  return database;
}

}  // namespace gateway::metrics_collector
