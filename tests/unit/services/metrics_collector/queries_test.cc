#include "services/metrics_collector/queries.h"

#include "gmock/gmock.h"
#include "services/metrics_collector/rocksdb_request_log.h"
#include "services/metrics_collector/rocksdb_usage_ledger.h"
#include "tests/unit/services/metrics_collector/records.h"

namespace gateway::metrics_collector {
namespace {

class QueriesTest : public StoreTest {
 protected:
  QueriesTest() : ledger_(database_.get(), 0, 1) {
    log_ = *RocksdbRequestLog::Open(database_.get(),
                                    {.requests = 2, .contents = 3, .meta = 4});
  }
  ~QueriesTest() override { log_.reset(); }

  RocksdbUsageLedger ledger_;
  std::unique_ptr<RocksdbRequestLog> log_;
};

TEST_F(QueriesTest, PagesThroughMatchingRecordsOnly) {
  std::vector<v1::RequestRecord> records;
  for (int i = 0; i < 10; ++i) {
    records.push_back(Record("r" + std::to_string(i), 100 + i));
    if (i % 2 == 0) records.back().mutable_account()->set_tenant("other");
  }
  ASSERT_TRUE(log_->Append(records).ok());

  v1::QueryRequestsRequest request;
  request.set_tenant("acme");
  request.set_page_size(2);
  std::vector<std::string> ids;
  int pages = 0;
  do {
    auto response = FindRequests(*log_, request);
    ASSERT_TRUE(response.ok()) << response.status();
    for (const auto& record : response->records()) {
      ids.push_back(record.request_id());
    }
    request.set_page_token(response->next_page_token());
    ++pages;
  } while (!request.page_token().empty());
  EXPECT_THAT(ids, testing::ElementsAre("r9", "r7", "r5", "r3", "r1"));
  EXPECT_EQ(pages, 3);
}

TEST_F(QueriesTest, FiltersByOutcomeAndClass) {
  v1::RequestRecord failed = Record("f", 1);
  failed.set_outcome(v1::OUTCOME_FAILED);
  failed.set_error_class("provider");
  ASSERT_TRUE(
      log_->Append(std::vector<v1::RequestRecord>{Record("c", 1), failed})
          .ok());
  v1::QueryRequestsRequest request;
  request.set_outcome(v1::OUTCOME_FAILED);
  EXPECT_EQ(FindRequests(*log_, request)->records_size(), 1);
  request.set_error_class("gateway");
  EXPECT_EQ(FindRequests(*log_, request)->records_size(), 0);
}

TEST_F(QueriesTest, SumsAndPagesRows) {
  std::vector<v1::UsageRow> rows;
  for (int i = 0; i < 5; ++i) {
    rows.push_back(Row("r" + std::to_string(i), 1, 100 + i));
  }
  ASSERT_TRUE(ledger_.Append(rows).ok());
  v1::QueryUsageRequest request;
  request.mutable_start_time()->set_seconds(101);
  request.add_group_by(v1::USAGE_GROUP_TENANT);
  request.set_include_rows(true);
  request.set_page_size(3);
  auto response = SumUsage(ledger_, request);
  ASSERT_TRUE(response.ok()) << response.status();
  ASSERT_EQ(response->sums_size(), 1);
  EXPECT_EQ(response->sums(0).attempts(), 4);
  EXPECT_EQ(response->rows_size(), 3);
  ASSERT_FALSE(response->next_page_token().empty());
  request.set_page_token(response->next_page_token());
  response = SumUsage(ledger_, request);
  EXPECT_EQ(response->rows_size(), 1);
  EXPECT_TRUE(response->next_page_token().empty());
}

TEST_F(QueriesTest, RefusesBadPagesAndRanges) {
  v1::QueryRequestsRequest request;
  request.set_page_size(1001);
  EXPECT_EQ(FindRequests(*log_, request).status().code(),
            absl::StatusCode::kInvalidArgument);
  request.set_page_size(0);
  request.set_page_token("nonsense");
  EXPECT_EQ(FindRequests(*log_, request).status().code(),
            absl::StatusCode::kInvalidArgument);
  v1::QueryUsageRequest usage;
  usage.mutable_start_time()->set_seconds(2);
  usage.mutable_end_time()->set_seconds(1);
  EXPECT_EQ(SumUsage(ledger_, usage).status().code(),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace gateway::metrics_collector
