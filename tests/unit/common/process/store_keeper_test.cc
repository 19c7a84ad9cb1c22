#include "common/process/store_keeper.h"

#include <gtest/gtest.h>

#include <optional>

namespace gateway::process {
namespace {

bool Await(const std::function<bool()>& condition) {
  const absl::Time end = absl::Now() + absl::Seconds(20);
  while (!condition()) {
    if (absl::Now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

class StoreKeeperTest : public testing::Test {
 protected:
  void Start() {
    keeper_.Start({.name = "store",
                   .interval = absl::Milliseconds(1),
                   .repair =
                       [this] {
                         if (mends_) broken_ = false;
                         return absl::OkStatus();
                       },
                   .health = [this]() -> absl::Status {
                     if (broken_) return absl::UnavailableError("broken");
                     return absl::OkStatus();
                   },
                   .chore = [this] { ++rounds_; }});
  }

  bool AwaitRounds(int more) {
    const int rounds = rounds_ + more;
    return Await([&] { return rounds_ >= rounds; });
  }

  std::atomic<bool> broken_{false};
  std::atomic<bool> mends_{false};
  std::atomic<int> rounds_{0};
  StoreKeeper keeper_;
};

TEST_F(StoreKeeperTest, ChecksFollowTheStoreAndARepairBringsItBack) {
  EXPECT_TRUE(keeper_.Checks().empty());
  Start();
  EXPECT_EQ(keeper_.Checks().at(0).state, Check::State::kOk);
  broken_ = true;
  EXPECT_EQ(keeper_.Checks().at(0).state, Check::State::kFailed);
  EXPECT_EQ(keeper_.Checks().at(0).reason, "broken");
  mends_ = true;
  EXPECT_TRUE(
      Await([&] { return keeper_.Checks().at(0).state == Check::State::kOk; }));
  keeper_.Stop();
  EXPECT_TRUE(keeper_.Checks().empty());
}

TEST_F(StoreKeeperTest, ItRepairsAndDoesItsChoreUntilItIsStopped) {
  Start();
  ASSERT_TRUE(AwaitRounds(3));
  keeper_.Stop();
  const int rounds = rounds_;
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_EQ(rounds_, rounds);
}

}  // namespace
}  // namespace gateway::process
