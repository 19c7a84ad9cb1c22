#include "services/metrics_collector/maintenance.h"

#include <gtest/gtest.h>

#include "services/metrics_collector/rocksdb_request_log.h"
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
  absl::Status DeleteBefore(absl::Time) override {
    return storage::DamagedData();
  }
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
                           .request_log_bytes = 1 << 20});
  const absl::Status swept =
      maintenance.Sweep(absl::FromUnixSeconds(60) + absl::Hours(2));
  EXPECT_TRUE(absl::IsDataLoss(swept)) << swept;
  EXPECT_EQ((*log)->StoredBytes(), 0);
}

}  // namespace
}  // namespace gateway::metrics_collector
