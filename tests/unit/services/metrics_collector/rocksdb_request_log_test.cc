#include "services/metrics_collector/rocksdb_request_log.h"

#include "gmock/gmock.h"
#include "tests/unit/services/metrics_collector/records.h"

namespace gateway::metrics_collector {
namespace {

using testing::ElementsAre;

class RocksdbRequestLogTest : public StoreTest {
 protected:
  RocksdbRequestLogTest() { OpenLog(); }
  ~RocksdbRequestLogTest() override { log_.reset(); }

  void OpenLog() {
    auto opened = RocksdbRequestLog::Open(database_.get());
    ASSERT_TRUE(opened.ok()) << opened.status();
    log_ = *std::move(opened);
  }

  void Reopen() {
    log_.reset();
    OpenDatabase();
    OpenLog();
  }

  void Append(const std::vector<v1::RequestRecord>& records) {
    ASSERT_TRUE(log_->Append(records).ok());
  }

  std::vector<v1::RequestRecord> Records(const RequestScan& scan) {
    std::vector<v1::RequestRecord> records;
    const auto visit = [&](const RequestLog::Entry& entry) {
      auto record = entry.Record();
      EXPECT_TRUE(record.ok()) << record.status();
      EXPECT_EQ(record->request_content(), "");
      EXPECT_TRUE(entry.AddContents(*record).ok());
      EXPECT_EQ(entry.request_id(), record->request_id());
      records.push_back(*std::move(record));
      position_ = entry.Position();
      return records.size() < limit_;
    };
    EXPECT_TRUE(log_->Scan(scan, visit).ok());
    return records;
  }

  std::vector<std::string> Ids(const RequestScan& scan = {}) {
    std::vector<std::string> ids;
    for (const auto& record : Records(scan)) ids.push_back(record.request_id());
    return ids;
  }

  std::unique_ptr<RocksdbRequestLog> log_;
  size_t limit_ = 1000;
  std::string position_;
};

// Nothing is past its time or over its size.
RequestLogLimits NoLimits() {
  return {.records_before = absl::UnixEpoch(),
          .contents_before = absl::UnixEpoch(),
          .max_bytes = 1 << 30};
}

TEST_F(RocksdbRequestLogTest, ScansNewestFirstWithinTheRange) {
  Append({Record("a", 10), Record("b", 20), Record("c", 30)});
  EXPECT_THAT(Ids(), ElementsAre("c", "b", "a"));
  EXPECT_THAT(Ids({.start = absl::FromUnixSeconds(10),
                   .end = absl::FromUnixSeconds(30)}),
              ElementsAre("b", "a"));
}

TEST_F(RocksdbRequestLogTest, GoesOnAfterAPosition) {
  Append({Record("a", 10), Record("b", 20), Record("c", 30)});
  limit_ = 2;
  EXPECT_THAT(Ids(), ElementsAre("c", "b"));
  EXPECT_THAT(Ids({.after = position_}), ElementsAre("a"));
}

TEST_F(RocksdbRequestLogTest, ALongScanSeesEachRecordOnce) {
  std::vector<v1::RequestRecord> records;
  for (int i = 0; i < 10'000; ++i) {
    records.push_back(Record(std::to_string(i), i));
  }
  Append(records);
  limit_ = 20'000;
  const std::vector<std::string> ids = Ids();
  ASSERT_EQ(ids.size(), records.size());
  for (size_t i = 0; i < ids.size(); ++i) {
    ASSERT_EQ(ids[i], std::to_string(ids.size() - 1 - i));
  }
}

TEST_F(RocksdbRequestLogTest, ReloadedItKnowsWhatTheStoreHolds) {
  Append({Record("a", 60)});
  auto other = RocksdbRequestLog::Open(database_.get());
  ASSERT_TRUE(other.ok());
  Append({Record("b", 120)});
  EXPECT_NE((*other)->StoredBytes(), log_->StoredBytes());
  ASSERT_TRUE((*other)->Reload().ok());
  EXPECT_EQ((*other)->StoredBytes(), log_->StoredBytes());
}

TEST_F(RocksdbRequestLogTest, ALateRecordReplacesTheLostOne) {
  v1::RequestRecord lost = Record("a", 10);
  lost.set_outcome(v1::OUTCOME_UNKNOWN);
  Append({lost});
  Append({Record("a", 10)});
  const auto records = Records({});
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0].outcome(), v1::OUTCOME_COMPLETED);
}

