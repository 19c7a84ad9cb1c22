#include "services/metrics_collector/rocksdb_usage_ledger.h"

#include "gmock/gmock.h"
#include "tests/support/log_capture.h"
#include "tests/unit/services/metrics_collector/records.h"

namespace gateway::metrics_collector {
namespace {

class RocksdbUsageLedgerTest : public StoreTest {
 protected:
  RocksdbUsageLedger Ledger() { return RocksdbUsageLedger(database_.get()); }

  UsageLedger::Appended Append(const std::vector<v1::UsageRow>& rows) {
    auto ledger = Ledger();
    auto appended = ledger.Append(rows);
    EXPECT_TRUE(appended.ok()) << appended.status();
    return *appended;
  }

  // `request/attempt` of each row seen, at most `limit`.
  std::vector<std::string> Seen(const UsageScan& scan, int limit = 1000,
                                std::string* last = nullptr) {
    std::vector<std::string> seen;
    const auto visit = [&](const std::string& position,
                           const v1::UsageRow* row) {
      seen.push_back(row == nullptr ? "damaged"
                                    : row->request_id() + "/" +
                                          std::to_string(row->attempt()));
      if (last != nullptr) *last = position;
      return static_cast<int>(seen.size()) < limit;
    };
    EXPECT_TRUE(Ledger().Scan(scan, visit).ok());
    return seen;
  }
};

// Rows that begin at `second` or later, however many they are.
UsageLimits KeepFrom(int64_t second) {
  return {.rows_before = absl::FromUnixSeconds(second),
          .max_bytes = int64_t{1} << 40};
}

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;

TEST_F(RocksdbUsageLedgerTest, ScansOldestFirstWithinTheRange) {
  Append({Row("late", 1, 30), Row("early", 1, 10), Row("mid", 1, 20)});
  EXPECT_THAT(Seen({}), ElementsAre("early/1", "mid/1", "late/1"));
  EXPECT_THAT(Seen({.start = absl::FromUnixSeconds(20),
                    .end = absl::FromUnixSeconds(30)}),
              ElementsAre("mid/1"));
}

TEST_F(RocksdbUsageLedgerTest, DropsDuplicatesWithinAndAcrossCalls) {
  auto appended = Append({Row("r", 1, 10), Row("r", 1, 10), Row("r", 2, 11)});
  EXPECT_EQ(appended.stored, 2);
  EXPECT_EQ(appended.duplicates, 1);
  OpenDatabase();
  appended = Append({Row("r", 1, 10)});
  EXPECT_EQ(appended.stored, 0);
  EXPECT_EQ(appended.duplicates, 1);
  EXPECT_THAT(Seen({}), ElementsAre("r/1", "r/2"));
}

TEST_F(RocksdbUsageLedgerTest, AnUnknownEndGivesWayToAKnownOneOnly) {
  v1::UsageRow unknown = Row("r", 1, 10);
  unknown.set_outcome(v1::OUTCOME_UNKNOWN);
  Append({unknown});
  EXPECT_EQ(Append({unknown}).duplicates, 1);
  EXPECT_EQ(Append({Row("r", 1, 12)}).stored, 1);
  EXPECT_EQ(Append({unknown}).duplicates, 1);
  EXPECT_THAT(Seen({}), ElementsAre("r/1"));
  // The first row's place in time is gone with it.
  EXPECT_THAT(Seen({.end = absl::FromUnixSeconds(11)}), ElementsAre());
}

TEST_F(RocksdbUsageLedgerTest, AnUnknownEndGivesWayWithinACallToo) {
  v1::UsageRow unknown = Row("r", 1, 10);
  unknown.set_outcome(v1::OUTCOME_UNKNOWN);
  const auto appended = Append({unknown, Row("r", 1, 12)});
  EXPECT_EQ(appended.stored, 1);
  EXPECT_EQ(appended.duplicates, 1);
  EXPECT_THAT(Seen({.start = absl::FromUnixSeconds(11)}), ElementsAre("r/1"));
  EXPECT_THAT(Seen({}), ElementsAre("r/1"));
}

TEST_F(RocksdbUsageLedgerTest, AKnownEndIsStoredBehindARepeatedUnknownOne) {
  v1::UsageRow unknown = Row("r", 1, 10);
  unknown.set_outcome(v1::OUTCOME_UNKNOWN);
  Append({unknown});
  const auto appended = Append({unknown, Row("r", 1, 12)});
  EXPECT_EQ(appended.stored, 1);
  EXPECT_EQ(appended.duplicates, 1);
  EXPECT_THAT(Seen({.start = absl::FromUnixSeconds(11)}), ElementsAre("r/1"));
  EXPECT_THAT(Seen({}), ElementsAre("r/1"));
}

TEST_F(RocksdbUsageLedgerTest, FindsTheAttemptsOfOneRequest) {
  Append({Row("a", 1, 10), Row("ab", 1, 10), Row("a", 2, 11)});
  EXPECT_THAT(Seen({.request_id = "a"}), ElementsAre("a/1", "a/2"));
  EXPECT_THAT(Seen({.end = absl::FromUnixSeconds(11), .request_id = "a"}),
              ElementsAre("a/1"));
}

TEST_F(RocksdbUsageLedgerTest, ADamagedRowIsCountedAndThoseAroundItAreSeen) {
  Append({Row("a", 1, 10), Row("b", 1, 20), Row("b", 2, 21), Row("c", 1, 30)});
  Damage(kUsageFamily, RowKey("b", 1, 20));
  LogCapture log;
  EXPECT_THAT(Seen({}), ElementsAre("a/1", "damaged", "b/2", "c/1"));
  EXPECT_EQ(database_->damages(), 1);
  EXPECT_THAT(log.Lines(),
              ElementsAre(AllOf(HasSubstr("usage row"), HasSubstr("b/1"))));
  EXPECT_THAT(Seen({.request_id = "b"}), ElementsAre("damaged", "b/2"));
  EXPECT_THAT(Seen({.start = absl::FromUnixSeconds(21), .request_id = "b"}),
              ElementsAre("b/2"));
  EXPECT_EQ(database_->damages(), 2);
}

TEST_F(RocksdbUsageLedgerTest, AScanTellsOfAllThatIsDamagedInOneLine) {
  Append({Row("a", 1, 10), Row("b", 1, 20)});
  Damage(kUsageFamily, RowKey("a", 1, 10));
  Damage(kUsageFamily, RowKey("b", 1, 20));
  LogCapture log;
  EXPECT_THAT(Seen({}), ElementsAre("damaged", "damaged"));
  EXPECT_EQ(database_->damages(), 2);
  EXPECT_THAT(log.Lines(), ElementsAre(HasSubstr("a/1")));
}

TEST_F(RocksdbUsageLedgerTest, ADamagedRowGivesWayToTheSameOneThatComesAgain) {
  Append({Row("a", 1, 10), Row("b", 1, 20)});
  Damage(kUsageFamily, RowKey("a", 1, 10));
  const auto appended = Append({Row("a", 1, 12), Row("a", 1, 12)});
  EXPECT_EQ(appended.stored, 1);
  EXPECT_EQ(appended.duplicates, 1);
  EXPECT_EQ(database_->damages(), 1);
  EXPECT_THAT(Seen({}), ElementsAre("a/1", "b/1"));
}

TEST_F(RocksdbUsageLedgerTest, GoesOnAfterAPosition) {
  Append({Row("a", 1, 10), Row("b", 1, 10), Row("c", 1, 11)});
  std::string position;
  EXPECT_THAT(Seen({}, 2, &position), ElementsAre("a/1", "b/1"));
  EXPECT_THAT(Seen({.after = position}), ElementsAre("c/1"));
}

TEST_F(RocksdbUsageLedgerTest, ALongScanSeesEachRowOnce) {
  std::vector<v1::UsageRow> rows;
  for (int i = 0; i < 10'000; ++i) {
    rows.push_back(Row(std::to_string(i), 1, i));
  }
  Append(rows);
  const std::vector<std::string> seen = Seen({}, 20'000);
  ASSERT_EQ(seen.size(), rows.size());
  for (size_t i = 0; i < seen.size(); ++i) {
    ASSERT_EQ(seen[i], std::to_string(i) + "/1");
  }
}

TEST_F(RocksdbUsageLedgerTest, AVisitorsErrorEndsTheScan) {
  Append({Row("a", 1, 10), Row("a", 2, 11)});
  int seen = 0;
  const auto visit = [&](const std::string&, const v1::UsageRow*) {
    ++seen;
    return absl::StatusOr<bool>(absl::CancelledError());
  };
  EXPECT_TRUE(absl::IsCancelled(Ledger().Scan({}, visit)));
  EXPECT_TRUE(absl::IsCancelled(Ledger().Scan({.request_id = "a"}, visit)));
  EXPECT_EQ(seen, 2);
}

TEST_F(RocksdbUsageLedgerTest, RefusesAForeignPosition) {
  auto ledger = Ledger();
  for (const char* after : {"x", "zz00000000000000zz", "0011"}) {
    EXPECT_EQ(
        ledger
            .Scan({.after = after},
                  [](const std::string&, const v1::UsageRow*) { return true; })
            .code(),
        absl::StatusCode::kInvalidArgument)
        << after;
  }
}

TEST_F(RocksdbUsageLedgerTest, WhatTheIndexCannotFindIsStored) {
  memory_bytes_ = 1;
  Append({Row("a", 1, 10), Row("b", 1, 20)});
  DamageFiles("usage_index");
  LogCapture log;
  auto appended = Append({Row("a", 1, 10), Row("c", 1, 30)});
  EXPECT_EQ(appended.stored, 2);
  EXPECT_GE(database_->damages(), 1);
  EXPECT_THAT(log.Lines(),
              Contains(AllOf(HasSubstr("usage index"), HasSubstr("a/1"))));
  // In the place of the first.
  EXPECT_THAT(Seen({}), ElementsAre("a/1", "b/1", "c/1"));
  EXPECT_EQ(Append({Row("a", 1, 10)}).duplicates, 1);
}

TEST_F(RocksdbUsageLedgerTest, AnEntryOfTheIndexThatIsNoneIsPassedOver) {
  Append({Row("a", 1, 10)});
  Damage(kUsageIndexFamily, RowKey("a", 1, 10).substr(8));
  EXPECT_EQ(Append({Row("a", 1, 10)}).stored, 1);
  EXPECT_EQ(database_->damages(), 1);
  EXPECT_THAT(Seen({}), ElementsAre("a/1"));
}

TEST_F(RocksdbUsageLedgerTest, WhatIsDamagedIsDeletedInItsTime) {
  memory_bytes_ = 1;
  Append({Row("a", 1, 10), Row("b", 1, 20)});
  DamageFiles("usage");
  Append({Row("c", 1, 30), Row("d", 1, 601)});
  auto ledger = Ledger();
  EXPECT_EQ(*ledger.Sweep(KeepFrom(600)), 0);
  EXPECT_GE(database_->damages(), 1);
  // Its entry in the index leads nowhere.
  EXPECT_EQ(Append({Row("a", 1, 602)}).stored, 1);
  EXPECT_EQ(Append({Row("a", 1, 602)}).duplicates, 1);
}

TEST_F(RocksdbUsageLedgerTest, OverTheSizeTheOldestGo) {
  v1::UsageRow large = Row("large", 1, 600);
  large.set_model(std::string(5000, 'x'));
  Append({Row("old", 1, 10), large, Row("new", 1, 1200)});
  auto ledger = Ledger();
  UsageLimits limits = KeepFrom(0);
  EXPECT_EQ(*ledger.Sweep(limits), 0);
  const int64_t all = ledger.StoredBytes();
  EXPECT_GT(all, 5000);

  limits.max_bytes = all - 1;
  EXPECT_EQ(*ledger.Sweep(limits), 1);
  EXPECT_THAT(Seen({}), ElementsAre("large/1", "new/1"));
  limits.max_bytes = 1000;
  EXPECT_EQ(*ledger.Sweep(limits), 1);
  EXPECT_THAT(Seen({}), ElementsAre("new/1"));
  EXPECT_THAT(Seen({.request_id = "large"}), ElementsAre());
  EXPECT_GT(ledger.StoredBytes(), 0);
  EXPECT_LT(ledger.StoredBytes(), 1000);
  EXPECT_EQ(*ledger.Sweep(limits), 0);
}

TEST_F(RocksdbUsageLedgerTest, KnowsItsSizeAfterRowsWereReplacedAndAtAStart) {
  const auto bytes = [&] {
    auto ledger = Ledger();
    EXPECT_TRUE(ledger.Sweep(KeepFrom(0)).ok());
    return ledger.StoredBytes();
  };
  EXPECT_EQ(bytes(), 0);
  v1::UsageRow unknown = Row("r", 1, 10);
  unknown.set_outcome(v1::OUTCOME_UNKNOWN);
  Append({Row("r", 1, 700)});
  const int64_t one = bytes();
  EXPECT_GT(one, 0);
  Append({Row("q", 1, 800)});
  EXPECT_EQ(bytes(), 2 * one);
  unknown.set_request_id("p");
  Append({unknown, Row("p", 1, 700)});
  EXPECT_EQ(bytes(), 3 * one);
  unknown.set_request_id("o");
  Append({unknown});
  Append({unknown, Row("o", 1, 700)});
  EXPECT_EQ(bytes(), 4 * one);
  OpenDatabase();
  EXPECT_EQ(bytes(), 4 * one);
}

// As a store is that was written before sizes were.
TEST_F(RocksdbUsageLedgerTest, CountsWhatNobodyHasCounted) {
  Append({Row("a", 1, 10), Row("b", 1, 600)});
  auto counted = Ledger();
  EXPECT_TRUE(counted.Sweep(KeepFrom(0)).ok());
  rocksdb::WriteBatch batch;
  batch.DeleteRange(database_->Use()->family(kMetaFamily), "u", "v");
  ASSERT_TRUE(database_->Write(batch, /*synced=*/false).ok());
  auto ledger = Ledger();
  EXPECT_TRUE(ledger.Sweep(KeepFrom(0)).ok());
  EXPECT_EQ(ledger.StoredBytes(), counted.StoredBytes());
}

TEST_F(RocksdbUsageLedgerTest, DeletesByTimeWithTheIndex) {
  std::vector<v1::UsageRow> rows;
  for (int i = 0; i < 2500; ++i) {
    rows.push_back(Row("r" + std::to_string(i), 1, i));
  }
  rows.push_back(Row("new", 1, 3000));
  Append(rows);
  auto ledger = Ledger();
  EXPECT_EQ(*ledger.Sweep(KeepFrom(3599)), 0);
  EXPECT_THAT(Seen({}), ElementsAre("new/1"));
  EXPECT_THAT(Seen({.request_id = "r1"}), ElementsAre());
}

}  // namespace
}  // namespace gateway::metrics_collector
