#include "services/metrics_collector/rocksdb_store.h"

#include <absl/strings/str_cat.h>

#include "common/status/macros.h"

namespace gateway::metrics_collector {
namespace {

constexpr char kFormatKey[] = "format";
constexpr char kFormat[] = "1";

absl::Status CheckFormat(const std::string& path, storage::Database& database) {
  rocksdb::WriteBatch batch;
  {
    ASSIGN_OR_RETURN(const auto handle, database.Use());
    std::string format;
    const rocksdb::Status found =
        handle->Get({}, handle.family(kMetaFamily), kFormatKey, &format);
    if (!found.IsNotFound()) {
      RETURN_IF_ERROR(storage::ToStatus(found));
      if (format == kFormat) return absl::OkStatus();
      return absl::FailedPreconditionError(
          absl::StrCat(path, " holds a ledger in format '", format,
                       "', and this version reads only '", kFormat,
                       "': run the version that wrote it, or move it away"));
    }
    batch.Put(handle.family(kMetaFamily), kFormatKey, kFormat);
  }
  return database.Write(batch, /*synced=*/true);
}

}  // namespace

absl::StatusOr<std::unique_ptr<storage::Database>> OpenStore(
    const std::string& path, rocksdb::Env* env) {
  ASSIGN_OR_RETURN(std::unique_ptr<storage::Database> database,
                   storage::Database::Open(
                       {.path = path,
                        .column_families = {"usage", "usage_index", "requests",
                                            "contents", "meta"},
                        .env = env}));
  RETURN_IF_ERROR(CheckFormat(path, *database));
  return database;
}

}  // namespace gateway::metrics_collector
