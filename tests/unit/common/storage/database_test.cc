#include "common/storage/database.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <optional>
#include <thread>

#include "common/status/error.h"
#include "tests/support/log_capture.h"

namespace gateway::storage {
namespace {

class DatabaseTest : public testing::Test {
 protected:
  DatabaseTest() {
    std::string pattern = testing::TempDir() + "database_XXXXXX";
    path_ = mkdtemp(pattern.data());
  }
  ~DatabaseTest() override { std::filesystem::remove_all(path_); }

  DatabaseOptions Options() {
    return {.path = path_, .column_families = {"turns", "index"}};
  }

  static absl::Status Put(Database& database, const std::string& key,
                          const std::string& value) {
    rocksdb::WriteBatch batch;
    batch.Put(database.Use()->family(1), key, value);
    return database.Write(batch, /*synced=*/true);
  }

  static std::optional<std::string> Get(Database& database, int family,
                                        const std::string& key) {
    std::string value;
    auto handle = database.Use();
    if (!handle.ok()) return std::nullopt;
    const bool found =
        (*handle)->Get({}, handle->family(family), key, &value).ok();
    return found ? std::optional(value) : std::nullopt;
  }

  std::string path_;
};

TEST_F(DatabaseTest, KeepsWhatWasWritten) {
  {
    auto database = Database::Open(Options());
    ASSERT_TRUE(database.ok()) << database.status();
    ASSERT_TRUE(Put(**database, "key", "value").ok());
  }
  auto database = Database::Open(Options());
  ASSERT_TRUE(database.ok()) << database.status();
  EXPECT_EQ(Get(**database, 1, "key"), "value");
  EXPECT_EQ(Get(**database, 0, "key"), std::nullopt);
}

TEST_F(DatabaseTest, RefusesADirectoryInUse) {
  auto first = Database::Open(Options());
  ASSERT_TRUE(first.ok());
  auto second = Database::Open(Options());
  EXPECT_EQ(second.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(second.status().message()),
              testing::HasSubstr("another process uses"));
}

// As another process does that has it open.
class ProcessWithLock {
 public:
  explicit ProcessWithLock(const std::string& path) {
    int ready[2];
    EXPECT_EQ(pipe(ready), 0);
    child_ = fork();
    if (child_ == 0) {
      const int file = open((path + "/LOCK").c_str(), O_RDWR | O_CREAT, 0644);
      struct flock whole = {};
      whole.l_type = F_WRLCK;
      const char locked = fcntl(file, F_SETLK, &whole) == 0 ? 'y' : 'n';
      (void)!write(ready[1], &locked, 1);
      while (true) pause();
    }
    char locked = 'n';
    EXPECT_EQ(read(ready[0], &locked, 1), 1);
    EXPECT_EQ(locked, 'y');
    close(ready[0]);
    close(ready[1]);
  }
  ~ProcessWithLock() {
    kill(child_, SIGKILL);
    waitpid(child_, nullptr, 0);
  }

 private:
  pid_t child_;
};

TEST_F(DatabaseTest, RefusesADirectoryThatAnotherProcessHasOpen) {
  ASSERT_TRUE(Database::Open(Options()).ok());
  {
    const ProcessWithLock other(path_);
    const absl::Status refused = Database::Open(Options()).status();
    EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_THAT(std::string(refused.message()),
                testing::StartsWith("another process uses " + path_));
  }
  EXPECT_TRUE(Database::Open(Options()).ok());
}

TEST_F(DatabaseTest, RefusesADamagedDirectory) {
  ASSERT_TRUE(Database::Open(Options()).ok());
  std::ofstream(path_ + "/CURRENT") << "no manifest\n";
  auto opened = Database::Open(Options());
  EXPECT_EQ(opened.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(opened.status().message()),
              testing::HasSubstr("is damaged"));
}

// --- A log that was not closed well ----------------------------------------

class LogTest : public DatabaseTest {
 protected:
  // Closed, with `records` in the log and nowhere else.
  void Write(int records) {
    auto database = Database::Open(Options());
    ASSERT_TRUE(database.ok()) << database.status();
    for (int i = 0; i < records; ++i) {
      ASSERT_TRUE(
          Put(**database, std::to_string(i), std::string(1000, 'x')).ok());
    }
  }

