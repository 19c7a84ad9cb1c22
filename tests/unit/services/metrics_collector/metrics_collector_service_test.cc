#include "services/metrics_collector/metrics_collector_service.h"

#include <atomic>
#include <chrono>
#include <thread>

#include "common/concurrency/io_pool.h"
#include "gmock/gmock.h"
#include "services/metrics_collector/rocksdb_request_log.h"
#include "services/metrics_collector/rocksdb_usage_ledger.h"
#include "tests/support/running_flow.h"
#include "tests/unit/services/metrics_collector/records.h"

namespace gateway::metrics_collector {
namespace {

// A ledger whose scans visit one row for ever, until the visitor has enough.
class EndlessLedger final : public UsageLedger {
 public:
  absl::StatusOr<Appended> Append(std::span<const v1::UsageRow> rows) override {
    return Appended{.stored = static_cast<int64_t>(rows.size())};
  }
  absl::Status Scan(const UsageScan&, const Visitor& visit) const override {
    scans.fetch_add(1);
    const v1::UsageRow row = Row("r", 1, 1);
    while (true) {
      std::this_thread::sleep_for(std::chrono::microseconds(100));
      const absl::StatusOr<bool> go_on = visit("", &row);
      if (!go_on.ok()) return go_on.status();
      if (!*go_on) return absl::OkStatus();
    }
  }
  absl::StatusOr<int64_t> Sweep(const UsageLimits&) override { return 0; }
  int64_t StoredBytes() const override { return 0; }

  mutable std::atomic<int> scans = 0;
};

class MetricsCollectorServiceTest : public StoreTest {
 protected:
  RunningFlow<absl::StatusOr<v1::QueryUsageResponse>> Query(rpc::Call& call) {
    return {io_.Next(), service_.QueryUsage(call, query_)};
  }

  IoPool io_{2};
  EndlessLedger ledger_;
  const std::unique_ptr<RocksdbRequestLog> log_ =
      *RocksdbRequestLog::Open(database_.get());
  OpenRequests open_;
  const Privacy privacy_{false, config::v1::CONTENTS_OFF};
  BoundedExecutor disk_{{.name = "disk", .threads = 1, .queue_size = 8}};
  BoundedExecutor queries_{{.name = "queries", .threads = 1, .queue_size = 2}};
  Metrics metrics_;
  MetricsCollectorService service_{{.ledger = &ledger_,
                                    .log = log_.get(),
                                    .open = &open_,
                                    .privacy = &privacy_,
                                    .disk = &disk_,
                                    .queries = &queries_,
                                    .clock = RealClock(),
                                    .metrics = &metrics_}};
  const v1::QueryUsageRequest query_;
};

TEST_F(MetricsCollectorServiceTest, QueriesNeverHoldUpTheSenders) {
  rpc::Call call;
  auto running = Query(call);
  ASSERT_TRUE(Eventually([&] { return ledger_.scans == 1; }));
  auto second = Query(call);
  auto third = Query(call);
  ASSERT_TRUE(Eventually([&] { return queries_.Waiting() == 2; }));

  v1::RecordUsageRequest rows;
  *rows.add_rows() = Row("r", 1, 1);
  rpc::Call usage;
  RunningFlow recorded(io_.Next(), service_.RecordUsage(usage, rows));
  ASSERT_TRUE(recorded.EndsWithin(std::chrono::seconds(10)));
  EXPECT_TRUE(recorded.Get().ok());

  // And there is an end to how many wait.
  auto refused = Query(call);
  EXPECT_TRUE(absl::IsUnavailable(refused.Get().status()));
  for (auto* query : {&running, &second, &third}) query->Cancel();
  for (auto* query : {&running, &second, &third}) {
    EXPECT_TRUE(absl::IsCancelled(query->Get().status()));
  }
}

TEST_F(MetricsCollectorServiceTest, AQueryEndsAtItsDeadline) {
  rpc::Call call{.deadline = absl::Now() + absl::Milliseconds(20)};
  auto running = Query(call);
  EXPECT_TRUE(absl::IsDeadlineExceeded(running.Get().status()));
  EXPECT_EQ(ledger_.scans, 1);
}

}  // namespace
}  // namespace gateway::metrics_collector