TEST_F(RocksdbRequestLogTest, KeepsContentsForTheirOwnTime) {
  v1::RequestRecord record = Record("a", 100);
  record.set_request_content("question");
  record.set_answer_content("answer");
  Append({record});
  EXPECT_EQ(Records({})[0].request_content(), "question");
  EXPECT_EQ(Records({})[0].answer_content(), "answer");

  RequestLogLimits limits = NoLimits();
  limits.contents_before = absl::FromUnixSeconds(101);
  ASSERT_TRUE(log_->Sweep(limits).ok());
  ASSERT_EQ(Records({}).size(), 1u);
  EXPECT_EQ(Records({})[0].request_content(), "");
}

TEST_F(RocksdbRequestLogTest, SweepsByAgeInWholeMinutes) {
  Append({Record("a", 59), Record("b", 60), Record("c", 120)});
  RequestLogLimits limits = NoLimits();
  limits.records_before = absl::FromUnixSeconds(119);
  ASSERT_TRUE(log_->Sweep(limits).ok());
  EXPECT_THAT(Ids(), ElementsAre("c", "b"));
}

TEST_F(RocksdbRequestLogTest, SweepsTheOldestOverTheSizeAlsoAfterARestart) {
  v1::RequestRecord large = Record("old", 60);
  large.set_request_content(std::string(5000, 'x'));
  Append({large});
  Append({Record("new", 120)});
  const int64_t before = log_->StoredBytes();
  EXPECT_GT(before, 5000);
  Reopen();
  EXPECT_EQ(log_->StoredBytes(), before);

  RequestLogLimits limits = NoLimits();
  limits.max_bytes = 1000;
  ASSERT_TRUE(log_->Sweep(limits).ok());
  EXPECT_THAT(Ids(), ElementsAre("new"));
  EXPECT_LT(log_->StoredBytes(), 1000);
  Reopen();
  EXPECT_LT(log_->StoredBytes(), 1000);
}

TEST_F(RocksdbRequestLogTest, ABeatThatIsDamagedIsPassedOver) {
  for (const char* instance : {"i1", "i2"}) {
    v1::Beat beat;
    beat.set_instance_id(instance);
    ASSERT_TRUE(log_->SaveBeat(beat).ok());
  }
  Damage(kMetaFamily, "si1");
  const auto beats = log_->LoadBeats();
  ASSERT_TRUE(beats.ok()) << beats.status();
  ASSERT_EQ(beats->size(), 1u);
  EXPECT_EQ(beats->front().instance_id(), "i2");
  EXPECT_EQ(database_->damages(), 1);
}

TEST_F(RocksdbRequestLogTest, RemembersBeatsOverARestart) {
  v1::Beat beat;
  beat.set_instance_id("i1");
  beat.add_open_requests()->set_request_id("r");
  ASSERT_TRUE(log_->SaveBeat(beat).ok());
  Reopen();
  auto beats = log_->LoadBeats();
  ASSERT_TRUE(beats.ok());
  ASSERT_EQ(beats->size(), 1u);
  EXPECT_EQ(beats->front().open_requests(0).request_id(), "r");
  ASSERT_TRUE(log_->ForgetBeat("i1").ok());
  EXPECT_TRUE(log_->LoadBeats()->empty());
}

}  // namespace
}  // namespace gateway::metrics_collector