  std::string Log() {
    std::string log;
    for (const auto& entry : std::filesystem::directory_iterator(path_)) {
      if (entry.path().extension() == ".log") log = entry.path();
    }
    return log;
  }

  // Overwrites a byte of the log.
  void FlipByte(int64_t at) {
    std::fstream file(Log(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(at);
    const auto byte = static_cast<char>(file.get());
    file.seekp(at);
    file.put(static_cast<char>(byte ^ 1));
  }

  int64_t LogSize() {
    return static_cast<int64_t>(std::filesystem::file_size(Log()));
  }
};

TEST_F(LogTest, DamageInItStopsTheStart) {
  Write(100);
  FlipByte(LogSize() / 2);
  const absl::Status refused = Database::Open(Options()).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kDataLoss) << refused;
  EXPECT_THAT(
      std::string(refused.message()),
      testing::StartsWith(path_ + " is damaged; restore it from a backup or "
                                  "move it away to start afresh: "));
  // And nothing of it is lost meanwhile.
  FlipByte(LogSize() / 2);
  auto opened = Database::Open(Options());
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_TRUE(Get(**opened, 1, "99").has_value());
}

TEST_F(LogTest, ATornEndIsNoDamage) {
  Write(100);
  for (const int64_t torn : {1, 500, 1024}) {
    std::filesystem::resize_file(Log(), LogSize() - torn);
    auto opened = Database::Open(Options());
    ASSERT_TRUE(opened.ok()) << opened.status();
    EXPECT_TRUE(Get(**opened, 1, "98").has_value() || torn > 1);
    EXPECT_FALSE(Get(**opened, 1, "99").has_value());
    EXPECT_TRUE(Get(**opened, 1, "0").has_value());
    ASSERT_TRUE(Put(**opened, "99", std::string(1000, 'x')).ok());
  }
}

TEST_F(DatabaseTest, RefusesADirectoryWithForeignFamilies) {
  ASSERT_TRUE(Database::Open(Options()).ok());
  DatabaseOptions options = Options();
  options.column_families = {"turns"};
  EXPECT_EQ(Database::Open(options).status().code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST_F(DatabaseTest, SaysWhenAPathCannotBeMade) {
  std::ofstream(path_ + "/file") << "x";
  DatabaseOptions options = Options();
  options.path = path_ + "/file/below";
  EXPECT_EQ(Database::Open(options).status().code(),
            absl::StatusCode::kUnavailable);
}

// A disk on which no write succeeds while it is full.
class FullDisk : public rocksdb::EnvWrapper {
 public:
  FullDisk() : EnvWrapper(rocksdb::Env::Default()) {}

  rocksdb::Status NewWritableFile(const std::string& name,
                                  std::unique_ptr<rocksdb::WritableFile>* file,
                                  const rocksdb::EnvOptions& options) override {
    auto made = target()->NewWritableFile(name, file, options);
    if (made.ok()) *file = std::make_unique<File>(std::move(*file), this);
    return made;
  }

  std::atomic<bool> full{false};
  // What a write is told then.
  rocksdb::Status failure = rocksdb::Status::NoSpace();

 private:
  class File : public rocksdb::WritableFileWrapper {
   public:
    File(std::unique_ptr<rocksdb::WritableFile> file, FullDisk* disk)
        : WritableFileWrapper(file.get()),
          file_(std::move(file)),
          disk_(disk) {}

    rocksdb::Status Append(const rocksdb::Slice& data) override {
      if (disk_->full) return disk_->failure;
      return WritableFileWrapper::Append(data);
    }
    rocksdb::Status Append(const rocksdb::Slice& data,
                           const rocksdb::DataVerificationInfo& info) override {
      if (disk_->full) return disk_->failure;
      return WritableFileWrapper::Append(data, info);
    }

   private:
    const std::unique_ptr<rocksdb::WritableFile> file_;
    FullDisk* const disk_;
  };
};

TEST_F(DatabaseTest, ReadsTellWhatIsThereAndKeepRocksDbsWordsForTheLog) {
  auto database = Database::Open(Options());
  ASSERT_TRUE(database.ok()) << database.status();
  ASSERT_TRUE(Put(**database, "key", "value").ok());
  EXPECT_EQ(**(*database)->Get(1, "key"), "value");
  EXPECT_FALSE((*database)->Get(1, "none")->has_value());
  LogCapture log;
  const absl::Status damaged =
      ToStatus(rocksdb::Status::Corruption("in /some/file"));
  EXPECT_EQ(damaged.code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(ReasonOf(damaged), reason::kDataLoss);
  EXPECT_THAT(std::string(damaged.message()),
              testing::Not(testing::HasSubstr("/some/file")));
  EXPECT_THAT(log.Lines(), testing::Contains(testing::HasSubstr("/some/file")));
  EXPECT_EQ((*database)->damages(), 0);
  EXPECT_EQ((*database)->NoteDamage("turn", "turn_7").code(),
            absl::StatusCode::kDataLoss);
  EXPECT_EQ((*database)->damages(), 1);
  EXPECT_THAT(log.Lines(), testing::Contains(testing::HasSubstr("turn_7")));
}

#ifndef NDEBUG
TEST_F(DatabaseTest, AThreadThatTakesTwoHandlesIsEnded) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  auto opened = Database::Open(Options());
  ASSERT_TRUE(opened.ok()) << opened.status();
  Database& database = **opened;
  ASSERT_TRUE(Put(database, "key", "value").ok());
  {
    auto handle = database.Use();
    const Database::Handle moved = *std::move(handle);
    EXPECT_EQ(**moved.Get(1, "key"), "value");
    EXPECT_FALSE(moved.Get(1, "none")->has_value());
    std::jthread([&] { EXPECT_TRUE(database.Use().ok()); }).join();
  }
  EXPECT_TRUE(database.Use().ok());
  EXPECT_DEATH(
      {
        const auto first = database.Use();
        (void)database.Get(1, "key");
      },
      "held");
}
#endif

TEST_F(DatabaseTest, ReopensAfterAFullDisk) {
  FullDisk disk;
  DatabaseOptions options = Options();
  options.env = &disk;
  auto database = Database::Open(options);
  ASSERT_TRUE(database.ok()) << database.status();
  ASSERT_TRUE(Put(**database, "early", "kept").ok());

  disk.full = true;
  const absl::Status full = Put(**database, "key", "lost");
  EXPECT_EQ(full.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(ReasonOf(full), reason::kStorageUnavailable);
  EXPECT_FALSE((*database)->Health().ok());
  EXPECT_FALSE((*database)->Reopen().ok());
  EXPECT_FALSE((*database)->Health().ok() && Put(**database, "a", "").ok());

  disk.full = false;
  EXPECT_TRUE((*database)->Reopen().ok());
  EXPECT_TRUE((*database)->Health().ok());
  EXPECT_TRUE(Put(**database, "key", "kept").ok());
  EXPECT_EQ(Get(**database, 1, "early"), "kept");
  EXPECT_EQ(Get(**database, 1, "key"), "kept");
}

// So it is after a compaction has met a damaged file.
TEST_F(DatabaseTest, AWriteThatFailsOverDamageIsNoLossOfWhatItBrings) {
  FullDisk disk;
  disk.failure = rocksdb::Status::Corruption();
  DatabaseOptions options = Options();
  options.env = &disk;
  auto database = Database::Open(options);
  ASSERT_TRUE(database.ok()) << database.status();
  disk.full = true;
  for (int i = 0; i < 2; ++i) {
    const absl::Status failed = Put(**database, "key", "value");
    EXPECT_EQ(failed.code(), absl::StatusCode::kUnavailable) << failed;
    EXPECT_EQ(ReasonOf(failed), reason::kStorageUnavailable);
  }
  disk.full = false;
  EXPECT_TRUE((*database)->Reopen().ok());
  EXPECT_TRUE(Put(**database, "key", "value").ok());
}

TEST(BigEndianTest, KeysSortAsNumbersDo) {
  std::string small, large;
  AppendBigEndian64(small, 255);
  AppendBigEndian64(large, 256);
  EXPECT_LT(small, large);
  EXPECT_EQ(ReadBigEndian64(large.data()), 256u);
}

}  // namespace
}  // namespace gateway::storage
