#ifndef GATEWAY_TESTS_UNIT_SERVICES_METRICS_COLLECTOR_RECORDS_H_
#define GATEWAY_TESTS_UNIT_SERVICES_METRICS_COLLECTOR_RECORDS_H_

#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>

#include "common/storage/database.h"
#include "gateway/metrics_collector/v1/metrics_collector.pb.h"
#include "gtest/gtest.h"
#include "services/metrics_collector/rocksdb_keys.h"
#include "services/metrics_collector/rocksdb_store.h"

// Rows and records as senders make them, and a database to put them into.
namespace gateway::metrics_collector {

inline v1::UsageRow Row(const std::string& request_id, int attempt,
                        int64_t second) {
  v1::UsageRow row;
  row.set_request_id(request_id);
  row.set_attempt(attempt);
  row.mutable_account()->set_tenant("acme");
  row.mutable_account()->set_key_id("key-1");
  row.mutable_account()->set_user("ann");
  row.set_model("m");
  row.set_provider("p");
  row.mutable_start_time()->set_seconds(second);
  row.set_outcome(v1::OUTCOME_COMPLETED);
  row.mutable_usage()->set_uncached_input_tokens(10);
  row.mutable_usage()->set_output_tokens(5);
  row.mutable_usage()->set_source(chat::v1::USAGE_SOURCE_PROVIDER);
  row.mutable_cost()->set_priced(true);
  row.mutable_cost()->set_pico_usd(1500);
  return row;
}

inline v1::RequestRecord Record(const std::string& request_id, int64_t second) {
  v1::RequestRecord record;
  record.set_request_id(request_id);
  record.mutable_account()->set_tenant("acme");
  record.mutable_account()->set_key_id("key-1");
  record.mutable_account()->set_user("ann");
  record.set_model("m");
  record.mutable_start_time()->set_seconds(second);
  record.set_outcome(v1::OUTCOME_COMPLETED);
  record.set_session_id("s");
  return record;
}

// Where Row and Record are stored.
inline std::string RecordKey(const std::string& request_id, int64_t second) {
  return TimeKey(static_cast<uint64_t>(second) * 1'000'000) + request_id;
}
inline std::string RowKey(const std::string& request_id, int attempt,
                          int64_t second) {
  std::string key = RecordKey(request_id, second) + '\0';
  storage::AppendBigEndian64(key, static_cast<uint64_t>(attempt));
  return key;
}

// A directory that goes with the test.
class StoreTest : public testing::Test {
 protected:
  StoreTest() {
    std::string pattern = testing::TempDir() + "metrics_XXXXXX";
    path_ = mkdtemp(pattern.data());
    OpenDatabase();
  }
  ~StoreTest() override {
    database_.reset();
    std::filesystem::remove_all(path_);
  }

  void OpenDatabase() {
    database_.reset();
    auto opened = OpenStore({.path = path_, .memory_bytes = memory_bytes_});
    ASSERT_TRUE(opened.ok()) << opened.status();
    database_ = *std::move(opened);
  }

  // Puts something that is no message in the place of a stored one.
  void Damage(size_t family, const std::string& key) {
    rocksdb::WriteBatch batch;
    {
      const auto handle = database_->Use();
      ASSERT_TRUE(handle.ok()) << handle.status();
      std::string value;
      ASSERT_TRUE((*handle)->Get({}, handle->family(family), key, &value).ok());
      batch.Put(handle->family(family), key, "\xff\xff");
    }
    ASSERT_TRUE(database_->Write(batch, /*synced=*/false).ok());
  }

  // From here on what is in the family's files cannot be read; what is written
  // later can. `memory_bytes_` is to be 1, for each read to go to the files.
  void DamageFiles(const std::string& family) {
    OpenDatabase();
    int damaged = 0;
    for (const auto& entry : std::filesystem::directory_iterator(path_)) {
      if (entry.path().extension() != ".sst") continue;
      std::fstream file(entry.path(),
                        std::ios::in | std::ios::out | std::ios::binary);
      const std::string bytes((std::istreambuf_iterator<char>(file)), {});
      // The end of the property that says whose file it is.
      const std::string name = "name" + family;
      const size_t at = bytes.find(name);
      if (at == std::string::npos || bytes[at + name.size()] == '_') continue;
      file.seekp(8);
      file.put(static_cast<char>(~bytes[8]));
      ++damaged;
    }
    EXPECT_GT(damaged, 0) << family;
  }

  int64_t memory_bytes_ = 64 << 20;
  std::string path_;
  std::unique_ptr<storage::Database> database_;
};

}  // namespace gateway::metrics_collector

#endif  // GATEWAY_TESTS_UNIT_SERVICES_METRICS_COLLECTOR_RECORDS_H_
