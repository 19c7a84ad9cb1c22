#include "services/metrics_collector/open_requests.h"

#include "gtest/gtest.h"

namespace gateway::metrics_collector {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1'000'000);

v1::Beat BeatOf(const std::string& instance,
                const std::vector<std::string>& open) {
  v1::Beat beat;
  beat.set_service("ingress");
  beat.set_instance_id(instance);
  for (const std::string& id : open) {
    v1::OpenRequest* request = beat.add_open_requests();
    request->set_request_id(id);
    request->mutable_account()->set_tenant("acme");
    request->set_model("m");
    request->mutable_start_time()->set_seconds(999'000);
  }
  return beat;
}

TEST(OpenRequestsTest, ClosesTheRequestsOfASilentSenderAsLost) {
  OpenRequests open;
  open.Heard(BeatOf("i1", {"r1", "r2"}), kNow);
  EXPECT_TRUE(open.FindLost(kNow + absl::Seconds(59)).empty());
  const auto lost = open.FindLost(kNow + absl::Seconds(60));
  ASSERT_EQ(lost.size(), 1u);
  EXPECT_EQ(lost[0].instance_id, "i1");
  ASSERT_EQ(lost[0].records.size(), 2u);
  const v1::RequestRecord& record = lost[0].records[0];
  EXPECT_EQ(record.request_id(), "r1");
  EXPECT_EQ(record.account().tenant(), "acme");
  EXPECT_EQ(record.start_time().seconds(), 999'000);
  EXPECT_EQ(record.end_time().seconds(), 1'000'060);
  EXPECT_EQ(record.outcome(), v1::OUTCOME_UNKNOWN);
  EXPECT_EQ(record.reason(), "lost");
}

TEST(OpenRequestsTest, FindsTheLostUntilTheyAreForgotten) {
  OpenRequests open;
  open.Heard(BeatOf("i1", {"r1"}), kNow);
  EXPECT_EQ(open.FindLost(kNow + absl::Minutes(2)).size(), 1u);
  EXPECT_EQ(open.FindLost(kNow + absl::Minutes(2)).size(), 1u);
  open.Forget("i1", kNow + absl::Minutes(2));
  EXPECT_TRUE(open.FindLost(kNow + absl::Minutes(3)).empty());
}

TEST(OpenRequestsTest, ForgetsNobodyWhoWasHeardAgain) {
  OpenRequests open;
  open.Heard(BeatOf("i1", {"r1"}), kNow);
  open.Heard(BeatOf("i1", {"r1"}), kNow + absl::Minutes(2));
  open.Forget("i1", kNow + absl::Minutes(2));
  EXPECT_EQ(open.size(), 1u);
}

TEST(OpenRequestsTest, ABeatKeepsASenderAliveAndReplacesWhatItSaid) {
  OpenRequests open;
  open.Heard(BeatOf("i1", {"r1", "r2"}), kNow);
  open.Heard(BeatOf("i1", {"r3"}), kNow + absl::Seconds(50));
  EXPECT_EQ(open.size(), 1u);
  EXPECT_TRUE(open.FindLost(kNow + absl::Seconds(100)).empty());
}

TEST(OpenRequestsTest, AClosedRequestIsNotLost) {
  OpenRequests open;
  open.Heard(BeatOf("i1", {"r1"}), kNow);
  open.Closed("i1", "r1");
  open.Closed("i1", "never opened");
  open.Closed("i2", "r1");
  const auto lost = open.FindLost(kNow + absl::Minutes(2));
  ASSERT_EQ(lost.size(), 1u);
  EXPECT_TRUE(lost[0].records.empty());
}

}  // namespace
}  // namespace gateway::metrics_collector
