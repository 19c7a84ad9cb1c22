#include "services/model_router/usage_spool.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <thread>

#include "common/status/error.h"
#include "tests/unit/services/model_router/flow_test_support.h"

namespace gateway::model_router {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const absl::Time kNow = absl::FromUnixSeconds(1'800'000'000);

UsageRow Row(const std::string& request_id) {
  UsageRow row;
  row.set_request_id(request_id);
  row.set_attempt(1);
  row.mutable_account()->set_tenant("default");
  row.set_model("m");
  row.mutable_usage()->set_uncached_input_tokens(7);
  row.mutable_usage()->set_source(chat::v1::USAGE_SOURCE_ESTIMATED);
  return row;
}

UsageRow Done(UsageRow row) {
  row.set_outcome(metrics_collector::v1::OUTCOME_COMPLETED);
  row.mutable_usage()->set_source(chat::v1::USAGE_SOURCE_PROVIDER);
  return row;
}

std::vector<std::string> Ids(const std::vector<UsageRow>& rows) {
  std::vector<std::string> ids;
  for (const UsageRow& row : rows) ids.push_back(row.request_id());
  return ids;
}

class UsageSpoolTest : public testing::Test {
 protected:
  UsageSpool::Options Options() const {
    return {.directory = dir_.path() + "/spool"};
  }

  std::unique_ptr<UsageSpool> Open(UsageSpool::Options options) {
    auto spool = UsageSpool::Open(options, kNow);
    EXPECT_TRUE(spool.ok()) << spool.status();
    return spool.ok() ? *std::move(spool) : nullptr;
  }
  std::unique_ptr<UsageSpool> Open() { return Open(Options()); }

  void Write(UsageSpool& spool, const std::string& id) {
    auto ticket = spool.Begin(Row(id));
    ASSERT_TRUE(ticket.ok()) << ticket.status();
    spool.End(*ticket, Done(Row(id)));
  }

  int Files() const {
    int files = 0;
    for (const auto& entry :
         std::filesystem::directory_iterator(dir_.path() + "/spool")) {
      files += entry.path().extension() == ".spool";
    }
    return files;
  }

  TempDir dir_;
};

TEST_F(UsageSpoolTest, GivesClosedRowsInOrderUntilTheyAreDelivered) {
  auto spool = Open();
  Write(*spool, "a");
  auto open = spool->Begin(Row("b"));
  Write(*spool, "c");
  EXPECT_EQ(spool->open_rows(), 1);
  EXPECT_EQ(spool->waiting_rows(), 2);
  EXPECT_THAT(Ids(spool->Read(10)), ElementsAre("a", "c"));
  EXPECT_THAT(Ids(spool->Read(1)), ElementsAre("a"));
  spool->Delivered(1);
  spool->End(*open, Done(Row("b")));
  const auto rows = spool->Read(10);
  EXPECT_THAT(Ids(rows), ElementsAre("c", "b"));
  EXPECT_EQ(rows[1].outcome(), metrics_collector::v1::OUTCOME_COMPLETED);
  EXPECT_GT(spool->bytes(), 0);
  spool->Delivered(2);
  EXPECT_THAT(spool->Read(10), IsEmpty());
  EXPECT_EQ(spool->bytes(), 0);
  EXPECT_EQ(spool->waiting_rows(), 0);
}

TEST_F(UsageSpoolTest, DeliveredAndClosedItLeavesNothingBehind) {
  auto spool = Open();
  Write(*spool, "a");
  spool->Read(10);
  spool->Delivered(1);
  spool.reset();
  EXPECT_EQ(Files(), 0);
}

TEST_F(UsageSpoolTest, WhatWasNotDeliveredIsThereAgain) {
  auto spool = Open();
  Write(*spool, "a");
  Write(*spool, "b");
  spool.reset();
  spool = Open();
  EXPECT_THAT(Ids(spool->Read(10)), ElementsAre("a", "b"));
}

TEST_F(UsageSpoolTest, WhatWasLeftOpenIsBookedAsUnknown) {
  auto spool = Open();
  ASSERT_TRUE(spool->Begin(Row("a")).ok());
  spool.reset();
  spool = Open();
  const auto rows = spool->Read(10);
  ASSERT_THAT(Ids(rows), ElementsAre("a"));
  EXPECT_EQ(rows[0].outcome(), metrics_collector::v1::OUTCOME_UNKNOWN);
  EXPECT_EQ(rows[0].usage().source(), chat::v1::USAGE_SOURCE_UNKNOWN);
  EXPECT_EQ(rows[0].usage().uncached_input_tokens(), 7);
  EXPECT_EQ(rows[0].end_time().seconds(), absl::ToUnixSeconds(kNow));
  // And once only.
  spool.reset();
  spool = Open();
  EXPECT_THAT(Ids(spool->Read(10)), ElementsAre("a"));
}

TEST_F(UsageSpoolTest, OneProcessAtATime) {
  auto spool = Open();
  const auto second = UsageSpool::Open(Options(), kNow);
  EXPECT_TRUE(absl::IsUnavailable(second.status()));
  EXPECT_THAT(std::string(second.status().message()), HasSubstr("in use"));
}

TEST_F(UsageSpoolTest, AnUnwritableDirectoryIsAnError) {
  const std::string file = dir_.path() + "/file";
  std::ofstream(file) << "x";
  const auto spool = UsageSpool::Open({.directory = file + "/spool"}, kNow);
  EXPECT_TRUE(absl::IsUnavailable(spool.status()));
}

TEST_F(UsageSpoolTest, ATornRecordEndsItsFileAndNothingElse) {
  auto spool = Open();
  Write(*spool, "a");
  Write(*spool, "b");
  const int64_t bytes = spool->bytes();
  spool.reset();
  // Damage the last record.
  std::string path;
  for (const auto& entry :
       std::filesystem::directory_iterator(dir_.path() + "/spool")) {
    if (entry.path().extension() == ".spool") path = entry.path();
  }
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(static_cast<std::streamoff>(SpoolSegment::kBegin) + bytes - 16);
  file << "????????";
  file.close();

  spool = Open();
  Write(*spool, "c");
  // b's opening is whole, its close is not: its end was not seen.
  const auto rows = spool->Read(10);
  ASSERT_THAT(Ids(rows), ElementsAre("a", "b", "c"));
  EXPECT_EQ(rows[1].outcome(), metrics_collector::v1::OUTCOME_UNKNOWN);
}

TEST_F(UsageSpoolTest, AForeignFileIsPutAside) {
  std::filesystem::create_directories(dir_.path() + "/spool");
  const std::string path = dir_.path() + "/spool/00000000000000000001.spool";
  std::ofstream(path) << "this is something else entirely";
  auto spool = Open();
  EXPECT_TRUE(std::filesystem::exists(path + ".damaged"));
  Write(*spool, "a");
  EXPECT_THAT(Ids(spool->Read(10)), ElementsAre("a"));
}

class BoundedUsageSpoolTest : public UsageSpoolTest {
 protected:
  UsageSpool::Options Small() const {
    UsageSpool::Options options = Options();
    options.max_bytes = 1 << 20;
    options.sync_interval = absl::Hours(24);
    return options;
  }
};

TEST_F(BoundedUsageSpoolTest, RefusesNewRowsWhenItIsFullAndTakesThemAgain) {
  auto spool = Open(Small());
  std::vector<UsageSpool::Ticket> open;
  absl::Status refused;
  for (int i = 0; i < 20'000 && refused.ok(); ++i) {
    auto ticket = spool->Begin(Row("r" + std::to_string(i)));
    refused = ticket.status();
    if (ticket.ok()) open.push_back(*ticket);
  }
  EXPECT_TRUE(absl::IsUnavailable(refused));
  EXPECT_EQ(ReasonOf(refused), reason::kUsageSpoolFull);
  EXPECT_TRUE(DetailOf(refused)->has_retry_delay());
  EXPECT_LE(spool->bytes(), 1 << 20);
  // What has begun can still be closed, each of them.
  for (size_t i = 0; i < open.size(); ++i) {
    spool->End(open[i], Done(Row("r" + std::to_string(i))));
  }
  EXPECT_EQ(spool->waiting_rows(), static_cast<int64_t>(open.size()));
  EXPECT_EQ(spool->dropped_rows(), 0);
  for (;;) {
    const size_t count = spool->Read(500).size();
    if (count == 0) break;
    spool->Delivered(count);
  }
  EXPECT_TRUE(spool->Begin(Row("y")).ok());
}

TEST_F(BoundedUsageSpoolTest, OrDropsAndCountsThem) {
  UsageSpool::Options options = Small();
  options.drop_when_full = true;
  auto spool = Open(options);
  int64_t begun = 0;
  while (spool->dropped_rows() == 0 && begun < 20'000) {
    ASSERT_TRUE(spool->Begin(Row("r")).ok());
    ++begun;
  }
  EXPECT_EQ(spool->dropped_rows(), 1);
  auto ticket = spool->Begin(Row("dropped"));
  ASSERT_TRUE(ticket.ok());
  spool->End(*ticket, Done(Row("dropped")));
  EXPECT_EQ(spool->dropped_rows(), 2);
  EXPECT_EQ(spool->waiting_rows(), 0);
}

TEST_F(BoundedUsageSpoolTest, FilesGoWhenTheyAreDelivered) {
  auto spool = Open(Small());
  std::set<std::string> delivered;
  for (int round = 0; round < 40; ++round) {
    for (int i = 0; i < 200; ++i) {
      Write(*spool, absl::StrCat(round, ".", i));
    }
    const auto rows = spool->Read(1000);
    for (const std::string& id : Ids(rows)) delivered.insert(id);
    spool->Delivered(rows.size());
  }
  EXPECT_EQ(delivered.size(), 40u * 200);
  EXPECT_LE(Files(), 2);
}

TEST_F(BoundedUsageSpoolTest, ALongAttemptHoldsNoFileAndIsNotForgotten) {
  auto spool = Open(Small());
  auto early = spool->Begin(Row("early"));
  for (int round = 0; round < 40; ++round) {
    for (int i = 0; i < 200; ++i) Write(*spool, "x");
    spool->Delivered(spool->Read(1000).size());
  }
  EXPECT_LE(Files(), 2);
  spool.reset();
  spool = Open(Small());
  bool found = false;
  for (const UsageRow& row : spool->Read(1000)) {
    if (row.request_id() != "early") continue;
    found = true;
    EXPECT_EQ(row.outcome(), metrics_collector::v1::OUTCOME_UNKNOWN);
  }
  EXPECT_TRUE(found);
}

TEST_F(BoundedUsageSpoolTest, ALongAttemptDoesNotKeepAFullSpoolFull) {
  auto spool = Open(Small());
  ASSERT_TRUE(spool->Begin(Row("early")).ok());
  // No byte is left that a small record could still take.
  for (const char* id : {"a-rather-long-request-id-to-begin-with", "x", ""}) {
    for (auto ticket = spool->Begin(Row(id)); ticket.ok();
         ticket = spool->Begin(Row(id))) {
      spool->End(*ticket, Done(Row(id)));
    }
  }
  while (const size_t count = spool->Read(1000).size()) spool->Delivered(count);
  EXPECT_LE(Files(), 2);
  EXPECT_TRUE(spool->Begin(Row("late")).ok());
}

// As long as it lives no file can be made that is as large as a spool's.
class FullDisk {
 public:
  FullDisk() {
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before_);
    rlimit limit = before_;
    limit.rlim_cur = 48 << 10;
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FullDisk() { setrlimit(RLIMIT_FSIZE, &before_); }

 private:
  rlimit before_;
};

class FullDiskUsageSpoolTest : public BoundedUsageSpoolTest {
 protected:
  UsageSpool::Options Quick() const {
    UsageSpool::Options options = Small();
    options.sync_interval = absl::Milliseconds(1);
    return options;
  }

  // Rows that are begun until one is refused.
  std::vector<UsageSpool::Ticket> BeginAll(UsageSpool& spool) {
    std::vector<UsageSpool::Ticket> open;
    for (int i = 0; i < 20'000; ++i) {
      auto ticket = spool.Begin(Row(std::to_string(i)));
      if (!ticket.ok()) {
        EXPECT_EQ(ReasonOf(ticket.status()), reason::kUsageSpoolFull);
        return open;
      }
      open.push_back(*ticket);
    }
    ADD_FAILURE() << "none was refused";
    return open;
  }

  void AwaitHealth(const UsageSpool& spool, bool healthy) {
    const absl::Time end = absl::Now() + absl::Seconds(30);
    while (spool.Health().ok() != healthy && absl::Now() < end) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    EXPECT_EQ(spool.Health().ok(), healthy) << spool.Health();
  }
};

TEST_F(FullDiskUsageSpoolTest, WhatHasBegunIsKeptAndNothingElseBegins) {
  auto spool = Open(Quick());
  auto full = std::make_unique<FullDisk>();
  const auto open = BeginAll(*spool);
  ASSERT_FALSE(open.empty());
  AwaitHealth(*spool, false);
  for (size_t i = 0; i < open.size(); ++i) {
    spool->End(open[i], Done(Row(std::to_string(i))));
  }
  EXPECT_EQ(spool->dropped_rows(), 0);
  const auto rows = spool->Read(open.size() + 1);
  ASSERT_EQ(rows.size(), open.size());
  for (size_t i = 0; i < rows.size(); ++i) {
    ASSERT_EQ(rows[i].request_id(), std::to_string(i));
  }

  full.reset();
  AwaitHealth(*spool, true);
  EXPECT_TRUE(spool->Begin(Row("later")).ok());
}

TEST_F(FullDiskUsageSpoolTest, TheLastFileIsUsedAgainOnceItIsDelivered) {
  auto spool = Open(Quick());
  FullDisk full;
  for (int round = 0; round < 3; ++round) {
    const auto open = BeginAll(*spool);
    ASSERT_FALSE(open.empty());
    for (const auto& ticket : open) spool->End(ticket, Done(Row("r")));
    AwaitHealth(*spool, false);
    spool->Delivered(spool->Read(open.size()).size());
    EXPECT_EQ(spool->bytes(), 0);
  }
  Write(*spool, "last");
  EXPECT_THAT(Ids(spool->Read(10)), ElementsAre("last"));
  spool.reset();
  spool = Open(Quick());
  EXPECT_THAT(Ids(spool->Read(10)), ElementsAre("last"));
}

TEST_F(FullDiskUsageSpoolTest, ARestartOnItDeliversWhatIsThere) {
  auto spool = Open(Quick());
  Write(*spool, "closed");
  ASSERT_TRUE(spool->Begin(Row("open")).ok());
  spool.reset();

  auto full = std::make_unique<FullDisk>();
  spool = Open(Quick());
  ASSERT_NE(spool, nullptr);
  EXPECT_FALSE(spool->Health().ok());
  EXPECT_FALSE(spool->Begin(Row("new")).ok());
  EXPECT_THAT(Ids(spool->Read(10)), ElementsAre("closed"));
  spool->Delivered(1);
  EXPECT_THAT(spool->Read(10), IsEmpty());

  full.reset();
  AwaitHealth(*spool, true);
  const auto rows = spool->Read(10);
  ASSERT_THAT(Ids(rows), ElementsAre("open"));
  EXPECT_EQ(rows[0].outcome(), metrics_collector::v1::OUTCOME_UNKNOWN);
  EXPECT_EQ(rows[0].end_time().seconds(), absl::ToUnixSeconds(kNow));
  EXPECT_EQ(spool->dropped_rows(), 0);
  Write(*spool, "new");
}

TEST_F(FullDiskUsageSpoolTest, WithoutRowsItDoesNotOpen) {
  FullDisk full;
  EXPECT_TRUE(absl::IsUnavailable(UsageSpool::Open(Quick(), kNow).status()));
}

TEST_F(FullDiskUsageSpoolTest, ARowTooLargeForItsReserveIsCounted) {
  auto spool = Open(Quick());
  FullDisk full;
  const auto open = BeginAll(*spool);
  UsageRow grown = Done(Row("0"));
  grown.set_reason(std::string(4 * UsageSpool::kCloseGrowth, 'x'));
  spool->End(open[0], grown);
  EXPECT_EQ(spool->dropped_rows(), 1);
  // And takes no room from the others.
  for (size_t i = 1; i < open.size(); ++i) {
    spool->End(open[i], Done(Row(std::to_string(i))));
  }
  EXPECT_EQ(spool->dropped_rows(), 1);
  EXPECT_EQ(spool->waiting_rows(), static_cast<int64_t>(open.size()) - 1);
}

// A process that is killed in the middle of its work.
TEST_F(UsageSpoolTest, SurvivesKill) {
  int pipes[2];
  ASSERT_EQ(pipe(pipes), 0);
  const pid_t child = fork();
  if (child == 0) {
    auto spool = UsageSpool::Open(Options(), kNow);
    if (!spool.ok()) _exit(1);
    for (uint32_t i = 0;; ++i) {
      auto ticket = (*spool)->Begin(Row(std::to_string(i)));
      if (!ticket.ok()) _exit(1);
      if (i % 3 != 0) (*spool)->End(*ticket, Done(Row(std::to_string(i))));
      // Told only after the row is safe.
      if (write(pipes[1], &i, sizeof(i)) != sizeof(i)) _exit(1);
    }
  }
  close(pipes[1]);
  uint32_t last = 0;
  while (last < 5000 && read(pipes[0], &last, sizeof(last)) == sizeof(last)) {
  }
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  while (read(pipes[0], &last, sizeof(last)) == sizeof(last)) {
  }
  close(pipes[0]);
  ASSERT_GE(last, 5000u);

  auto spool = Open();
  std::map<std::string, UsageRow> rows;
  for (;;) {
    const auto batch = spool->Read(1000);
    if (batch.empty()) break;
    for (const UsageRow& row : batch) {
      EXPECT_TRUE(rows.emplace(row.request_id(), row).second);
    }
    spool->Delivered(batch.size());
  }
  for (uint32_t i = 0; i <= last; ++i) {
    ASSERT_TRUE(rows.contains(std::to_string(i))) << i;
    EXPECT_EQ(rows[std::to_string(i)].outcome(),
              i % 3 != 0 ? metrics_collector::v1::OUTCOME_COMPLETED
                         : metrics_collector::v1::OUTCOME_UNKNOWN);
  }
}

}  // namespace
}  // namespace gateway::model_router
