#include "common/process/events.h"

#include <absl/strings/str_cat.h>
#include <absl/time/clock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <fstream>
#include <thread>

namespace gateway::process {
namespace {

using Kind = Event::Kind;

TEST(EventsTest, SignalsAreEvents) {
  ProcessEvents events;
  EXPECT_FALSE(events.Wait(absl::ZeroDuration()));
  for (const auto& [signal, kind, name] :
       {std::tuple(SIGTERM, Kind::kStop, "SIGTERM"),
        std::tuple(SIGINT, Kind::kStop, "SIGINT"),
        std::tuple(SIGHUP, Kind::kReload, "SIGHUP")}) {
    kill(getpid(), signal);
    const auto event = events.Wait(absl::Seconds(10));
    ASSERT_TRUE(event) << name;
    EXPECT_EQ(event->kind, kind);
    EXPECT_EQ(event->source, name);
  }
}

TEST(EventsTest, AnotherThreadIsAnswered) {
  ProcessEvents events;
  std::jthread asking(
      [&] { EXPECT_EQ(*events.Ask(Kind::kDrain).get(), "yes"); });
  const auto event = events.Wait(absl::Seconds(10));
  ASSERT_TRUE(event);
  EXPECT_EQ(event->kind, Kind::kDrain);
  event->Answer(std::string("yes"));
}

TEST(EventsTest, WhatNobodyLooksAtIsAnsweredAtTheEnd) {
  Control::Outcome outcome;
  {
    ProcessEvents events;
    outcome = events.Ask(Kind::kReload);
  }
  EXPECT_EQ(outcome.get().status().code(), absl::StatusCode::kUnavailable);
}

TEST(EventsTest, AChangeOfAFileIsOneReload) {
  const std::string file =
      absl::StrCat(testing::TempDir(), "events_", getpid(), ".yaml");
  ProcessEvents events;
  events.Watch({file});
  std::ofstream(file) << "a: 1\n";
  std::ofstream(file) << "a: 2\n";
  const auto event = events.Wait(absl::Seconds(10));
  ASSERT_TRUE(event);
  EXPECT_EQ(event->kind, Kind::kReload);
  EXPECT_EQ(event->source, "file");
  EXPECT_FALSE(events.Wait(absl::Milliseconds(300)));
}

TEST(EventsTest, AChangeThatWasSeenOutlivesTheWatch) {
  const std::string file =
      absl::StrCat(testing::TempDir(), "events_again_", getpid(), ".yaml");
  ProcessEvents events;
  events.Watch({file});
  std::ofstream(file) << "a: 1\n";
  events.Watch({file, file + ".other"});
  const auto event = events.Wait(absl::Seconds(10));
  ASSERT_TRUE(event);
  EXPECT_EQ(event->kind, Kind::kReload);
}

TEST(EventsTest, WaitsNoLongerThanItIsTold) {
  ProcessEvents events;
  const absl::Time begin = absl::Now();
  EXPECT_FALSE(events.Wait(absl::Milliseconds(50)));
  EXPECT_GE(absl::Now() - begin, absl::Milliseconds(50));
}

}  // namespace
}  // namespace gateway::process
