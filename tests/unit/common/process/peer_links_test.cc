#include "common/process/peer_links.h"

#include <absl/strings/str_cat.h>
#include <gtest/gtest.h>

#include <memory>

#include "common/process/grpc_front.h"
#include "gateway/agent/v1/agent.grpc.pb.h"
#include "tests/support/running_flow.h"

namespace gateway::process {
namespace {

class PeerLinksTest : public testing::Test {
 protected:
  PeerLinksTest() {
    options_.grpc = {"127.0.0.1", 0};
    auto service = std::make_shared<agent::v1::AgentService::CallbackService>();
    EXPECT_TRUE(
        peer_.Start(options_, {{"gateway.agent.v1.AgentService", service}})
            .ok());
  }
  ~PeerLinksTest() override { peer_.Stop(); }

  void Connect() { (void)links_.Connect("peer", {.target = Target()}); }
  std::string Target() const {
    return absl::StrCat("127.0.0.1:", peer_.port());
  }

  // Within the time that a connection takes.
  bool Becomes(Check::State state, const std::string& reason) {
    return Eventually([&] {
      const std::vector<Check> checks = links_.Checks();
      return checks.size() == 1 && checks[0].name == "peer" &&
             checks[0].state == state && checks[0].reason == reason;
    });
  }

  ServiceOptions options_;
  IoPool io_{1};
  GrpcFront peer_{&io_};
  PeerLinks links_;
};

TEST_F(PeerLinksTest, FollowsAPeerThatComesAndGoesWithoutACall) {
  Connect();
  EXPECT_TRUE(Becomes(Check::State::kOk, ""));
  EXPECT_EQ(links_.States()[0].target, Target());
  EXPECT_EQ(links_.States()[0].state, "ok");
  peer_.SetHealth(false, true);
  EXPECT_TRUE(Becomes(Check::State::kDegraded, "not reached"));
  peer_.SetHealth(true, true);
  EXPECT_TRUE(Becomes(Check::State::kOk, ""));
  peer_.Stop();
  EXPECT_TRUE(Becomes(Check::State::kDegraded, "not reached"));
  EXPECT_EQ(links_.States()[0].state, "not reached");
}

TEST_F(PeerLinksTest, AConnectionIsNotAllThatCounts) {
  Connect();
  bool answers = true;
  links_.SetComplaint("peer", [&] { return answers ? "" : "did not answer"; });
  EXPECT_TRUE(Becomes(Check::State::kOk, ""));
  answers = false;
  EXPECT_TRUE(Becomes(Check::State::kDegraded, "did not answer"));
  EXPECT_EQ(links_.States()[0].state, "did not answer");
}

TEST_F(PeerLinksTest, WhatIsInTheProcessIsThere) {
  links_.AddInProcess("peer");
  EXPECT_TRUE(Becomes(Check::State::kOk, ""));
  EXPECT_EQ(links_.States()[0].target, "in process");
  EXPECT_EQ(links_.States()[0].state, "ok");
}

}  // namespace
}  // namespace gateway::process
