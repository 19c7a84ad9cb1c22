#include "services/session_store/rocksdb_session_repository.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <functional>
#include <thread>

#include "common/status/error.h"
#include "tests/support/crash_disk.h"
#include "tests/support/log_capture.h"

namespace gateway::session_store {
namespace {

using ::testing::ContainsRegex;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

const absl::Time kNow = absl::FromUnixSeconds(1'800'000'000);
const SessionName kName{{"t", "u"}, "s"};
constexpr uint64_t kLife = 7;

class RocksDbSessionRepositoryTest : public testing::Test {
 protected:
  RocksDbSessionRepositoryTest() {
    std::string pattern = testing::TempDir() + "sessions_XXXXXX";
    path_ = mkdtemp(pattern.data());
    options_.path = path_ + "/data";
  }
  ~RocksDbSessionRepositoryTest() override {
    repository_.reset();
    std::filesystem::remove_all(path_);
  }

  void Open() {
    repository_.reset();
    auto opened = RocksDbSessionRepository::Open(options_);
    ASSERT_TRUE(opened.ok()) << opened.status();
    repository_ = *std::move(opened);
  }

  static SessionRecord NewSession() {
    SessionRecord record;
    record.life = kLife;
    record.create_time = kNow;
    record.last_use_time = kNow;
    record.expire_time = kNow + absl::Hours(1);
    return record;
  }

  static absl::Status AddTurn(RocksDbSessionRepository& repository,
                              SessionRecord& record) {
    TurnRecord turn;
    turn.number = record.next_turn++;
    turn.parent = record.head;
    turn.depth = static_cast<int64_t>(turn.number);
    turn.commit_time = kNow;
    turn.request_id = "req-" + std::to_string(turn.number);
    turn.turn.set_turn_id("t" + std::to_string(turn.number));
    record.head = turn.number;
    return repository.AddTurn(kName, record, turn, {}, nullptr);
  }

  // The turns that are stored; none if the session is not.
  size_t StoredTurns() {
    const auto turns = repository_->ListTurns("t", kLife, 0, 1'000'000);
    EXPECT_TRUE(turns.ok()) << turns.status();
    return turns.ok() ? turns->size() : 0;
  }

  // Waits for `condition`, which a background thread brings about.
  static bool Await(const std::function<bool()>& condition,
                    absl::Duration limit = absl::Seconds(20)) {
    const absl::Time end = absl::Now() + limit;
    while (!condition()) {
      if (absl::Now() > end) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return true;
  }

  // The newest file that begins with `prefix`.
  std::string FindFile(const std::string& prefix) {
    std::string found;
    for (const auto& entry :
         std::filesystem::directory_iterator(options_.path)) {
      const std::string name = entry.path().filename();
      if (name.rfind(prefix, 0) == 0) found = std::max(found, name);
    }
    return options_.path + "/" + found;
  }

  std::string path_;
  RocksDbSessionRepositoryOptions options_;
  std::unique_ptr<RocksDbSessionRepository> repository_;
};

TEST_F(RocksDbSessionRepositoryTest, KeepsEverythingAcrossARestart) {
  Open();
  SessionRecord record = NewSession();
  ASSERT_TRUE(repository_->CreateSession(kName, record).ok());
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(AddTurn(*repository_, record).ok());
  Open();
  EXPECT_EQ((*repository_->FindSession(kName))->head, 100u);
  EXPECT_EQ(StoredTurns(), 100u);
}

TEST_F(RocksDbSessionRepositoryTest, CountsExactlyAcrossRestarts) {
  Open();
  std::vector<SessionRecord> records;
  for (int i = 0; i < 10; ++i) {
    records.push_back(NewSession());
    records.back().life = i + 1;
    ASSERT_TRUE(
        repository_
            ->CreateSession({{i < 7 ? "a" : "b", ""}, std::to_string(i)},
                            records.back())
            .ok());
  }
  Open();
  EXPECT_EQ(repository_->SessionCount("a"), 7);
  EXPECT_EQ(repository_->SessionCount("b"), 3);
  for (int i = 7; i < 10; ++i) {
    ASSERT_TRUE(
        repository_->RemoveSession({{"b", ""}, std::to_string(i)}, records[i])
            .ok());
  }
  Open();
  EXPECT_EQ(repository_->SessionCount("a"), 7);
  EXPECT_EQ(repository_->SessionCount("b"), 0);
  EXPECT_EQ(repository_->TotalSessionCount(), 7);
  EXPECT_THAT(repository_->Tenants(), ElementsAre("a"));
}

TEST_F(RocksDbSessionRepositoryTest, CountsExactlyUnderConcurrentCreation) {
  Open();
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      for (int j = 0; j < 50; ++j) {
        SessionRecord record = NewSession();
        record.life = i * 1000 + j + 1;
        const SessionName name{{"a", ""}, std::to_string(record.life)};
        EXPECT_TRUE(repository_->CreateSession(name, record).ok());
        if (j % 5 == 0) {
          EXPECT_TRUE(repository_->RemoveSession(name, record).ok());
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(repository_->SessionCount("a"), 160);
  Open();
  EXPECT_EQ(repository_->SessionCount("a"), 160);
}

TEST_F(RocksDbSessionRepositoryTest, AFinishedRemovalIsResumedAfterARestart) {
  Open();
  SessionRecord record = NewSession();
  ASSERT_TRUE(repository_->CreateSession(kName, record).ok());
  for (int i = 0; i < 30; ++i) ASSERT_TRUE(AddTurn(*repository_, record).ok());
  ASSERT_TRUE(repository_->RemoveSession(kName, record).ok());
  ASSERT_TRUE(*repository_->CollectGarbage(10));
  Open();
  while (*repository_->CollectGarbage(10)) {
  }
  EXPECT_EQ(StoredTurns(), 0u);
}

// --- What is acknowledged survives the process -----------------------------

TEST_F(RocksDbSessionRepositoryTest, WhatIsAcknowledgedSurvivesKill) {
  // The syncing thread would blur what a plain write is worth.
  options_.sync_interval = absl::InfiniteDuration();
  int acknowledged[2];
  ASSERT_EQ(pipe(acknowledged), 0);
  const pid_t writer = fork();
  ASSERT_GE(writer, 0);
  if (writer == 0) {
    close(acknowledged[0]);
    auto opened = RocksDbSessionRepository::Open(options_);
    if (!opened.ok()) _exit(1);
    SessionRecord record = NewSession();
    if (!(*opened)->CreateSession(kName, record).ok()) _exit(1);
    while (AddTurn(**opened, record).ok()) {
      if (write(acknowledged[1], "x", 1) != 1) _exit(1);
    }
    _exit(1);
  }
  close(acknowledged[1]);
  size_t count = 0;
  char buffer[256];
  while (count < 2000) {
    const ssize_t got = read(acknowledged[0], buffer, sizeof(buffer));
    ASSERT_GT(got, 0) << "the writer ended by itself";
    count += got;
  }
  ASSERT_EQ(kill(writer, SIGKILL), 0);
  for (ssize_t got;
       (got = read(acknowledged[0], buffer, sizeof(buffer))) > 0;) {
    count += got;
  }
  close(acknowledged[0]);
  int status = 0;
  ASSERT_EQ(waitpid(writer, &status, 0), writer);
  ASSERT_TRUE(WIFSIGNALED(status));

  Open();
  // One more may have been written and not acknowledged.
  EXPECT_GE(StoredTurns(), count);
  EXPECT_LE(StoredTurns(), count + 1);
  EXPECT_EQ((*repository_->FindSession(kName))->head, StoredTurns());
  EXPECT_EQ(repository_->SessionCount("t"), 1);
}

// --- And the machine, once synced ------------------------------------------

class PowerLossTest : public RocksDbSessionRepositoryTest {
 protected:
  PowerLossTest() { options_.env = disk_.env(); }
  ~PowerLossTest() override { repository_.reset(); }

  // Writes turns, waits for what the sync interval promises, and takes the
  // power away. Returns the turns that were acknowledged.
  size_t WriteAndLosePower(const std::function<bool()>& promise) {
    Open();
    SessionRecord record = NewSession();
    EXPECT_TRUE(repository_->CreateSession(kName, record).ok());
    for (int i = 0; i < 100; ++i) {
      EXPECT_TRUE(AddTurn(*repository_, record).ok());
    }
    EXPECT_TRUE(promise());
    disk_.CutPower();
    repository_.reset();
    disk_.RestorePower();
    Open();
    return 100;
  }

  CrashDisk disk_;
};

TEST_F(PowerLossTest, WhatIsAcknowledgedSurvivesItOnceTheIntervalIsOver) {
  const size_t acknowledged = WriteAndLosePower(
      [&] { return Await([&] { return disk_.UnsyncedBytes() == 0; }); });
  EXPECT_EQ(StoredTurns(), acknowledged);
  EXPECT_EQ((*repository_->FindSession(kName))->head, acknowledged);
  EXPECT_EQ(repository_->SessionCount("t"), 1);
}

TEST_F(PowerLossTest, WithoutTheSyncItWouldNot) {
  options_.sync_interval = absl::InfiniteDuration();
  WriteAndLosePower([&] { return disk_.UnsyncedBytes() > 0; });
  EXPECT_EQ(StoredTurns(), 0u);
  EXPECT_FALSE(repository_->FindSession(kName)->has_value());
  EXPECT_EQ(repository_->SessionCount("t"), 0);
}

TEST_F(PowerLossTest, TheIntervalIs50MillisecondsAndIdleStoresDoNotSync) {
  EXPECT_EQ(RocksDbSessionRepositoryOptions().sync_interval,
            absl::Milliseconds(50));
  Open();
  SessionRecord record = NewSession();
  ASSERT_TRUE(repository_->CreateSession(kName, record).ok());
  // On a busy machine the best of some rounds is what the store does.
  absl::Duration best = absl::InfiniteDuration();
  for (int i = 0; i < 10 && best > absl::Milliseconds(80); ++i) {
    ASSERT_TRUE(AddTurn(*repository_, record).ok());
    const absl::Time written = absl::Now();
    ASSERT_TRUE(Await([&] { return disk_.UnsyncedBytes() == 0; }));
    best = std::min(best, absl::Now() - written);
  }
  EXPECT_LE(best, absl::Milliseconds(80));
  const int64_t syncs = disk_.Syncs();
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  EXPECT_EQ(disk_.Syncs(), syncs);
}

TEST_F(PowerLossTest, AGoodStopSyncs) {
  options_.sync_interval = absl::Hours(24);
  Open();
  SessionRecord record = NewSession();
  ASSERT_TRUE(repository_->CreateSession(kName, record).ok());
  repository_.reset();
  disk_.CutPower();
  disk_.RestorePower();
  Open();
  EXPECT_TRUE(repository_->FindSession(kName)->has_value());
}

// --- A disk that fails -----------------------------------------------------

TEST_F(PowerLossTest, AFullDiskRefusesWritesUntilThereIsRoom) {
  Open();
  SessionRecord record = NewSession();
  ASSERT_TRUE(repository_->CreateSession(kName, record).ok());
  ASSERT_TRUE(AddTurn(*repository_, record).ok());
  EXPECT_TRUE(repository_->Health().ok());

  disk_.SetFull(true);
  SessionRecord failed = record;
  const absl::Status full = AddTurn(*repository_, failed);
  EXPECT_TRUE(absl::IsUnavailable(full));
  EXPECT_EQ(ReasonOf(full), reason::kSessionUnavailable);
  EXPECT_TRUE(DetailOf(full)->has_retry_delay());
  EXPECT_FALSE(repository_->Health().ok());
  EXPECT_FALSE(repository_->Repair().ok());

  disk_.SetFull(false);
  ASSERT_TRUE(repository_->Repair().ok());
  EXPECT_TRUE(repository_->Health().ok());
  EXPECT_EQ(StoredTurns(), 1u);
  EXPECT_EQ(repository_->SessionCount("t"), 1);
  EXPECT_TRUE(AddTurn(*repository_, record).ok());
  EXPECT_EQ(StoredTurns(), 2u);
}

// --- What is damaged stands in nobody else's way ---------------------------

class DamageTest : public RocksDbSessionRepositoryTest {
 protected:
  // A key of the family `tenants`.
  static std::string Key(char kind) {
    std::string key;
    storage::AppendSized(key, "t");
    key.push_back(kind);
    return key;
  }
  static std::string SessionKey() {
    std::string key = Key('s');
    storage::AppendSized(key, "u");
    return key + "s";
  }
  static std::string LifeKey(char kind, uint64_t number) {
    std::string key = Key(kind);
    storage::AppendBigEndian64(key, kLife);
    storage::AppendBigEndian64(key, number);
    return key;
  }

  // Puts garbage there, and opens the store again.
  void Damage(const std::string& key) {
    repository_.reset();
    {
      auto database = storage::Database::Open(
          {.path = options_.path, .column_families = {"store", "tenants"}});
      ASSERT_TRUE(database.ok()) << database.status();
      rocksdb::WriteBatch batch;
      batch.Put((*database)->Use()->family(1), key, "\xff");
      ASSERT_TRUE((*database)->Write(batch, /*synced=*/true).ok());
    }
    Open();
  }

  void MakeSession(int turns) {
    Open();
    SessionRecord record = NewSession();
    ASSERT_TRUE(repository_->CreateSession(kName, record).ok());
    for (int i = 0; i < turns; ++i) {
      ASSERT_TRUE(AddTurn(*repository_, record).ok());
    }
    SessionRecord other = NewSession();
    other.life = kLife + 1;
    ASSERT_TRUE(repository_->CreateSession(kOther, other).ok());
  }

  const SessionName kOther{{"t", "u"}, "other"};
};

TEST_F(DamageTest, ADamagedSessionIsTold) {
  MakeSession(3);
  Damage(SessionKey());
  const absl::Status damaged = repository_->FindSession(kName).status();
  EXPECT_TRUE(absl::IsDataLoss(damaged)) << damaged;
  EXPECT_EQ(ReasonOf(damaged), reason::kDataLoss);
  EXPECT_EQ(repository_->Damages(), 1);
  EXPECT_TRUE(repository_->FindSession(kOther)->has_value());
  const auto listed = repository_->ListSessions(kName.owner, "", 10);
  ASSERT_TRUE(listed.ok()) << listed.status();
  EXPECT_EQ(listed->size(), 1u);

  ASSERT_TRUE(repository_->RemoveDamagedSession(kName).ok());
  EXPECT_FALSE(repository_->FindSession(kName)->has_value());
  EXPECT_EQ(repository_->SessionCount("t"), 1);
  EXPECT_FALSE(*repository_->CollectGarbage(10));
  EXPECT_EQ(StoredTurns(), 0u);
}

TEST_F(DamageTest, ADamagedTurnIsToldToThoseWhoReadIt) {
  MakeSession(3);
  Damage(LifeKey('t', 2));
  EXPECT_TRUE(absl::IsDataLoss(repository_->FindTurn("t", kLife, 2).status()));
  EXPECT_TRUE(absl::IsDataLoss(
      repository_->ReadBranch("t", kLife, 3, 1 << 20).status()));
  EXPECT_TRUE(
      absl::IsDataLoss(repository_->ListTurns("t", kLife, 0, 10).status()));
  EXPECT_TRUE(repository_->FindTurn("t", kLife, 3)->has_value());
}

TEST_F(DamageTest, CleaningPassesADamagedTurn) {
  MakeSession(30);
  Damage(LifeKey('t', 2));
  const auto record = repository_->FindSession(kName);
  ASSERT_TRUE(repository_->RemoveSession(kName, **record).ok());
  const auto other = repository_->FindSession(kOther);
  ASSERT_TRUE(repository_->RemoveSession(kOther, **other).ok());
  bool more = true;
  for (int i = 0; more && i < 100; ++i) {
    const auto collected = repository_->CollectGarbage(10);
    ASSERT_TRUE(collected.ok()) << collected.status();
    more = *collected;
  }
  EXPECT_FALSE(more);
  EXPECT_EQ(StoredTurns(), 0u);
  EXPECT_FALSE(repository_->FindCommit("t", kLife, "req-30")->has_value());
  EXPECT_EQ(repository_->Damages(), 1);
}

TEST_F(DamageTest, CleaningPassesADamagedEntryOfItsIndex) {
  MakeSession(1);
  std::string key = Key('x');
  storage::AppendBigEndian64(
      key, static_cast<uint64_t>(absl::ToUnixMicros(kNow + absl::Hours(1))));
  storage::AppendBigEndian64(key, kLife);
  Damage(key);
  for (int i = 0; i < 2; ++i) {
    const auto due = repository_->FindDue("t", kNow + absl::Hours(9), 10);
    ASSERT_TRUE(due.ok()) << due.status();
    ASSERT_EQ(due->size(), 1u);
    EXPECT_EQ(due->front().name, kOther);
  }
  EXPECT_EQ(repository_->Damages(), 1);
}

// Not even with monitoring on.
TEST_F(DamageTest, TheLogNamesNoUserAndNoSession) {
  const SessionName name{{"tenant-1", "ann@example.com"}, "plan-b"};
  const std::string answer = "answer-1";
  Open();
  SessionRecord record = NewSession();
  ASSERT_TRUE(repository_->CreateSession(name, record).ok());
  const auto key = [&](char kind, const std::string& last) {
    std::string key;
    storage::AppendSized(key, name.owner.tenant);
    key.push_back(kind);
    storage::AppendSized(key, name.owner.user);
    return key + last;
  };
  Damage(key('s', name.session_id));
  Damage(key('a', answer));
  LogCapture log;
  EXPECT_FALSE(repository_->FindSession(name).ok());
  EXPECT_TRUE(repository_->ListSessions(name.owner, "", 10)->empty());
  EXPECT_FALSE(repository_->FindAlias(name.owner, answer).ok());
  EXPECT_EQ(repository_->Damages(), 3);
  int told = 0;
  for (const std::string& line : log.Lines()) {
    for (const std::string& secret :
         {name.owner.user, name.session_id, answer}) {
      EXPECT_THAT(line, Not(HasSubstr(secret)));
    }
    if (line.find("stored data is damaged") == std::string::npos) continue;
    ++told;
    EXPECT_THAT(line, ContainsRegex("tenant-1/[0-9a-f]{16}\\b"));
  }
  EXPECT_EQ(told, 3);
}

// --- A directory that cannot be opened -------------------------------------

TEST_F(RocksDbSessionRepositoryTest, ALockedDirectoryIsRefused) {
  Open();
  const absl::Status refused =
      RocksDbSessionRepository::Open(options_).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(refused.message()),
              HasSubstr("another process uses " + options_.path));
}

TEST_F(RocksDbSessionRepositoryTest, ATruncatedManifestIsRefused) {
  Open();
  repository_.reset();
  std::filesystem::resize_file(FindFile("MANIFEST-"), 10);
  const absl::Status refused =
      RocksDbSessionRepository::Open(options_).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kDataLoss) << refused;
  EXPECT_THAT(std::string(refused.message()),
              HasSubstr(options_.path + " is damaged"));
}

TEST_F(RocksDbSessionRepositoryTest, ACorruptManifestIsRefused) {
  Open();
  repository_.reset();
  const std::string manifest = FindFile("MANIFEST-");
  std::fstream file(manifest, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(12);
  file << "garbage";
  file.close();
  EXPECT_EQ(RocksDbSessionRepository::Open(options_).status().code(),
            absl::StatusCode::kDataLoss);
}

TEST_F(RocksDbSessionRepositoryTest, AnotherFormatIsRefused) {
  Open();
  repository_.reset();
  {
    auto database = storage::Database::Open(
        {.path = options_.path, .column_families = {"store", "tenants"}});
    ASSERT_TRUE(database.ok()) << database.status();
    rocksdb::WriteBatch batch;
    batch.Put((*database)->Use()->family(0), "format", "2");
    ASSERT_TRUE((*database)->Write(batch, /*synced=*/true).ok());
  }
  const absl::Status refused =
      RocksDbSessionRepository::Open(options_).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("format '2'"));
}

}  // namespace
}  // namespace gateway::session_store
