// batch-aggregator as its callers meet it: over gRPC, on a disk, with a
// model-router and a session-store of its own.

#include <absl/strings/str_cat.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/clients/grpc_batch_aggregator.h"
#include "common/metrics/lint.h"
#include "common/rpc/channel.h"
#include "common/status/error.h"
#include "services/batch_aggregator/server.h"
#include "tests/fakes/fake_model_router.h"
#include "tests/fakes/fake_session_store.h"
#include "tests/support/crash_disk.h"
#include "tests/support/running_flow.h"

namespace gateway::batch_aggregator {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;
using ::testing::StartsWith;
using ::testing::UnorderedElementsAre;

class ItemSource final : public rpc::Source<v1::SubmitBatchRequest> {
 public:
  ItemSource(const common::v1::CallContext& context, std::string key, int items)
      : context_(context), key_(std::move(key)), items_(items) {}

  Awaitable<absl::StatusOr<std::optional<v1::SubmitBatchRequest>>> Read()
      override {
    v1::SubmitBatchRequest message;
    const int index = next_++;
    if (index > items_) co_return std::optional<v1::SubmitBatchRequest>();
    if (index == 0) {
      *message.mutable_header()->mutable_context() = context_;
      message.mutable_header()->set_idempotency_key(key_);
    } else {
      message.mutable_item()->set_custom_id(absl::StrCat(index));
      auto* encoded = message.mutable_item()->mutable_encoded();
      encoded->set_dialect("openai_chat");
      encoded->set_body(
          absl::StrCat(R"({"model":"m","messages":[{"role":"user","content":")",
                       index, R"("}]})"));
    }
    co_return std::optional<v1::SubmitBatchRequest>(std::move(message));
  }

 private:
  const common::v1::CallContext context_;
  const std::string key_;
  const int items_;
  int next_ = 0;
};

class Results final : public rpc::Sink<v1::StreamBatchResultsResponse> {
 public:
  Awaitable<absl::Status> Write(
      v1::StreamBatchResultsResponse result) override {
    all.push_back(std::move(result));
    co_return absl::OkStatus();
  }

  std::vector<v1::StreamBatchResultsResponse> all;
};

class BatchAggregatorServerTest : public testing::Test {
 protected:
  BatchAggregatorServerTest() {
    std::string pattern = testing::TempDir() + "batches_XXXXXX";
    path_ = mkdtemp(pattern.data());
    options_.service.grpc = {"127.0.0.1", 0};
    options_.service.data_dir = path_ + "/data";
    options_.dispatcher.window = {.size = 4, .wait = absl::Milliseconds(1)};
    options_.model_router_target = "127.0.0.1:1";
    options_.session_store_target = "127.0.0.1:1";
    router_.SetAnswer("m", {});
    context_.set_request_id("req_1");
    context_.mutable_account()->set_tenant("acme");
  }
  ~BatchAggregatorServerTest() override {
    server_.reset();
    std::filesystem::remove_all(path_);
  }

  absl::Status TryStart(bool with_peers = true) {
    server_.reset();
    server_ = Server::Create(options_, {.io = &io_, .env = env_});
    if (with_peers) server_->UsePeers(&router_, &sessions_);
    return server_->Start();
  }

  void Start(bool with_peers = true) {
    const absl::Status started = TryStart(with_peers);
    ASSERT_TRUE(started.ok()) << started;
    client_ = MakeGrpcBatchAggregator(rpc::MakeChannel(
        {.target = absl::StrCat("127.0.0.1:", server_->grpc_port())}));
  }

  rpc::Call Call() const {
    return {.deadline = absl::Now() + absl::Seconds(30)};
  }

  absl::StatusOr<v1::Batch> Submit(int items, const std::string& key = "") {
    rpc::Call call = Call();
    ItemSource source(context_, key, items);
    return RunFlow(io_.Next(), client_->SubmitBatch(call, source));
  }

  absl::StatusOr<v1::Batch> Get(const std::string& batch_id) {
    rpc::Call call = Call();
    v1::GetBatchRequest request;
    *request.mutable_context() = context_;
    request.set_batch_id(batch_id);
    return RunFlow(io_.Next(), client_->GetBatch(call, request));
  }

