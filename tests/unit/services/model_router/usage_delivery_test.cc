#include "services/model_router/usage_delivery.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>

#include "common/status/error.h"
#include "tests/support/fake_clock.h"
#include "tests/unit/services/model_router/flow_test_support.h"

namespace gateway::model_router {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class FakeRecorder final : public UsageRecorder {
 public:
  Awaitable<absl::StatusOr<metrics_collector::v1::RecordUsageResponse>>
  RecordUsage(
      rpc::Call& call,
      const metrics_collector::v1::RecordUsageRequest& request) override {
    ++calls;
    deadline = call.deadline;
    if (!error.ok()) co_return error;
    for (const UsageRow& row : request.rows()) {
      if (row.request_id() == refused) {
        co_return MakeError(reason::kInvalidValue, "no").Build();
      }
      if (row.request_id() == damaged) {
        co_return MakeError(reason::kDataLoss, "damaged").Build();
      }
    }
    for (const UsageRow& row : request.rows()) ids.push_back(row.request_id());
    co_return metrics_collector::v1::RecordUsageResponse();
  }

  int calls = 0;
  absl::Status error;
  std::string refused;
  std::string damaged;
  std::vector<std::string> ids;
  absl::Time deadline;
};

class UsageDeliveryTest : public testing::Test {
 protected:
  UsageDeliveryTest() {
    auto spool = UsageSpool::Open(
        {.directory = dir_.path(), .sync_interval = absl::Hours(24)},
        clock_.Now());
    EXPECT_TRUE(spool.ok());
    spool_ = *std::move(spool);
  }

  void Add(const std::string& id) {
    UsageRow row;
    row.set_request_id(id);
    auto ticket = spool_->Begin(row);
    ASSERT_TRUE(ticket.ok());
    spool_->End(*ticket, row);
  }

  void Advance(TestFlow<int>& flow, absl::Duration duration) {
    clock_.Advance(duration);
    flow.Poll();
  }

  Awaitable<int> Run(UsageDelivery& delivery) {
    co_await delivery.Run();
    co_return 0;
  }
  Awaitable<int> Flush(UsageDelivery& delivery, absl::Time deadline) {
    co_await delivery.Flush(deadline);
    co_return 0;
  }

