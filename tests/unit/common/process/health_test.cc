#include "common/process/health.h"

#include <gtest/gtest.h>

namespace gateway::process {
namespace {

using State = Check::State;

const Check kOk{"database", State::kOk, ""};
const Check kPeer{"peer", State::kDegraded, "away"};
const Check kFailed{"database", State::kFailed, "disk full"};

TEST(HealthTest, StatusIsOneOfFour) {
  EXPECT_EQ(HealthOf(Phase::kStarting, {}, {}).status, "starting");
  EXPECT_EQ(HealthOf(Phase::kServing, {kOk}, {}).status, "ok");
  EXPECT_EQ(HealthOf(Phase::kServing, {kOk, kPeer}, {}).status, "degraded");
  EXPECT_EQ(HealthOf(Phase::kServing, {kFailed}, {}).status, "degraded");
  EXPECT_EQ(HealthOf(Phase::kServing, {kOk}, {"io-0"}).status, "degraded");
  EXPECT_EQ(HealthOf(Phase::kDraining, {kFailed}, {}).status, "draining");
}

TEST(HealthTest, ReadyMeansServingWithWhatIsItsOwn) {
  EXPECT_FALSE(HealthOf(Phase::kStarting, {kOk}, {}).ready);
  EXPECT_TRUE(HealthOf(Phase::kServing, {kOk, kPeer}, {}).ready);
  EXPECT_FALSE(HealthOf(Phase::kServing, {kPeer, kFailed}, {}).ready);
  EXPECT_FALSE(HealthOf(Phase::kDraining, {kOk}, {}).ready);
}

TEST(HealthTest, OnlyAStuckLoopCostsLiveness) {
  for (Phase phase : {Phase::kStarting, Phase::kServing, Phase::kDraining}) {
    EXPECT_TRUE(HealthOf(phase, {kFailed}, {}).live);
    EXPECT_FALSE(HealthOf(phase, {kOk}, {"io-0"}).live);
  }
}

}  // namespace
}  // namespace gateway::process
