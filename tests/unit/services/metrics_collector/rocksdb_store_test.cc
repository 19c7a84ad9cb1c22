#include "services/metrics_collector/rocksdb_store.h"

#include "gmock/gmock.h"
#include "tests/unit/services/metrics_collector/records.h"

namespace gateway::metrics_collector {
namespace {

class RocksdbStoreTest : public StoreTest {
 protected:
  void PutFormat(const std::string& format) {
    rocksdb::WriteBatch batch;
    {
      const auto handle = database_->Use();
      ASSERT_TRUE(handle.ok());
      batch.Put(handle->family(kMetaFamily), "format", format);
    }
    ASSERT_TRUE(database_->Write(batch, /*synced=*/true).ok());
  }
};

TEST_F(RocksdbStoreTest, OpensWhatItHasWritten) {
  OpenDatabase();
  EXPECT_NE(database_, nullptr);
}

TEST_F(RocksdbStoreTest, RefusesAnotherFormatAndSaysSo) {
  PutFormat("2");
  database_.reset();
  const auto opened = OpenStore({.path = path_});
  EXPECT_EQ(opened.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(opened.status().message()),
              testing::AllOf(testing::HasSubstr(path_),
                             testing::HasSubstr("format '2'")));
}

}  // namespace
}  // namespace gateway::metrics_collector