  absl::Status Follow(const std::string& batch_id, Results& results) {
    rpc::Call call = Call();
    v1::StreamBatchResultsRequest request;
    *request.mutable_context() = context_;
    request.set_batch_id(batch_id);
    request.set_follow(true);
    return RunFlow(io_.Next(),
                   client_->StreamBatchResults(call, request, results));
  }

  IoPool io_{2};
  rocksdb::Env* env_ = nullptr;
  std::string path_;
  Options options_;
  FakeModelRouter router_;
  FakeSessionStore sessions_;
  common::v1::CallContext context_;
  std::unique_ptr<Server> server_;
  std::unique_ptr<BatchAggregator> client_;
};

TEST_F(BatchAggregatorServerTest, AnswersABatchOverGrpc) {
  Start();
  const auto batch = Submit(50, "key");
  ASSERT_TRUE(batch.ok()) << batch.status();
  Results results;
  const absl::Status followed = Follow(batch->batch_id(), results);
  EXPECT_TRUE(followed.ok()) << followed;
  ASSERT_THAT(results.all, SizeIs(50));
  EXPECT_THAT(results.all[0].result().answer().encoded(), HasSubstr("Hello"));
  EXPECT_EQ(Get(batch->batch_id())->state(), v1::BATCH_STATE_SUCCEEDED);
  EXPECT_EQ(Submit(50, "key")->batch_id(), batch->batch_id());

  rpc::Call call = Call();
  v1::ListBatchesRequest list;
  *list.mutable_context() = context_;
  EXPECT_EQ(
      RunFlow(io_.Next(), client_->ListBatches(call, list))->batches_size(), 1);
  context_.mutable_account()->set_tenant("other");
  EXPECT_EQ(ReasonOf(Get(batch->batch_id()).status()), reason::kBatchNotFound);
  context_.mutable_account()->clear_tenant();
  EXPECT_TRUE(absl::IsInvalidArgument(Submit(1).status()));
}

TEST_F(BatchAggregatorServerTest, ServesCallersOfItsProcess) {
  Start();
  client_.reset();
  rpc::Call call = Call();
  ItemSource source(context_, "", 3);
  const auto batch = RunFlow(
      io_.Next(), server_->batch_aggregator()->SubmitBatch(call, source));
  ASSERT_TRUE(batch.ok()) << batch.status();
  Results results;
  v1::StreamBatchResultsRequest request;
  *request.mutable_context() = context_;
  request.set_batch_id(batch->batch_id());
  request.set_follow(true);
  EXPECT_TRUE(
      RunFlow(io_.Next(), server_->batch_aggregator()->StreamBatchResults(
                              call, request, results))
          .ok());
  EXPECT_THAT(results.all, SizeIs(3));
}

TEST_F(BatchAggregatorServerTest, WaitsForAModelRouterThatIsAway) {
  Start(/*with_peers=*/false);
  const auto batch = Submit(5);
  ASSERT_TRUE(batch.ok()) << batch.status();
  std::map<std::string, process::Check::State> checks;
  for (const process::Check& check : server_->Checks()) {
    checks[check.name] = check.state;
  }
  EXPECT_THAT(checks,
              UnorderedElementsAre(
                  Pair("database", process::Check::State::kOk),
                  Pair("model-router", process::Check::State::kDegraded),
                  Pair("session-store", process::Check::State::kDegraded)));
  EXPECT_TRUE(Get(batch->batch_id()).ok());
  Start();
  Results results;
  EXPECT_TRUE(Follow(batch->batch_id(), results).ok());
  EXPECT_EQ(Get(batch->batch_id())->succeeded_items(), 5);
}

TEST_F(BatchAggregatorServerTest, ADrainFinishesWhatRunsAndKeepsTheRest) {
  options_.dispatcher.concurrency = 1;
  options_.dispatcher.window.size = 1;
  router_.SetAnswer("m", {.pieces = {"x"}, .pace = absl::Milliseconds(100)});
  Start();
  const auto batch = Submit(10);
  ASSERT_TRUE(batch.ok()) << batch.status();
  Results results;
  v1::StreamBatchResultsRequest request;
  *request.mutable_context() = context_;
  request.set_batch_id(batch->batch_id());
  request.set_follow(true);
  rpc::Call call = Call();
  RunningFlow<absl::Status> follower(
      io_.Next(), client_->StreamBatchResults(call, request, results));
  ASSERT_TRUE(Eventually([&] { return router_.active() == 1; }));
  server_->SetHealth(false, true);
  server_->BeginDrain();
  EXPECT_TRUE(absl::IsUnavailable(follower.Get()));
  EXPECT_TRUE(absl::IsUnavailable(Submit(1).status()));
  EXPECT_TRUE(Eventually([&] { return server_->Active() == 0; }));
  server_->Stop();
  router_.SetAnswer("m", {});
  Start();
  Results rest;
  EXPECT_TRUE(Follow(batch->batch_id(), rest).ok());
  EXPECT_THAT(rest.all, SizeIs(10));
  EXPECT_THAT(router_.requests(), SizeIs(10));
}

