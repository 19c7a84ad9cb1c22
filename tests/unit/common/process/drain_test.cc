#include "common/process/drain.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include "tests/unit/common/process/fake_service.h"

namespace gateway::process {
namespace {

using testing::ElementsAre;

// Time passes only in Wait; a signal comes at `signal_at` of it.
class FakeSignals : public SignalWaiter {
 public:
  std::optional<int> Wait(absl::Duration timeout) override {
    const bool comes = waited < signal_at && waited + timeout >= signal_at;
    waited = comes ? signal_at : waited + timeout;
    return comes ? std::optional(SIGTERM) : std::nullopt;
  }

  absl::Duration waited;
  absl::Duration signal_at = absl::InfiniteDuration();
};

class DrainTest : public testing::Test {
 protected:
  void Run() { Drain(service_, lifecycle_, signals_); }

  FakeService service_;
  Lifecycle lifecycle_;
  FakeSignals signals_;
};

TEST_F(DrainTest, AnnouncesWaitsAndRefuses) {
  Run();
  EXPECT_THAT(service_.steps, ElementsAre("announce", "begin"));
  EXPECT_EQ(signals_.waited, absl::Seconds(10));
  EXPECT_EQ(lifecycle_.phase(), Phase::kDraining);
}

TEST_F(DrainTest, WaitsNoLongerThanWorkLasts) {
  service_.active = 100;
  Run();
  EXPECT_THAT(service_.steps, ElementsAre("announce", "begin"));
  EXPECT_LT(signals_.waited, absl::Seconds(13));
}

TEST_F(DrainTest, CancelsWhatIsLeftAtTheTimeout) {
  service_.active = 1'000'000;
  Run();
  EXPECT_THAT(service_.steps, ElementsAre("announce", "begin", "cancel"));
  EXPECT_EQ(signals_.waited, absl::Seconds(310));
}

TEST_F(DrainTest, ASecondSignalSkipsTheAnnouncedWait) {
  service_.active = 1'000'000;
  signals_.signal_at = absl::Seconds(1);
  Run();
  EXPECT_THAT(service_.steps, ElementsAre("announce", "begin", "cancel"));
  EXPECT_EQ(signals_.waited, absl::Seconds(1));
}

TEST_F(DrainTest, ASecondSignalCutsTheDrainShort) {
  service_.active = 1'000'000;
  signals_.signal_at = absl::Seconds(20);
  Run();
  EXPECT_THAT(service_.steps, ElementsAre("announce", "begin", "cancel"));
  EXPECT_EQ(signals_.waited, absl::Seconds(20));
}

}  // namespace
}  // namespace gateway::process
