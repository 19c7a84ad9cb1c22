#include "services/batch_aggregator/rocksdb_batch_repository.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <set>
#include <thread>

#include "common/status/error.h"
#include "services/batch_aggregator/batch_tally.h"
#include "tests/support/crash_disk.h"

namespace gateway::batch_aggregator {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

const absl::Time kNow = absl::FromUnixSeconds(1'800'000'000);

class RocksDbBatchRepositoryTest : public testing::Test {
 protected:
  RocksDbBatchRepositoryTest() {
    std::string pattern = testing::TempDir() + "batches_XXXXXX";
    path_ = mkdtemp(pattern.data());
    options_.path = path_ + "/data";
    options_.retention = absl::Hours(1);
  }
  ~RocksDbBatchRepositoryTest() override {
    repository_.reset();
    std::filesystem::remove_all(path_);
  }

  void Open() {
    repository_.reset();
    auto opened = RocksDbBatchRepository::Open(options_);
    ASSERT_TRUE(opened.ok()) << opened.status();
    repository_ = *std::move(opened);
  }

  static std::vector<StagedItem> Items(int count) {
    std::vector<StagedItem> items(count);
    for (int i = 0; i < count; ++i) {
      items[i].item.mutable_item()->set_custom_id("c" + std::to_string(i));
      items[i].pending.set_bytes(10);
    }
    return items;
  }

  static stored::v1::Batch Record(uint64_t number, int count,
                                  const std::string& key = "",
                                  const std::string& tenant = "acme") {
    stored::v1::Batch batch;
    batch.set_batch_id(MakeBatchId(number));
    batch.mutable_account()->set_tenant(tenant);
    batch.set_idempotency_key(key);
    batch.add_models("m");
    batch.set_state(v1::BATCH_STATE_RUNNING);
    batch.set_create_time_us(absl::ToUnixMicros(kNow));
    batch.set_total_items(count);
    return batch;
  }

  // The whole way of a batch of `count` items.
  absl::StatusOr<CommittedBatch> TryMake(int count, const std::string& key = "",
                                         const std::string& tenant = "acme",
                                         int64_t max_open = 100) {
    const uint64_t number = repository_->Reserve();
    absl::Status staged = repository_->Stage(number, 0, Items(count));
    if (!staged.ok()) return staged;
    return repository_->Commit(number, Record(number, count, key, tenant),
                               max_open, kNow);
  }

  stored::v1::Batch Make(int count, const std::string& key = "",
                         const std::string& tenant = "acme") {
    const auto made = TryMake(count, key, tenant);
    EXPECT_TRUE(made.ok()) << made.status();
    return made.ok() ? made->batch : stored::v1::Batch();
  }

  static uint64_t NumberOf(const stored::v1::Batch& batch) {
    return *BatchNumber(batch.batch_id());
  }

  static NewResult Answer(const stored::v1::Batch& batch, uint32_t index) {
    NewResult result{{NumberOf(batch), index}, {}};
    result.result.set_custom_id("c" + std::to_string(index));
    result.result.mutable_answer();
    return result;
  }

  absl::Status Append(const stored::v1::Batch& batch,
                      const std::vector<uint32_t>& indices) {
    std::vector<NewResult> results;
    for (const uint32_t index : indices) {
      results.push_back(Answer(batch, index));
    }
    return repository_->AppendResults(results, kNow).status();
  }

  std::vector<std::string> ResultIds(const stored::v1::Batch& batch,
                                     uint64_t after = 0) {
    const auto page = repository_->ReadResults(
        batch.account().tenant(), batch.batch_id(), after, 1 << 20, kNow);
    EXPECT_TRUE(page.ok()) << page.status();
    std::vector<std::string> ids;
    for (const StoredResult& result : page->results) {
      ids.push_back(result.result.custom_id());
    }
    return ids;
  }

  stored::v1::Batch Get(const stored::v1::Batch& batch) {
    const auto found =
        repository_->Find(batch.account().tenant(), batch.batch_id(), kNow);
    EXPECT_TRUE(found.ok()) << found.status();
    return found.ok() ? *found : stored::v1::Batch();
  }

  // A batch whose items 3 and 4 are answered and 7 is in a flush, all of it
  // acknowledged before the power goes.
  stored::v1::Batch WorkAndLosePower() {
    options_.env = disk_.env();
    Open();
    const stored::v1::Batch batch = Make(20'000);
    EXPECT_TRUE(
        repository_->RecordFlush({"acme", "m"}, "p/m", {{NumberOf(batch), 7}})
            .ok());
    EXPECT_TRUE(Append(batch, {3, 4}).ok());
    disk_.CutPower();
    repository_.reset();
    disk_.RestorePower();
    Open();
    return batch;
  }

  // Indices of the items without a result.
  std::vector<uint32_t> PendingItems(const stored::v1::Batch& batch) {
    const auto unfinished = repository_->LoadUnfinished();
    EXPECT_TRUE(unfinished.ok()) << unfinished.status();
    std::vector<uint32_t> indices;
    for (const OpenBatch& open : unfinished->batches) {
      if (open.number != NumberOf(batch)) continue;
      for (const OpenBatch::Item& item : open.items) {
        indices.push_back(item.index);
      }
    }
    return indices;
  }

  std::string path_;
  CrashDisk disk_;
  RocksDbBatchRepositoryOptions options_;
  std::unique_ptr<RocksDbBatchRepository> repository_;
};

TEST_F(RocksDbBatchRepositoryTest, ABatchAndItsItemsSurviveAReopening) {
  Open();
  const stored::v1::Batch batch = Make(3);
  Open();
  EXPECT_EQ(Get(batch).total_items(), 3);
  EXPECT_THAT(PendingItems(batch), ElementsAre(0, 1, 2));
  EXPECT_EQ(repository_->ReadItem({NumberOf(batch), 2})->item().custom_id(),
            "c2");
  EXPECT_EQ(repository_->OpenBatches(), 1);
  EXPECT_GT(repository_->Reserve(), NumberOf(batch));
}

TEST_F(RocksDbBatchRepositoryTest, WhatWasStagedAndNotCommittedIsGone) {
  Open();
  const uint64_t number = repository_->Reserve();
  ASSERT_TRUE(repository_->Stage(number, 0, Items(2)).ok());
  Open();
  EXPECT_TRUE(absl::IsNotFound(repository_->ReadItem({number, 0}).status()));
  EXPECT_THAT(repository_->LoadUnfinished()->batches, IsEmpty());
}

TEST_F(RocksDbBatchRepositoryTest, TheSameKeyGivesTheSameBatch) {
  Open();
  const stored::v1::Batch batch = Make(2, "key");
  const auto again = TryMake(5, "key");
  ASSERT_TRUE(again.ok());
  EXPECT_FALSE(again->created);
  EXPECT_EQ(again->batch.batch_id(), batch.batch_id());
  EXPECT_NE(Make(2, "key", "other").batch_id(), batch.batch_id());
  Open();
  EXPECT_FALSE(TryMake(1, "key")->created);
  EXPECT_EQ(repository_->FindByKey("acme", "key", kNow).value()->batch_id(),
            batch.batch_id());
  EXPECT_FALSE(repository_->FindByKey("acme", "no", kNow)->has_value());
  EXPECT_EQ(repository_->OpenBatches(), 2);
}

TEST_F(RocksDbBatchRepositoryTest, OfConcurrentCallsWithAKeyOneMakesTheBatch) {
  Open();
  std::vector<absl::StatusOr<CommittedBatch>> made(8);
  {
    std::vector<std::jthread> threads;
    for (auto& each : made) {
      threads.emplace_back([&] { each = TryMake(1, "key"); });
    }
  }
  std::set<std::string> ids;
  int created = 0;
  for (const auto& each : made) {
    ASSERT_TRUE(each.ok()) << each.status();
    ids.insert(each->batch.batch_id());
    created += each->created;
  }
  EXPECT_THAT(ids, SizeIs(1));
  EXPECT_EQ(created, 1);
}

TEST_F(RocksDbBatchRepositoryTest, BoundsTheOpenBatchesOfATenant) {
  Open();
  const stored::v1::Batch batch = Make(1);
  EXPECT_EQ(ReasonOf(TryMake(1, "", "acme", 1).status()), reason::kBatchLimit);
  EXPECT_TRUE(TryMake(1, "", "other", 1).ok());
  ASSERT_TRUE(Append(batch, {0}).ok());
  EXPECT_TRUE(TryMake(1, "", "acme", 1).ok());
}

TEST_F(RocksDbBatchRepositoryTest, AnotherTenantSeesNothing) {
  Open();
  const stored::v1::Batch batch = Make(1);
  EXPECT_EQ(
      ReasonOf(repository_->Find("other", batch.batch_id(), kNow).status()),
      reason::kBatchNotFound);
  EXPECT_EQ(
      ReasonOf(
          repository_->BeginCancel("other", batch.batch_id(), kNow).status()),
      reason::kBatchNotFound);
  EXPECT_EQ(
      ReasonOf(repository_->ReadResults("other", batch.batch_id(), 0, 1, kNow)
                   .status()),
      reason::kBatchNotFound);
  EXPECT_THAT(*repository_->List("other", "", 10, kNow), IsEmpty());
  // The right number with another's random part.
  EXPECT_FALSE(
      repository_->Find("acme", MakeBatchId(NumberOf(batch)), kNow).ok());
}

TEST_F(RocksDbBatchRepositoryTest, ListsNewestFirstInPages) {
  Open();
  const std::string first = Make(1).batch_id();
  const std::string second = Make(1).batch_id();
  const std::string third = Make(1).batch_id();
  const auto page = repository_->List("acme", "", 2, kNow);
  ASSERT_THAT(*page, SizeIs(2));
  EXPECT_EQ((*page)[0].batch_id(), third);
  EXPECT_EQ((*page)[1].batch_id(), second);
  const auto rest = repository_->List("acme", second, 2, kNow);
  ASSERT_THAT(*rest, SizeIs(1));
  EXPECT_EQ((*rest)[0].batch_id(), first);
  EXPECT_FALSE(repository_->List("acme", "junk", 2, kNow).ok());
}

TEST_F(RocksDbBatchRepositoryTest, ResultsComeInTheirOrderAndEndTheBatch) {
  Open();
  const stored::v1::Batch batch = Make(3);
  ASSERT_TRUE(Append(batch, {2, 0}).ok());
  EXPECT_THAT(PendingItems(batch), ElementsAre(1));
  ASSERT_TRUE(Append(batch, {1}).ok());
  Open();
  EXPECT_THAT(ResultIds(batch), ElementsAre("c2", "c0", "c1"));
  EXPECT_THAT(ResultIds(batch, 1), ElementsAre("c0", "c1"));
  EXPECT_EQ(Get(batch).state(), v1::BATCH_STATE_SUCCEEDED);
  EXPECT_EQ(Get(batch).succeeded_items(), 3);
  EXPECT_EQ(repository_->OpenBatches(), 0);
}

TEST_F(RocksDbBatchRepositoryTest, AnItemKeepsItsFirstResult) {
  Open();
  const stored::v1::Batch batch = Make(2);
  ASSERT_TRUE(Append(batch, {0, 0}).ok());
  NewResult late = Answer(batch, 0);
  late.result = FailedResult("c0", absl::InternalError("late"));
  const auto appended =
      repository_->AppendResults({late, Answer(batch, 1), late}, kNow);
  ASSERT_TRUE(appended.ok());
  EXPECT_THAT(appended->stored, ElementsAre(1));
  EXPECT_THAT(ResultIds(batch), ElementsAre("c0", "c1"));
  EXPECT_EQ(Get(batch).succeeded_items(), 2);
  EXPECT_EQ(Get(batch).failed_items(), 0);
}

TEST_F(RocksDbBatchRepositoryTest, AWriteThatOnlySeemedToFailIsMadeOnce) {
  options_.env = disk_.env();
  Open();
  const stored::v1::Batch batch = Make(4);
  const uint64_t number = NumberOf(batch);
  const auto record = [&](std::vector<ItemRef> items) {
    return repository_->RecordFlush({"acme", "m"}, "p/m", items).status();
  };
  const auto fail_once = [&](const std::function<absl::Status()>& write) {
    disk_.FailLogSyncs(true);
    EXPECT_EQ(ReasonOf(write()), reason::kStorageUnavailable);
    disk_.FailLogSyncs(false);
    ASSERT_TRUE(repository_->Repair().ok());
  };
  fail_once([&] { return record({{number, 0}, {number, 1}}); });
  ASSERT_THAT(repository_->LoadUnfinished()->flushes, SizeIs(1)) << "it landed";
  ASSERT_TRUE(record({{number, 0}, {number, 1}}).ok());
  EXPECT_THAT(repository_->LoadUnfinished()->flushes, SizeIs(1));
  ASSERT_TRUE(record({{number, 2}}).ok());
  EXPECT_THAT(repository_->LoadUnfinished()->flushes, SizeIs(2));

  fail_once([&] { return Append(batch, {0, 1}); });
  ASSERT_THAT(ResultIds(batch), ElementsAre("c0", "c1")) << "it landed";
  const auto again = repository_->AppendResults(
      {Answer(batch, 0), Answer(batch, 1), Answer(batch, 2)}, kNow);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_THAT(again->stored, ElementsAre(0, 1, 2));
  EXPECT_THAT(ResultIds(batch), ElementsAre("c0", "c1", "c2"));
  EXPECT_THAT(repository_->LoadUnfinished()->flushes, IsEmpty());
  EXPECT_THAT(repository_->AppendResults({Answer(batch, 0)}, kNow)->stored,
              IsEmpty());
}

TEST_F(RocksDbBatchRepositoryTest, AnItemOfTwoFlushesIsOfTheFirst) {
  Open();
  const stored::v1::Batch batch = Make(3);
  const uint64_t number = NumberOf(batch);
  for (const std::vector<ItemRef>& items :
       {std::vector<ItemRef>{{number, 0}, {number, 1}},
        std::vector<ItemRef>{{number, 1}},
        std::vector<ItemRef>{{number, 1}, {number, 2}}}) {
    ASSERT_TRUE(repository_->RecordFlush({"acme", "m"}, "p/m", items).ok());
  }
  Open();
  EXPECT_THAT(repository_->LoadUnfinished()->flushes, SizeIs(2));
  ASSERT_TRUE(Append(batch, {0, 1}).ok());
  EXPECT_THAT(repository_->LoadUnfinished()->flushes, SizeIs(1));
  ASSERT_TRUE(Append(batch, {2}).ok());
  EXPECT_THAT(repository_->LoadUnfinished()->flushes, IsEmpty());
}

TEST_F(RocksDbBatchRepositoryTest, AFlushIsRememberedUntilItIsAnswered) {
  Open();
  const stored::v1::Batch batch = Make(3);
  const uint64_t number = NumberOf(batch);
  ASSERT_TRUE(
      repository_->RecordFlush({"acme", "m"}, "p/m", {{number, 0}, {number, 1}})
          .ok());
  Open();
  auto unfinished = repository_->LoadUnfinished();
  ASSERT_THAT(unfinished->flushes, SizeIs(1));
  EXPECT_EQ(unfinished->flushes[0].planned_target(), "p/m");
  EXPECT_EQ(unfinished->flushes[0].items_size(), 2);
  ASSERT_TRUE(Append(batch, {0, 2}).ok());
  EXPECT_THAT(repository_->LoadUnfinished()->flushes, SizeIs(1));
  ASSERT_TRUE(Append(batch, {1}).ok());
  EXPECT_THAT(repository_->LoadUnfinished()->flushes, IsEmpty());
}

TEST_F(RocksDbBatchRepositoryTest, CancellingIsRemembered) {
  Open();
  const stored::v1::Batch batch = Make(1);
  const auto cancelled =
      repository_->BeginCancel("acme", batch.batch_id(), kNow);
  ASSERT_TRUE(cancelled.ok());
  EXPECT_EQ(cancelled->number, NumberOf(batch));
  Open();
  EXPECT_EQ(Get(batch).state(), v1::BATCH_STATE_CANCELLING);
  EXPECT_TRUE(repository_->BeginCancel("acme", batch.batch_id(), kNow).ok());
}

TEST_F(RocksDbBatchRepositoryTest, AnExpiredBatchIsAbsentAndThenDeleted) {
  Open();
  const stored::v1::Batch batch = Make(1, "key");
  ASSERT_TRUE(Append(batch, {0}).ok());
  const absl::Time later = kNow + absl::Hours(1);
  EXPECT_FALSE(repository_->Find("acme", batch.batch_id(), later).ok());
  EXPECT_THAT(*repository_->List("acme", "", 10, later), IsEmpty());
  EXPECT_FALSE(repository_->FindByKey("acme", "key", later)->has_value());
  // The key may be used again before the old batch is deleted.
  const uint64_t number = repository_->Reserve();
  ASSERT_TRUE(repository_->Stage(number, 0, Items(1)).ok());
  ASSERT_TRUE(
      repository_->Commit(number, Record(number, 1, "key"), 9, later)->created);
  EXPECT_FALSE(*repository_->DeleteExpired(later - absl::Seconds(1), 10));
  EXPECT_THAT(ResultIds(batch), SizeIs(1));
  EXPECT_FALSE(*repository_->DeleteExpired(later, 10));
  EXPECT_FALSE(repository_->Find("acme", batch.batch_id(), kNow).ok());
  EXPECT_TRUE(repository_->FindByKey("acme", "key", later)->has_value());
}

TEST_F(RocksDbBatchRepositoryTest, WhatWasAcknowledgedSurvivesALossOfPower) {
  const stored::v1::Batch batch = WorkAndLosePower();
  EXPECT_THAT(PendingItems(batch), SizeIs(19'998));
  EXPECT_THAT(ResultIds(batch), SizeIs(2));
  EXPECT_EQ(Get(batch).succeeded_items(), 2);
  EXPECT_THAT(repository_->LoadUnfinished()->flushes, SizeIs(1));
  EXPECT_EQ(
      repository_->ReadItem({NumberOf(batch), 19'999})->item().custom_id(),
      "c19999");
}

// The same on a disk that keeps no log: the test above can fail.
TEST_F(RocksDbBatchRepositoryTest, WithoutTheSyncItWouldNot) {
  disk_.IgnoreLogSyncs();
  const stored::v1::Batch batch = WorkAndLosePower();
  EXPECT_EQ(
      ReasonOf(repository_->Find("acme", batch.batch_id(), kNow).status()),
      reason::kBatchNotFound);
  EXPECT_THAT(repository_->LoadUnfinished()->flushes, IsEmpty());
}

TEST_F(RocksDbBatchRepositoryTest, ABatchThatWasRefusedIsNotThereLater) {
  options_.env = disk_.env();
  Open();
  const stored::v1::Batch before = Make(1);
  const uint64_t number = repository_->Reserve();
  ASSERT_TRUE(repository_->Stage(number, 0, Items(1)).ok());
  disk_.SetFull(true);
  const auto refused =
      repository_->Commit(number, Record(number, 1, "key"), 9, kNow);
  EXPECT_EQ(ReasonOf(refused.status()), reason::kStorageUnavailable);
  EXPECT_FALSE(repository_->Health().ok());
  EXPECT_FALSE(Append(before, {0}).ok());
  EXPECT_THAT(ResultIds(before), IsEmpty());
  disk_.SetFull(false);
  ASSERT_TRUE(repository_->Repair().ok());
  EXPECT_TRUE(repository_->Health().ok());
  EXPECT_FALSE(repository_->FindByKey("acme", "key", kNow)->has_value());
  EXPECT_THAT(*repository_->List("acme", "", 10, kNow), SizeIs(1));
  EXPECT_TRUE(Append(before, {0}).ok());
  EXPECT_THAT(ResultIds(before), ElementsAre("c0"));
  EXPECT_TRUE(TryMake(1, "key")->created);
}

// A child writes until it is killed, and tells in a pipe what it has
// acknowledged.
TEST_F(RocksDbBatchRepositoryTest, WhatWasAcknowledgedSurvivesAKill) {
  int pipe_ends[2];
  ASSERT_EQ(pipe(pipe_ends), 0);
  const pid_t child = fork();
  if (child == 0) {
    close(pipe_ends[0]);
    auto opened = RocksDbBatchRepository::Open(options_);
    if (!opened.ok()) _exit(1);
    repository_ = *std::move(opened);
    const stored::v1::Batch batch = Make(100'000, "key");
    for (uint32_t i = 0;; ++i) {
      if (!Append(batch, {i}).ok()) _exit(2);
      if (write(pipe_ends[1], &i, sizeof(i)) != sizeof(i)) _exit(3);
    }
  }
  close(pipe_ends[1]);
  uint32_t last = 0;
  int64_t acknowledged = 0;
  while (acknowledged < 50 &&
         read(pipe_ends[0], &last, sizeof(last)) == sizeof(last)) {
    ++acknowledged;
  }
  kill(child, SIGKILL);
  while (read(pipe_ends[0], &last, sizeof(last)) == sizeof(last)) {
    ++acknowledged;
  }
  close(pipe_ends[0]);
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status)) << WEXITSTATUS(status);

  Open();
  const auto batch = repository_->FindByKey("acme", "key", kNow);
  ASSERT_TRUE(batch.ok() && batch->has_value());
  // One more may have been stored than was told.
  const int64_t stored = (*batch)->succeeded_items();
  EXPECT_GE(stored, acknowledged);
  EXPECT_LE(stored, acknowledged + 1);
  EXPECT_THAT(PendingItems(**batch), SizeIs(100'000 - stored));
  EXPECT_EQ(PendingItems(**batch).front(), stored);
  EXPECT_THAT(ResultIds(**batch), SizeIs(stored));
}

// --- What is damaged stands in nobody else's way ---------------------------

class DamageTest : public RocksDbBatchRepositoryTest {
 protected:
  // So small that each read goes to the file.
  DamageTest() { options_.memory_bytes = 1; }

  // From here on the family's files cannot be read; what is written later can.
  // Precondition: it was opened after what is to be damaged was written.
  void Damage(const std::string& family) {
    int damaged = 0;
    for (const auto& entry :
         std::filesystem::directory_iterator(options_.path)) {
      if (entry.path().extension() != ".sst") continue;
      std::fstream file(entry.path(),
                        std::ios::in | std::ios::out | std::ios::binary);
      const std::string bytes((std::istreambuf_iterator<char>(file)), {});
      // The end of the property that says whose file it is.
      if (bytes.find("name" + family) == std::string::npos) continue;
      file.seekp(8);
      file.put(static_cast<char>(~bytes[8]));
      ++damaged;
    }
    EXPECT_GT(damaged, 0) << family;
  }
};

TEST_F(DamageTest, AnItemWhoseBodyIsDamagedKeepsItsName) {
  Open();
  std::vector<StagedItem> items = Items(2);
  items[1].pending.set_custom_id("c1");
  const uint64_t number = repository_->Reserve();
  ASSERT_TRUE(repository_->Stage(number, 0, items).ok());
  ASSERT_TRUE(repository_->Commit(number, Record(number, 2), 9, kNow).ok());
  Open();
  Damage("items");
  const absl::Status damaged = repository_->ReadItem({number, 1}).status();
  EXPECT_TRUE(absl::IsDataLoss(damaged)) << damaged;
  EXPECT_EQ(ReasonOf(damaged), reason::kDataLoss);
  EXPECT_EQ(damaged.message().find(path_), absl::string_view::npos);
  EXPECT_EQ(repository_->Damages(), 1);
  EXPECT_EQ(*repository_->ReadCustomId({number, 1}), "c1");
  EXPECT_TRUE(
      absl::IsDataLoss(repository_->ReadCustomId({number, 0}).status()));
}

TEST_F(DamageTest, DamagedItemsAreLoadedAsSuch) {
  Open();
  const stored::v1::Batch batch = Make(3);
  Open();
  ASSERT_TRUE(Append(batch, {1}).ok());
  const stored::v1::Batch later = Make(2);
  Damage("pending");
  const auto unfinished = repository_->LoadUnfinished();
  ASSERT_TRUE(unfinished.ok()) << unfinished.status();
  ASSERT_THAT(unfinished->batches, SizeIs(2));
  ASSERT_THAT(unfinished->batches[0].items, SizeIs(2));
  EXPECT_TRUE(unfinished->batches[0].items[0].damaged);
  EXPECT_EQ(unfinished->batches[0].items[1].index, 2u);
  EXPECT_FALSE(unfinished->batches[1].items[0].damaged);
  EXPECT_EQ(repository_->Damages(), 2);
  // They can be flushed with others, and get their results.
  const uint64_t number = NumberOf(batch);
  EXPECT_THAT(*repository_->RecordFlush({"acme", "m"}, "p/m",
                                        {{number, 0}, {NumberOf(later), 0}}),
              SizeIs(2));
  ASSERT_TRUE(Append(batch, {0, 2}).ok());
  EXPECT_EQ(Get(batch).state(), v1::BATCH_STATE_SUCCEEDED);
}

TEST_F(DamageTest, ADamagedBatchIsLetGoAndOthersGoOn) {
  Open();
  const stored::v1::Batch batch = Make(1, "key");
  Open();
  const stored::v1::Batch later = Make(1);
  Damage("batches");
  const auto damaged =
      repository_->AppendResults({Answer(batch, 0), Answer(later, 0)}, kNow);
  ASSERT_TRUE(damaged.ok()) << damaged.status();
  EXPECT_THAT(damaged->damaged, ElementsAre(NumberOf(batch)));
  EXPECT_THAT(ResultIds(later), ElementsAre("c0"));
  EXPECT_EQ(repository_->OpenBatches(), 0);
  EXPECT_TRUE(absl::IsDataLoss(
      repository_->Find("acme", batch.batch_id(), kNow).status()));
  EXPECT_TRUE(
      absl::IsDataLoss(repository_->FindByKey("acme", "key", kNow).status()));
  EXPECT_TRUE(repository_->LoadUnfinished().ok());
}

TEST_F(DamageTest, ADamagedResultIsReadAsAFailure) {
  Open();
  const stored::v1::Batch batch = Make(4);
  ASSERT_TRUE(Append(batch, {0, 1}).ok());
  Open();
  ASSERT_TRUE(Append(batch, {2, 3}).ok());
  Damage("results");
  std::vector<StoredResult> results;
  for (uint64_t after = 0; after < 4; after = results.back().sequence) {
    const auto page = repository_->ReadResults("acme", batch.batch_id(), after,
                                               1 << 20, kNow);
    ASSERT_TRUE(page.ok()) << page.status();
    ASSERT_FALSE(page->results.empty());
    results.insert(results.end(), page->results.begin(), page->results.end());
  }
  ASSERT_THAT(results, SizeIs(4));
  EXPECT_EQ(results[0].result.error().detail().reason(), reason::kDataLoss);
  EXPECT_EQ(results[1].result.error().detail().reason(), reason::kDataLoss);
  EXPECT_EQ(results[2].result.custom_id(), "c2");
  EXPECT_EQ(results[3].result.custom_id(), "c3");
}

TEST_F(DamageTest, ADamagedBatchExpiresLikeOthers) {
  Open();
  const stored::v1::Batch batch = Make(1, "key");
  ASSERT_TRUE(Append(batch, {0}).ok());
  Open();
  Damage("batches");
  EXPECT_FALSE(*repository_->DeleteExpired(kNow + absl::Hours(1), 10));
  EXPECT_FALSE(repository_->FindByKey("acme", "key", kNow)->has_value());
}

TEST_F(RocksDbBatchRepositoryTest, RefusesADirectoryThatIsInUse) {
  Open();
  EXPECT_TRUE(absl::IsFailedPrecondition(
      RocksDbBatchRepository::Open(options_).status()));
}

}  // namespace
}  // namespace gateway::batch_aggregator
