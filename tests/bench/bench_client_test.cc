// The load generator must not take a broken answer for a complete one.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/bench/load.h"
#include "tests/bench/response.h"
#include "tests/fakes/provider/server.h"

namespace bench {
namespace {

class BenchClientTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(provider_.Start()); }

  LoadResult Run(const std::string& model, bool streamed, int events = -1) {
    LoadOptions options;
    options.port = provider_.port();
    options.body = ChatBody(model, streamed, 50);
    options.streamed = streamed;
    options.content_events = events;
    options.connections = 3;
    options.requests = 12;
    options.timeout_s = 1;
    return RunLoad(options);
  }

  fake_provider::Server provider_{fake_provider::Server::Options()};
};

TEST_F(BenchClientTest, CountsCompleteAnswers) {
  for (bool streamed : {false, true}) {
    LoadResult result = Run("fake-50x0", streamed, 50);
    EXPECT_EQ(result.completed, 12);
    EXPECT_EQ(result.failed(), 0);
    EXPECT_EQ(result.latency_us.size(), 12u);
    EXPECT_GT(result.first_us.front(), 0);
  }
  EXPECT_THAT(provider_.service().journal().StatsJson(),
              ::testing::HasSubstr("\"connections_total\":6,"));
}

TEST_F(BenchClientTest, MeasuresPacedStreams) {
  LoadResult result = Run("fake-3x20", true, 3);
  EXPECT_EQ(result.completed, 12);
  // Two pauses between contents and one before the finish event.
  EXPECT_GE(Percentile(result.latency_us, 0), 59000);
  EXPECT_LT(Percentile(result.first_us, 0), 59000);
}

TEST_F(BenchClientTest, SpreadsTheBeginnings) {
  LoadOptions options;
  options.port = provider_.port();
  options.body = ChatBody("fake-1x0", false, 50);
  options.connections = 4;
  options.ramp_s = 0.2;
  options.seconds = 0.1;
  // The third and fourth would begin when it is over.
  EXPECT_GT(RunLoad(options).completed, 0);
  EXPECT_THAT(provider_.service().journal().StatsJson(),
              ::testing::HasSubstr("\"connections_total\":2,"));
  provider_.service().journal().ResetStats();
  options.seconds = 0.3;
  EXPECT_GT(RunLoad(options).completed, 0);
  EXPECT_THAT(provider_.service().journal().StatsJson(),
              ::testing::HasSubstr("\"connections_total\":4,"));
}

struct BrokenCase {
  const char* name;
  const char* model;
  bool streamed;
  const char* fault;
};

class BrokenAnswerTest : public BenchClientTest,
                         public ::testing::WithParamInterface<BrokenCase> {};

TEST_P(BrokenAnswerTest, IsCountedByItsFault) {
  const BrokenCase& broken = GetParam();
  LoadResult result = Run(broken.model, broken.streamed, 50);
  EXPECT_EQ(result.completed, 0);
  EXPECT_EQ(result.faults[broken.fault], 12);
  EXPECT_EQ(result.failed(), 12);
}

INSTANTIATE_TEST_SUITE_P(
    All, BrokenAnswerTest,
    ::testing::Values(
        BrokenCase{"CutStream", "fault-cut-after-30-e50", true, "truncated"},
        BrokenCase{"CutEvent", "fault-cut-mid-event-3", true, "truncated"},
        BrokenCase{"ResetStream", "fault-reset-after-3", true, "truncated"},
        BrokenCase{"CutWhole", "fault-cut-after-3", false, "truncated"},
        BrokenCase{"NoFinish", "fault-done-no-finish-e50", true,
                   "no finish reason"},
        BrokenCase{"NoFinishWhole", "fault-no-finish", false,
                   "no finish reason"},
        BrokenCase{"NoDone", "fault-no-done-e50", true, "no [DONE]"},
        BrokenCase{"TooFew", "fake-49x0", true, "wrong number of events"},
        BrokenCase{"TooMany", "fake-51x0", true, "wrong number of events"},
        BrokenCase{"ErrorEvent", "fault-error-after-3", true, "error event"},
        BrokenCase{"Status", "fault-refuse-503", true, "status"},
        BrokenCase{"Empty", "fault-empty-200", false, "no finish reason"},
        BrokenCase{"Silence", "fault-stall-after-3", true, "timeout"}),
    [](const auto& info) { return info.param.name; });

TEST_F(BenchClientTest, SendsAgainWhenAKeptConnectionDied) {
  LoadResult result = Run("fault-close-after-stream-e50", true, 50);
  EXPECT_EQ(result.completed, 12);
  EXPECT_EQ(result.failed(), 0);
  EXPECT_GT(result.reconnects, 0);
}

TEST_F(BenchClientTest, HoldsStreamsOpen) {
  LoadOptions options;
  options.port = provider_.port();
  options.body = ChatBody("fake-5x60000", true, 50);
  options.streamed = true;
  options.connections = 40;
  long in_flight = -1;
  options.hold = [&] {
    in_flight = provider_.service().journal().stats().in_flight;
  };
  RunLoad(options);
  EXPECT_EQ(in_flight, 40);
}

TEST(ResponseTest, ReadsBytesCutAnywhere) {
  const std::string answer =
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
      "22\r\ndata: {\"delta\":{\"content\":\"hi\"}}\n\n\r\n"
      "1e\r\ndata: {\"finish_reason\":\"stop\"}\r\n"
      "10\r\n\n\ndata: [DONE]\n\n\r\n"
      "0\r\n\r\n";
  for (size_t piece = 1; piece <= answer.size(); ++piece) {
    Response response(true, 1);
    for (size_t at = 0; at < answer.size(); at += piece) {
      ASSERT_FALSE(response.ended());
      response.Feed(answer.data() + at, std::min(piece, answer.size() - at));
    }
    EXPECT_TRUE(response.ended());
    EXPECT_EQ(response.Fault(), "") << piece;
  }
}

}  // namespace
}  // namespace bench
