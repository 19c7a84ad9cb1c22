#include "common/process/ops_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/process/healthcheck.h"
#include "tests/unit/common/process/fake_service.h"

namespace gateway::process {
namespace {

class OpsServerTest : public testing::Test {
 protected:
  FakeService service_;
  Lifecycle lifecycle_;
  OpsPages pages_{&service_, &lifecycle_, absl::UnixEpoch()};
};

TEST_F(OpsServerTest, AnswersAHealthcheck) {
  auto server = OpsServer::Start("127.0.0.1:0", &pages_);
  ASSERT_TRUE(server.ok()) << server.status();
  // A wildcard address is asked on loopback.
  const Address address{"0.0.0.0", (*server)->port()};
  const absl::Status starting = AskReadiness(address);
  EXPECT_EQ(starting.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(starting.message()),
              testing::HasSubstr("\"status\":\"starting\""));
  lifecycle_.Set(Phase::kServing);
  EXPECT_TRUE(AskReadiness(address).ok());
}

TEST_F(OpsServerTest, AHealthcheckSaysThatNobodyListens) {
  uint16_t port;
  {
    auto server = OpsServer::Start("127.0.0.1:0", &pages_);
    ASSERT_TRUE(server.ok());
    port = (*server)->port();
  }
  EXPECT_THAT(std::string(AskReadiness({"127.0.0.1", port}).message()),
              testing::HasSubstr("nothing listens"));
}

TEST_F(OpsServerTest, RefusesATakenOrBadAddress) {
  auto first = OpsServer::Start("127.0.0.1:0", &pages_);
  ASSERT_TRUE(first.ok());
  const Address taken{"127.0.0.1", (*first)->port()};
  EXPECT_EQ(OpsServer::Start(taken.ToString(), &pages_).status().code(),
            absl::StatusCode::kUnavailable);
  EXPECT_EQ(OpsServer::Start("nonsense", &pages_).status().code(),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace gateway::process
