#include "services/metrics_collector/queries.h"

#include "gmock/gmock.h"
#include "services/metrics_collector/rocksdb_request_log.h"
#include "services/metrics_collector/rocksdb_usage_ledger.h"
#include "tests/support/fake_clock.h"
#include "tests/unit/services/metrics_collector/records.h"

namespace gateway::metrics_collector {
namespace {

class QueriesTest : public StoreTest {
 protected:
  QueriesTest()
      : ledger_(database_.get()),
        log_(*RocksdbRequestLog::Open(database_.get())) {}
  ~QueriesTest() override { log_.reset(); }

  // Within all the time there is, and `max_rows_`.
  absl::StatusOr<v1::QueryRequestsResponse> Find(
      const v1::QueryRequestsRequest& request) {
    QueryBudget budget(&clock_, absl::InfiniteFuture(), max_rows_);
    return FindRequests(*log_, request, budget);
  }
  absl::StatusOr<v1::QueryUsageResponse> Sum(
      const v1::QueryUsageRequest& request) {
    QueryBudget budget(&clock_, absl::InfiniteFuture(), max_rows_);
    return SumUsage(ledger_, request, budget);
  }

  FakeClock clock_;
  int64_t max_rows_ = 1000;
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
    auto response = Find(request);
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
  EXPECT_EQ(Find(request)->records_size(), 1);
  request.set_error_class("gateway");
  EXPECT_EQ(Find(request)->records_size(), 0);
}

TEST_F(QueriesTest, FindsOneRequest) {
  ASSERT_TRUE(log_->Append(std::vector<v1::RequestRecord>{Record("a", 10),
                                                          Record("b", 20)})
                  .ok());
  v1::QueryRequestsRequest request;
  request.set_request_id("a");
  const auto found = Find(request);
  ASSERT_TRUE(found.ok()) << found.status();
  ASSERT_EQ(found->records_size(), 1);
  EXPECT_EQ(found->records(0).request_id(), "a");
}

TEST_F(QueriesTest, APageEndsWhereItsRowsDo) {
  std::vector<v1::RequestRecord> records;
  std::vector<v1::UsageRow> rows;
  for (int i = 0; i < 10; ++i) {
    records.push_back(Record("r" + std::to_string(i), 100 + i));
    rows.push_back(Row("r" + std::to_string(i), 1, 100 + i));
  }
  ASSERT_TRUE(log_->Append(records).ok());
  ASSERT_TRUE(ledger_.Append(rows).ok());
  max_rows_ = 4;

  v1::QueryRequestsRequest request;
  request.set_request_id("r0");
  std::vector<int> sizes;
  do {
    const auto response = Find(request);
    ASSERT_TRUE(response.ok()) << response.status();
    sizes.push_back(response->records_size());
    request.set_page_token(response->next_page_token());
  } while (!request.page_token().empty());
  EXPECT_THAT(sizes, testing::ElementsAre(0, 0, 1));

  // A sum over a part of what was asked for would be wrong.
  v1::QueryUsageRequest usage;
  usage.set_include_rows(true);
  const absl::Status refused = Sum(usage).status();
  EXPECT_TRUE(absl::IsInvalidArgument(refused)) << refused;
  usage.mutable_start_time()->set_seconds(106);
  EXPECT_EQ(Sum(usage)->rows_size(), 4);
}

TEST_F(QueriesTest, APageStaysBelowTheSizeOfAMessage) {
  std::vector<v1::RequestRecord> records;
  for (int i = 0; i < 10; ++i) {
    records.push_back(Record("r" + std::to_string(i), 100 + i));
    records.back().set_request_content(std::string(2 << 20, 'x'));
  }
  ASSERT_TRUE(log_->Append(records).ok());
  v1::QueryRequestsRequest request;
  int seen = 0;
  do {
    const auto response = Find(request);
    ASSERT_TRUE(response.ok()) << response.status();
    EXPECT_LE(response->ByteSizeLong(), 9u << 20);
    seen += response->records_size();
    request.set_page_token(response->next_page_token());
  } while (!request.page_token().empty());
  EXPECT_EQ(seen, 10);
}

TEST_F(QueriesTest, EndsWhenNobodyWaitsForTheAnswer) {
  ASSERT_TRUE(
      log_->Append(std::vector<v1::RequestRecord>{Record("a", 1)}).ok());
  ASSERT_TRUE(ledger_.Append(std::vector<v1::UsageRow>{Row("a", 1, 1)}).ok());
  QueryBudget late(&clock_, clock_.Now() + absl::Seconds(1), 64);
  EXPECT_TRUE(FindRequests(*log_, {}, late).ok());
  clock_.Advance(absl::Seconds(1));
  late.Renew();
  EXPECT_TRUE(absl::IsDeadlineExceeded(FindRequests(*log_, {}, late).status()));
  late.Renew();
  EXPECT_TRUE(absl::IsDeadlineExceeded(SumUsage(ledger_, {}, late).status()));

  QueryBudget cancelled(&clock_, absl::InfiniteFuture());
  cancelled.Cancel();
  EXPECT_TRUE(absl::IsCancelled(FindRequests(*log_, {}, cancelled).status()));
  EXPECT_TRUE(absl::IsCancelled(SumUsage(ledger_, {}, cancelled).status()));
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
  auto response = Sum(request);
  ASSERT_TRUE(response.ok()) << response.status();
  ASSERT_EQ(response->sums_size(), 1);
  EXPECT_EQ(response->sums(0).attempts(), 4);
  EXPECT_EQ(response->rows_size(), 3);
  ASSERT_FALSE(response->next_page_token().empty());
  request.set_page_token(response->next_page_token());
  response = Sum(request);
  EXPECT_EQ(response->rows_size(), 1);
  EXPECT_TRUE(response->next_page_token().empty());
}

TEST_F(QueriesTest, SumsTellHowManyRowsAreDamaged) {
  std::vector<v1::UsageRow> rows;
  for (int i = 0; i < 5; ++i) {
    rows.push_back(Row("r" + std::to_string(i), 1, 100 + i));
  }
  ASSERT_TRUE(ledger_.Append(rows).ok());
  Damage(kUsageFamily, RowKey("r1", 1, 101));
  Damage(kUsageFamily, RowKey("r3", 1, 103));
  v1::QueryUsageRequest request;
  request.set_include_rows(true);
  request.set_page_size(2);
  auto response = Sum(request);
  ASSERT_TRUE(response.ok()) << response.status();
  ASSERT_EQ(response->sums_size(), 1);
  EXPECT_EQ(response->sums(0).attempts(), 3);
  EXPECT_EQ(response->damaged_rows(), 2);
  ASSERT_EQ(response->rows_size(), 2);
  EXPECT_EQ(response->rows(1).request_id(), "r2");
  request.set_page_token(response->next_page_token());
  response = Sum(request);
  ASSERT_TRUE(response.ok()) << response.status();
  ASSERT_EQ(response->rows_size(), 1);
  EXPECT_EQ(response->rows(0).request_id(), "r4");
  request.mutable_start_time()->set_seconds(104);
  EXPECT_EQ(Sum(request)->damaged_rows(), 0);
}

TEST_F(QueriesTest, DamagedRecordsAreCountedAndTheOthersFound) {
  std::vector<v1::RequestRecord> records;
  for (int i = 0; i < 5; ++i) {
    records.push_back(Record("r" + std::to_string(i), 100 + i));
    records.back().set_request_content("hello");
  }
  ASSERT_TRUE(log_->Append(records).ok());
  Damage(kRequestsFamily, RecordKey("r3", 103));
  Damage(kContentsFamily, RecordKey("r1", 101));
  v1::QueryRequestsRequest request;
  request.set_page_size(2);
  std::vector<std::string> seen;
  int64_t damaged = 0;
  do {
    const auto response = Find(request);
    ASSERT_TRUE(response.ok()) << response.status();
    for (const auto& record : response->records()) {
      seen.push_back(record.request_id() + record.request_content());
    }
    damaged += response->damaged_records();
    request.set_page_token(response->next_page_token());
  } while (!request.page_token().empty());
  EXPECT_THAT(seen,
              testing::ElementsAre("r4hello", "r2hello", "r1", "r0hello"));
  EXPECT_EQ(damaged, 2);

  // What is asked for by name is damaged, or is not.
  v1::QueryRequestsRequest one;
  one.set_request_id("r3");
  EXPECT_EQ(Find(one)->damaged_records(), 1);
  one.set_request_id("r4");
  EXPECT_EQ(Find(one)->damaged_records(), 0);
  EXPECT_EQ(Find(one)->records_size(), 1);
}

TEST_F(QueriesTest, RefusesBadPagesAndRanges) {
  v1::QueryRequestsRequest request;
  request.set_page_size(1001);
  EXPECT_EQ(Find(request).status().code(), absl::StatusCode::kInvalidArgument);
  request.set_page_size(0);
  request.set_page_token("nonsense");
  EXPECT_EQ(Find(request).status().code(), absl::StatusCode::kInvalidArgument);
  v1::QueryUsageRequest usage;
  usage.mutable_start_time()->set_seconds(2);
  usage.mutable_end_time()->set_seconds(1);
  EXPECT_EQ(Sum(usage).status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace gateway::metrics_collector
