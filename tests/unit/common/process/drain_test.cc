#include "common/process/drain.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>

#include "tests/unit/common/process/fake_service.h"

namespace gateway::process {
namespace {

using testing::ElementsAre;

// Time passes only in Wait; events come at their times.
class FakeEvents : public EventSource, public Clock {
 public:
  absl::Time Now() const override { return absl::UnixEpoch() + waited; }
  Awaitable<bool> SleepUntil(absl::Time) override { co_return false; }

  std::optional<Event> Wait(absl::Duration timeout) override {
    timeout += late;
    if (!coming.empty() && coming.front().first <= waited + timeout) {
      waited = std::max(waited, coming.front().first);
      Event event = std::move(coming.front().second);
      coming.pop_front();
      return event;
    }
    waited += timeout;
    return std::nullopt;
  }

  // Comes when `after` has been waited; the outcome that it was answered with.
  Control::Outcome Add(absl::Duration after, Event::Kind kind) {
    Event event{kind, "test",
                std::make_shared<std::promise<absl::StatusOr<std::string>>>()};
    Control::Outcome outcome = event.reply->get_future();
    coming.emplace_back(after, std::move(event));
    return outcome;
  }

  absl::Duration waited;
  // How much longer each wait takes than it should.
  absl::Duration late;
  std::deque<std::pair<absl::Duration, Event>> coming;
};

class DrainTest : public testing::Test {
 protected:
  DrainEnd Run(Event::Kind cause = Event::Kind::kStop) {
    return Drain(
        service_, lifecycle_, events_, {cause, "test", nullptr},
        [this] { announced_.push_back(lifecycle_.phase()); }, &events_);
  }

  FakeService service_;
  Lifecycle lifecycle_;
  FakeEvents events_;
  std::vector<Phase> announced_;
};

TEST_F(DrainTest, AnnouncesWaitsAndRefuses) {
  Run();
  EXPECT_THAT(service_.steps, ElementsAre("begin"));
  EXPECT_EQ(events_.waited, absl::Seconds(10));
  EXPECT_EQ(lifecycle_.phase(), Phase::kDraining);
  EXPECT_THAT(announced_, ElementsAre(Phase::kDraining));
}

TEST_F(DrainTest, WaitsNoLongerThanWorkLasts) {
  service_.active = 100;
  Run();
  EXPECT_THAT(service_.steps, ElementsAre("begin"));
  EXPECT_LT(events_.waited, absl::Seconds(13));
}

TEST_F(DrainTest, CancelsWhatIsLeftAtTheTimeout) {
  service_.active = 1'000'000;
  Run();
  EXPECT_THAT(service_.steps, ElementsAre("begin", "cancel"));
  EXPECT_EQ(events_.waited, absl::Seconds(310));
}

TEST_F(DrainTest, EventsDoNotHastenTheEnd) {
  service_.active = 1'000'000;
  std::vector<Control::Outcome> asked;
  for (const int second : {1, 20}) {
    for (int i = 0; i < 100; ++i) {
      asked.push_back(
          events_.Add(absl::Seconds(second) + i * absl::Milliseconds(1),
                      Event::Kind::kDrain));
    }
  }
  Run();
  EXPECT_EQ(events_.waited, absl::Seconds(310));
}

TEST_F(DrainTest, WaitsThatTakeLongerAddNothing) {
  service_.active = 1'000'000;
  events_.late = absl::Milliseconds(5);
  Run();
  EXPECT_LE(events_.waited, absl::Seconds(310) + absl::Milliseconds(25));
}

TEST_F(DrainTest, WaitsForWhatIsDelivered) {
  service_.active = 100;
  service_.undelivered = 1000;
  Run();
  EXPECT_THAT(service_.steps, ElementsAre("begin"));
  EXPECT_EQ(service_.undelivered, 0u);
  EXPECT_GT(events_.waited, absl::Seconds(20));
  EXPECT_LT(events_.waited, absl::Seconds(40));
}

TEST_F(DrainTest, WaitsForDeliveryNoLongerThanTheTimeout) {
  service_.undelivered = 1'000'000;
  Run();
  EXPECT_EQ(events_.waited, absl::Seconds(310));
}

TEST_F(DrainTest, ASecondSignalLeavesWhatIsNotDelivered) {
  service_.undelivered = 1'000'000;
  events_.Add(absl::Seconds(20), Event::Kind::kStop);
  Run();
  EXPECT_EQ(events_.waited, absl::Seconds(20));
}

TEST_F(DrainTest, ASecondSignalSkipsTheAnnouncedWait) {
  service_.active = 1'000'000;
  events_.Add(absl::Seconds(1), Event::Kind::kStop);
  Run();
  EXPECT_THAT(service_.steps, ElementsAre("begin", "cancel"));
  EXPECT_EQ(events_.waited, absl::Seconds(1));
}

TEST_F(DrainTest, ASecondSignalCutsTheDrainShort) {
  service_.active = 1'000'000;
  events_.Add(absl::Seconds(20), Event::Kind::kStop);
  Run();
  EXPECT_THAT(service_.steps, ElementsAre("begin", "cancel"));
  EXPECT_EQ(events_.waited, absl::Seconds(20));
}

TEST_F(DrainTest, TheFirstSignalAfterTheAdminPortHurriesNobody) {
  events_.Add(absl::Seconds(1), Event::Kind::kStop);
  EXPECT_EQ(Run(Event::Kind::kDrain), DrainEnd::kEmpty);
  EXPECT_GE(events_.waited, absl::Seconds(10));
}

TEST_F(DrainTest, CanBeTakenBackWhileWorkIsAccepted) {
  auto undrain = events_.Add(absl::Seconds(1), Event::Kind::kUndrain);
  EXPECT_EQ(Run(Event::Kind::kDrain), DrainEnd::kResumed);
  EXPECT_TRUE(undrain.get().ok());
  EXPECT_THAT(service_.steps, testing::IsEmpty());
  EXPECT_EQ(events_.waited, absl::Seconds(1));
  EXPECT_THAT(announced_, ElementsAre(Phase::kDraining, Phase::kServing));
}

TEST_F(DrainTest, CannotBeTakenBackOnceWorkIsRefused) {
  service_.active = 1'000'000;
  auto undrain = events_.Add(absl::Seconds(20), Event::Kind::kUndrain);
  EXPECT_EQ(Run(Event::Kind::kDrain), DrainEnd::kEmpty);
  EXPECT_EQ(undrain.get().status().code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST_F(DrainTest, ASignalIsNotTakenBack) {
  auto undrain = events_.Add(absl::Seconds(1), Event::Kind::kUndrain);
  EXPECT_EQ(Run(Event::Kind::kStop), DrainEnd::kEmpty);
  EXPECT_FALSE(undrain.get().ok());
}

TEST_F(DrainTest, TakesNoConfigAndKnowsThatItDrains) {
  auto reload = events_.Add(absl::Seconds(1), Event::Kind::kReload);
  auto drain = events_.Add(absl::Seconds(2), Event::Kind::kDrain);
  EXPECT_EQ(Run(), DrainEnd::kEmpty);
  EXPECT_FALSE(reload.get().ok());
  EXPECT_EQ(*drain.get(), "{\"status\":\"draining\"}\n");
}

}  // namespace
}  // namespace gateway::process