  TempDir dir_;
  FakeClock clock_;
  boost::asio::io_context io_;
  std::unique_ptr<UsageSpool> spool_;
  FakeRecorder recorder_;
};

TEST_F(UsageDeliveryTest, BringsRowsAsTheyCome) {
  UsageDelivery delivery(spool_.get(), &recorder_, &clock_);
  Add("a");
  TestFlow<int> flow(io_, Run(delivery));
  EXPECT_THAT(recorder_.ids, ElementsAre("a"));
  EXPECT_EQ(spool_->waiting_rows(), 0);
  EXPECT_EQ(recorder_.deadline, clock_.Now() + absl::Seconds(10));
  Add("b");
  Add("c");
  Advance(flow, absl::Milliseconds(200));
  EXPECT_THAT(recorder_.ids, ElementsAre("a", "b", "c"));
  EXPECT_EQ(recorder_.calls, 2);
}

TEST_F(UsageDeliveryTest, FullBatchesFollowEachOtherAtOnce) {
  UsageDelivery delivery(spool_.get(), &recorder_, &clock_, {.batch_rows = 2});
  for (int i = 0; i < 5; ++i) Add(std::to_string(i));
  TestFlow<int> flow(io_, Run(delivery));
  EXPECT_EQ(recorder_.calls, 2);
  Advance(flow, absl::Milliseconds(200));
  EXPECT_THAT(recorder_.ids, ElementsAre("0", "1", "2", "3", "4"));
}

TEST_F(UsageDeliveryTest, AnAbsentCollectorIsAskedAgainWithGrowingDelay) {
  UsageDelivery delivery(spool_.get(), &recorder_, &clock_);
  recorder_.error = absl::UnavailableError("down");
  Add("a");
  TestFlow<int> flow(io_, Run(delivery));
  EXPECT_EQ(recorder_.calls, 1);
  Advance(flow, absl::Milliseconds(500));
  EXPECT_EQ(recorder_.calls, 2);
  Advance(flow, absl::Milliseconds(999));
  EXPECT_EQ(recorder_.calls, 2);
  Advance(flow, absl::Milliseconds(1));
  EXPECT_EQ(recorder_.calls, 3);
  for (int i = 0; i < 10; ++i) Advance(flow, absl::Seconds(10));
  EXPECT_EQ(recorder_.calls, 13);
  EXPECT_EQ(spool_->waiting_rows(), 1);

  recorder_.error = absl::OkStatus();
  Advance(flow, absl::Seconds(10));
  EXPECT_THAT(recorder_.ids, ElementsAre("a"));
  EXPECT_EQ(spool_->dropped_rows(), 0);
}

TEST_F(UsageDeliveryTest, ARowThatIsRefusedTakesNoOtherAlong) {
  UsageDelivery delivery(spool_.get(), &recorder_, &clock_);
  recorder_.refused = "bad";
  for (const char* id : {"a", "bad", "c"}) Add(id);
  TestFlow<int> flow(io_, Run(delivery));
  EXPECT_THAT(recorder_.ids, ElementsAre("a", "c"));
  EXPECT_EQ(spool_->dropped_rows(), 1);
  EXPECT_EQ(spool_->waiting_rows(), 0);
}

TEST_F(UsageDeliveryTest, ARowWhosePlaceIsDamagedHoldsUpNoOther) {
  UsageDelivery delivery(spool_.get(), &recorder_, &clock_);
  recorder_.damaged = "bad";
  for (const char* id : {"bad", "b", "c"}) Add(id);
  TestFlow<int> flow(io_, Run(delivery));
  EXPECT_THAT(recorder_.ids, ElementsAre("b", "c"));
  EXPECT_EQ(spool_->dropped_rows(), 1);
  EXPECT_EQ(spool_->waiting_rows(), 0);
}

TEST_F(UsageDeliveryTest, ALedgerThatIsDamagedForAllLosesNone) {
  UsageDelivery delivery(spool_.get(), &recorder_, &clock_);
  recorder_.error = MakeError(reason::kDataLoss, "damaged");
  for (const char* id : {"a", "b"}) Add(id);
  TestFlow<int> flow(io_, Run(delivery));
  for (int i = 0; i < 5; ++i) Advance(flow, absl::Seconds(10));
  EXPECT_EQ(spool_->waiting_rows(), 2);
  EXPECT_EQ(spool_->dropped_rows(), 0);

  recorder_.error = absl::OkStatus();
  Advance(flow, absl::Seconds(10));
  EXPECT_THAT(recorder_.ids, ElementsAre("a", "b"));
  EXPECT_EQ(spool_->waiting_rows(), 0);
}

TEST_F(UsageDeliveryTest, FlushEndsWhenAllIsDelivered) {
  UsageDelivery delivery(spool_.get(), &recorder_, &clock_, {.batch_rows = 1});
  Add("a");
  Add("b");
  TestFlow<int> flow(io_, Flush(delivery, clock_.Now() + absl::Seconds(5)));
  EXPECT_TRUE(flow.ended());
  EXPECT_THAT(recorder_.ids, ElementsAre("a", "b"));
}

TEST_F(UsageDeliveryTest, FlushGivesUpAtItsDeadline) {
  UsageDelivery delivery(spool_.get(), &recorder_, &clock_);
  recorder_.error = absl::UnavailableError("down");
  Add("a");
  TestFlow<int> flow(io_, Flush(delivery, clock_.Now() + absl::Seconds(1)));
  EXPECT_FALSE(flow.ended());
  for (int i = 0; i < 5; ++i) Advance(flow, absl::Milliseconds(200));
  EXPECT_TRUE(flow.ended());
  EXPECT_THAT(recorder_.ids, IsEmpty());
  EXPECT_EQ(spool_->waiting_rows(), 1);
}

}  // namespace
}  // namespace gateway::model_router