TEST_F(BatchAggregatorServerTest, CancelRemainingEndsWhatHangs) {
  router_.SetAnswer("m", {.pieces = {}, .hang = true});
  Start();
  ASSERT_TRUE(Submit(2).ok());
  ASSERT_TRUE(Eventually([&] { return router_.active() == 2; }));
  server_->BeginDrain();
  EXPECT_GT(server_->Active(), 0u);
  server_->CancelRemaining();
  EXPECT_EQ(server_->Active(), 0u);
  EXPECT_EQ(router_.active(), 0);
  server_->Stop();
}

TEST_F(BatchAggregatorServerTest, RefusesADirectoryThatAnotherUses) {
  Start();
  auto second = Server::Create(options_, {.io = &io_});
  const absl::Status started = second->Start();
  EXPECT_TRUE(absl::IsFailedPrecondition(started)) << started;
  EXPECT_THAT(std::string(started.message()),
              StartsWith(absl::StrCat("another process uses ",
                                      options_.service.data_dir, ": ")));
}

TEST_F(BatchAggregatorServerTest, ADamagedDirectoryStopsTheStart) {
  Start();
  server_->Stop();
  for (const auto& entry :
       std::filesystem::directory_iterator(options_.service.data_dir)) {
    if (entry.path().filename().string().starts_with("MANIFEST-")) {
      std::filesystem::resize_file(entry.path(), 10);
    }
  }
  const absl::Status refused = TryStart();
  EXPECT_TRUE(absl::IsDataLoss(refused)) << refused;
  EXPECT_THAT(std::string(refused.message()),
              StartsWith(absl::StrCat(
                  options_.service.data_dir,
                  " is damaged; restore it from a backup or move it away to "
                  "start afresh: ")));
}

TEST_F(BatchAggregatorServerTest, AFullDiskStopsTheStartUntilThereIsRoom) {
  CrashDisk disk;
  env_ = disk.env();
  Start();
  const auto batch = Submit(3);
  ASSERT_TRUE(batch.ok()) << batch.status();
  server_->Stop();
  disk.SetFull(true);
  const absl::Status refused = TryStart();
  EXPECT_TRUE(absl::IsUnavailable(refused)) << refused;
  EXPECT_THAT(std::string(refused.message()),
              StartsWith(absl::StrCat("cannot open ", options_.service.data_dir,
                                      ": IO error: No space left on device")));
  disk.SetFull(false);
  Start();
  EXPECT_TRUE(Get(batch->batch_id()).ok());
  server_.reset();
}

TEST_F(BatchAggregatorServerTest, AFullDiskCostsReadinessUntilThereIsRoom) {
  CrashDisk disk;
  env_ = disk.env();
  Start();
  EXPECT_EQ(server_->Checks()[0].state, process::Check::State::kOk);
  disk.SetFull(true);
  const absl::Status refused = Submit(1).status();
  EXPECT_TRUE(absl::IsUnavailable(refused)) << refused;
  EXPECT_EQ(ReasonOf(refused), reason::kStorageUnavailable);
  EXPECT_EQ(server_->Checks()[0].state, process::Check::State::kFailed);
  EXPECT_EQ(server_->Checks()[0].reason, "the store cannot be written");
  disk.SetFull(false);
  EXPECT_TRUE(Eventually([&] {
    return server_->Checks()[0].state == process::Check::State::kOk;
  }));
  EXPECT_TRUE(Eventually([&] { return Submit(1).ok(); }));
  server_.reset();
}

TEST_F(BatchAggregatorServerTest, ItsMetricsKeepTheRulesForNames) {
  Start();
  ASSERT_TRUE(Submit(1).ok());
  EXPECT_THAT(metrics::Lint(server_->CollectMetrics()), IsEmpty());
}

}  // namespace
}  // namespace gateway::batch_aggregator
