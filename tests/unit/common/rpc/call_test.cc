#include "common/rpc/call.h"

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <vector>

#include "common/concurrency/io_pool.h"
#include "tests/support/running_flow.h"

namespace gateway::rpc {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1000);

TEST(CallTest, WithoutADeadlineThereIsAlwaysTime) {
  const Call call;
  EXPECT_FALSE(call.Expired(kNow));
  EXPECT_EQ(call.Remaining(kNow), absl::InfiniteDuration());
}

TEST(CallTest, RemainingTimeIsNeverNegative) {
  const Call call{.deadline = kNow + absl::Seconds(2)};
  EXPECT_EQ(call.Remaining(kNow), absl::Seconds(2));
  EXPECT_TRUE(call.Expired(kNow + absl::Seconds(2)));
  EXPECT_EQ(call.Remaining(kNow + absl::Seconds(3)), absl::ZeroDuration());
}

TEST(CallTest, WithinOnlyShortens) {
  const Call call{.deadline = kNow + absl::Seconds(2)};
  EXPECT_EQ(call.Within(absl::Seconds(1), kNow).deadline,
            kNow + absl::Seconds(1));
  EXPECT_EQ(call.Within(absl::Seconds(9), kNow).deadline, call.deadline);
}

class ThirdFails final : public Sink<int> {
 public:
  Awaitable<absl::Status> Write(int message) override {
    if (written.size() == 2) co_return absl::DataLossError("full");
    written.push_back(message);
    co_return absl::OkStatus();
  }
  std::vector<int> written;
};

TEST(SinkTest, WriteManyStopsAtTheFirstError) {
  IoPool io(1);
  ThirdFails sink;
  std::vector<int> messages = {1, 2, 3, 4};
  EXPECT_TRUE(absl::IsDataLoss(RunFlow(io.At(0), sink.WriteMany(messages))));
  EXPECT_EQ(sink.written, (std::vector<int>{1, 2}));
}

}  // namespace
}  // namespace gateway::rpc
