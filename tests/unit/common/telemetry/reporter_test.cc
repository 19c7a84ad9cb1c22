#include "common/telemetry/reporter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>

#include "tests/fakes/recording_telemetry_receiver.h"
#include "tests/support/fake_clock.h"
#include "tests/support/run_flow.h"

namespace gateway::telemetry {
namespace {

using metrics_collector::v1::RequestRecord;

RequestRecord Record(int id) {
  RequestRecord record;
  record.set_request_id(std::to_string(id));
  return record;
}

class ReporterTest : public ::testing::Test {
 protected:
  std::unique_ptr<Reporter> Make(size_t queue_size = 100) {
    return std::make_unique<Reporter>(
        &receiver_, &clock_,
        ReporterOptions{.service = "ingress", .queue_size = queue_size});
  }

  void Advance(VoidTestFlow& flow, absl::Duration duration) {
    clock_.Advance(duration);
    flow.Poll();
  }

  std::vector<std::string> Ids() const {
    std::vector<std::string> ids;
    for (const auto& record : receiver_.records()) {
      ids.push_back(record.request_id());
    }
    return ids;
  }

  boost::asio::io_context io_;
  FakeClock clock_;
  RecordingTelemetryReceiver receiver_;
};

TEST_F(ReporterTest, SendsInBatchesByItself) {
  const auto reporter = Make();
  reporter->Add(Record(1));
  VoidTestFlow flow(io_, reporter->Run());
  reporter->Add(Record(2));
  reporter->Add(Record(3));
  Advance(flow, absl::Milliseconds(100));
  EXPECT_THAT(Ids(), ::testing::ElementsAre("1", "2", "3"));
  EXPECT_EQ(receiver_.calls(), 1);
  flow.Cancel();
}

TEST_F(ReporterTest, BeatsAtTheStartAndEachTenSecondsWithWhatIsOpen) {
  const auto reporter = Make();
  const std::string id = "req_1";
  const std::string model = "m";
  common::v1::Account account;
  account.set_tenant("t");
  OpenEntry entry;
  entry.request_id = &id;
  entry.model = &model;
  entry.account = &account;
  entry.start_time = absl::FromUnixMillis(1500);
  reporter->Open(entry);
  VoidTestFlow flow(io_, reporter->Run());
  ASSERT_EQ(receiver_.beats().size(), 1u);
  const auto beat = receiver_.beats()[0];
  EXPECT_EQ(beat.service(), "ingress");
  EXPECT_EQ(beat.instance_id(), reporter->instance_id());
  ASSERT_EQ(beat.open_requests_size(), 1);
  EXPECT_EQ(beat.open_requests(0).request_id(), "req_1");
  EXPECT_EQ(beat.open_requests(0).account().tenant(), "t");
  EXPECT_EQ(beat.open_requests(0).model(), "m");
  EXPECT_EQ(beat.open_requests(0).start_time().seconds(), 1);
  EXPECT_EQ(beat.open_requests(0).start_time().nanos(), 500'000'000);

  reporter->Close(entry);
  reporter->Close(entry);
  Advance(flow, absl::Seconds(9));
  EXPECT_EQ(receiver_.beats().size(), 1u);
  for (int i = 0; i < 3; ++i) Advance(flow, absl::Seconds(1));
  ASSERT_GE(receiver_.beats().size(), 2u);
  EXPECT_EQ(receiver_.beats()[1].open_requests_size(), 0);
  flow.Cancel();
}

TEST_F(ReporterTest, BeatsAlsoUnderSteadyLoad) {
  const auto reporter = Make();
  VoidTestFlow flow(io_, reporter->Run());
  for (int i = 0; i < 110; ++i) {
    reporter->Add(Record(i));
    Advance(flow, absl::Milliseconds(100));
  }
  EXPECT_GE(receiver_.beats().size(), 2u);
  EXPECT_EQ(reporter->dropped(), 0);
  flow.Cancel();
}

TEST_F(ReporterTest, CountsWhatAFullQueueDrops) {
  const auto reporter = Make(/*queue_size=*/2);
  for (int i = 0; i < 5; ++i) reporter->Add(Record(i));
  EXPECT_EQ(reporter->dropped(), 3);
  VoidTestFlow flow(io_, reporter->Run());
  EXPECT_THAT(Ids(), ::testing::ElementsAre("0", "1"));
  EXPECT_EQ(receiver_.beats()[0].dropped_records(), 3);
  flow.Cancel();
}

TEST_F(ReporterTest, SendsAgainWhatWasNotAcknowledged) {
  const auto reporter = Make();
  VoidTestFlow flow(io_, reporter->Run());
  reporter->Add(Record(1));
  Advance(flow, absl::Milliseconds(100));
  EXPECT_THAT(Ids(), ::testing::ElementsAre("1"));
  receiver_.SetAway(true);
  reporter->Add(Record(2));
  Advance(flow, absl::Milliseconds(100));
  receiver_.SetAway(false);
  for (int i = 0; i < 3; ++i) Advance(flow, absl::Milliseconds(200));
  // The first a second time: the collector tells by the request id.
  EXPECT_THAT(Ids(), ::testing::ElementsAre("1", "1", "2"));
  EXPECT_EQ(reporter->dropped(), 0);
  flow.Cancel();
}

TEST_F(ReporterTest, TriesAgainMoreAndMoreSlowly) {
  receiver_.SetAway(true);
  const auto reporter = Make();
  VoidTestFlow flow(io_, reporter->Run());
  EXPECT_EQ(receiver_.calls(), 1);
  Advance(flow, absl::Milliseconds(200));
  EXPECT_EQ(receiver_.calls(), 2);
  Advance(flow, absl::Milliseconds(399));
  EXPECT_EQ(receiver_.calls(), 2);
  Advance(flow, absl::Milliseconds(1));
  EXPECT_EQ(receiver_.calls(), 3);
  flow.Cancel();
}

TEST_F(ReporterTest, StopSendsWhatIsLeft) {
  const auto reporter = Make();
  VoidTestFlow flow(io_, reporter->Run());
  reporter->Add(Record(1));
  reporter->Stop();
  Advance(flow, absl::Milliseconds(100));
  EXPECT_TRUE(flow.done());
  EXPECT_THAT(Ids(), ::testing::ElementsAre("1"));
  EXPECT_EQ(reporter->dropped(), 0);
}

TEST_F(ReporterTest, StopDoesNotWaitForACollectorThatIsAway) {
  receiver_.SetAway(true);
  const auto reporter = Make();
  VoidTestFlow flow(io_, reporter->Run());
  reporter->Add(Record(1));
  reporter->Stop();
  Advance(flow, absl::Milliseconds(200));
  EXPECT_TRUE(flow.done());
  EXPECT_EQ(reporter->dropped(), 1);
}

TEST_F(ReporterTest, WhatACancelledFlowLeavesIsDropped) {
  const auto reporter = Make();
  VoidTestFlow flow(io_, reporter->Run());
  reporter->Add(Record(1));
  flow.Cancel();
  EXPECT_TRUE(flow.done());
  EXPECT_EQ(reporter->dropped(), 1);
}

}  // namespace
}  // namespace gateway::telemetry
