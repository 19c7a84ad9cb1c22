#include "services/metrics_collector/maintenance.h"

#include <gtest/gtest.h>

#include "services/metrics_collector/rocksdb_request_log.h"
#include "services/metrics_collector/rocksdb_usage_ledger.h"
#include "tests/unit/services/metrics_collector/records.h"

namespace gateway::metrics_collector {
namespace {

class BrokenLedger final : public UsageLedger {
 public:
  absl::StatusOr<Appended> Append(std::span<const v1::UsageRow>) override {
    return Appended();
  }
  absl::Status Scan(const UsageScan&, const Visitor&) const override {
    return absl::OkStatus();
  }
  absl::StatusOr<int64_t> Sweep(const UsageLimits&) override {
    return storage::DamagedData();
  }
  int64_t StoredBytes() const override { return 7; }
};

class MaintenanceTest : public StoreTest {};

TEST_F(MaintenanceTest, ALedgerThatCannotBeSweptHoldsUpNothingElse) {
  auto log = RocksdbRequestLog::Open(database_.get());
  ASSERT_TRUE(log.ok()) << log.status();
  ASSERT_TRUE((*log)->Append({Record("old", 60)}).ok());
  ASSERT_GT((*log)->StoredBytes(), 0);
  BrokenLedger ledger;
  OpenRequests open;
  Metrics metrics;
  Maintenance maintenance(&ledger, log->get(), &open, &metrics,
                          {.contents = absl::Hours(1),
                           .requests = absl::Hours(1),
                           .usage = absl::Hours(1),
                           .request_log_bytes = 1 << 20,
                           .usage_bytes = 1 << 20});
  const absl::Status swept =
      maintenance.Sweep(absl::FromUnixSeconds(60) + absl::Hours(2));
  EXPECT_TRUE(absl::IsDataLoss(swept)) << swept;
  EXPECT_EQ((*log)->StoredBytes(), 0);
}

TEST_F(MaintenanceTest, CountsTheRowsThatGoForTheSize) {
  auto log = RocksdbRequestLog::Open(database_.get());
  ASSERT_TRUE(log.ok()) << log.status();
  RocksdbUsageLedger ledger(database_.get());
  const std::vector<v1::UsageRow> rows = {Row("a", 1, 10), Row("b", 1, 600)};
  ASSERT_TRUE(ledger.Append(rows).ok());
  OpenRequests open;
  Metrics metrics;
  Maintenance maintenance(&ledger, log->get(), &open, &metrics,
                          {.contents = absl::Hours(1),
                           .requests = absl::Hours(1),
                           .usage = absl::Hours(1),
                           .request_log_bytes = 1 << 20,
                           .usage_bytes = ledger.StoredBytes() - 1});
  ASSERT_TRUE(maintenance.Sweep(absl::FromUnixSeconds(601)).ok());
  EXPECT_EQ(metrics.rows_removed_for_size.Value(), 1);
  EXPECT_EQ(metrics.ledger_bytes.Value(), ledger.StoredBytes());
}

}  // namespace
}  // namespace gateway::metrics_collector
