#include "services/batch_aggregator/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gateway::batch_aggregator {
namespace {

using ::testing::HasSubstr;

TEST(BatchAggregatorConfigTest, AnEmptyConfigMeansTheDefaults) {
  const absl::StatusOr<Options> options = ReadOptions(config::v1::Config());
  ASSERT_TRUE(options.ok()) << options.status();
  EXPECT_EQ(options->dispatcher.window.size, 32u);
  EXPECT_EQ(options->dispatcher.window.wait, absl::Seconds(1));
  EXPECT_EQ(options->dispatcher.concurrency, 32u);
  EXPECT_EQ(options->dispatcher.retry.max_attempts, 5);
  EXPECT_EQ(options->dispatcher.item_timeout, absl::Hours(1));
  EXPECT_EQ(options->batches.limits.max_items, 50'000);
  EXPECT_EQ(options->batches.limits.max_bytes, 200 << 20);
  EXPECT_EQ(options->batches.max_open_batches, 100);
  EXPECT_EQ(options->retention, absl::Hours(7 * 24));
  EXPECT_EQ(options->model_router_target, "dns:///model-router:50051");
  EXPECT_EQ(options->session_store_target, "dns:///session-store:50051");
  EXPECT_EQ(options->service.data_dir,
            "/var/lib/agent-gateway/batch-aggregator");
  EXPECT_EQ(options->service.shutdown.drain_timeout, absl::Seconds(60));
}

TEST(BatchAggregatorConfigTest, EveryKeyIsRead) {
  config::v1::Config config;
  config::v1::Batch& batch = *config.mutable_batch();
  batch.set_size(1);
  batch.mutable_wait()->set_seconds(2);
  batch.set_concurrency(3);
  batch.set_max_items(4);
  batch.set_max_bytes(5);
  batch.set_max_open_batches(6);
  batch.mutable_retention()->set_seconds(7);
  batch.set_max_attempts(8);
  batch.mutable_item_timeout()->set_seconds(9);
  config.mutable_model_router()->set_target("router:1");
  config.mutable_session_store()->set_target("store:1");
  const absl::StatusOr<Options> options = ReadOptions(config);
  ASSERT_TRUE(options.ok()) << options.status();
  EXPECT_EQ(options->dispatcher.window.size, 1u);
  EXPECT_EQ(options->dispatcher.window.wait, absl::Seconds(2));
  EXPECT_EQ(options->dispatcher.concurrency, 3u);
  EXPECT_EQ(options->batches.limits.max_items, 4);
  EXPECT_EQ(options->batches.limits.max_bytes, 5);
  EXPECT_EQ(options->batches.max_open_batches, 6);
  EXPECT_EQ(options->retention, absl::Seconds(7));
  EXPECT_EQ(options->dispatcher.retry.max_attempts, 8);
  EXPECT_EQ(options->dispatcher.item_timeout, absl::Seconds(9));
  EXPECT_EQ(options->model_router_target, "router:1");
  EXPECT_EQ(options->session_store_target, "store:1");
}

TEST(BatchAggregatorConfigTest, AllFaultsAreToldAtOnceWithTheirKeys) {
  config::v1::Config config;
  config.mutable_batch_aggregator()->mutable_listen()->set_grpc("nowhere");
  config::v1::Batch& batch = *config.mutable_batch();
  batch.set_size(10'001);
  batch.mutable_wait()->set_seconds(-1);
  batch.set_concurrency(0);
  batch.set_max_items(0);
  batch.set_max_bytes(0);
  batch.set_max_open_batches(0);
  batch.mutable_retention()->set_seconds(0);
  batch.set_max_attempts(101);
  batch.mutable_item_timeout()->set_nanos(1);
  const absl::Status faults = ReadOptions(config).status();
  EXPECT_TRUE(absl::IsInvalidArgument(faults));
  for (const char* key :
       {"batchAggregator.listen.grpc", "batch.size", "batch.wait",
        "batch.concurrency", "batch.maxItems", "batch.maxBytes",
        "batch.maxOpenBatches", "batch.retention", "batch.maxAttempts",
        "batch.itemTimeout"}) {
    EXPECT_THAT(faults.message(), HasSubstr(key));
  }
}

}  // namespace
}  // namespace gateway::batch_aggregator
