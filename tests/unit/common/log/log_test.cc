#include "common/log/log.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "tests/support/log_capture.h"

namespace gateway::log {
namespace {

class LogTest : public testing::Test {
 protected:
  LogTest() { Configure({.service = "test"}); }
  ~LogTest() override { SetModuleLevel("quiet", std::nullopt); }
};

TEST_F(LogTest, WritesOneJsonLineToStderr) {
  testing::internal::CaptureStderr();
  LOG_INFO("module", "hello", {{"n", 1}, {"s", "two"}});
  LOG_ERROR("module", "bare");
  const std::string out = testing::internal::GetCapturedStderr();
  EXPECT_TRUE(absl::StrContains(
      out,
      R"("service":"test","module":"module","msg":"hello","n":1,"s":"two"})"
      "\n{"));
  EXPECT_TRUE(absl::EndsWith(out, "\"msg\":\"bare\"}\n"));
}

TEST_F(LogTest, LevelsHoldForAllOrForAModule) {
  LogCapture capture;
  LOG_DEBUG("quiet", "no");
  EXPECT_EQ(capture.Lines().size(), 0u);
  SetModuleLevel("quiet", Level::kDebug);
  LOG_DEBUG("quiet", "yes");
  LOG_DEBUG("other", "no");
  EXPECT_EQ(capture.Lines().size(), 1u);
  SetModuleLevel("quiet", Level::kError);
  LOG_WARNING("quiet", "no");
  LOG_WARNING("other", "yes");
  EXPECT_EQ(capture.Lines().size(), 2u);
  SetModuleLevel("quiet", std::nullopt);
  SetLevel(Level::kOff);
  LOG_ERROR("quiet", "no");
  EXPECT_EQ(capture.Lines().size(), 2u);
}

TEST_F(LogTest, EvaluatesArgumentsOnlyIfNeeded) {
  LogCapture capture;
  int evaluated = 0;
  const auto costly = [&] { return ++evaluated; };
  LOG_DEBUG("m", "x", {{"n", costly()}});
  EXPECT_EQ(evaluated, 0);
  LOG_INFO("m", "x", {{"n", costly()}});
  EXPECT_EQ(evaluated, 1);
}

TEST_F(LogTest, RepeatedWarningsAreLimitedAtTheirPlace) {
  LogCapture capture;
  for (int i = 0; i < 100; ++i) {
    LOG_WARNING_EVERY(absl::Hours(1), "m", "again", {{"i", i}});
  }
  LOG_WARNING_EVERY(absl::Hours(1), "m", "another place");
  EXPECT_EQ(capture.Lines().size(), 2u);
}

TEST_F(LogTest, TextFormat) {
  Configure({.service = "test", .format = Format::kText});
  LogCapture capture;
  LOG_INFO("m", "hello", {{"n", 1}});
  EXPECT_TRUE(absl::EndsWith(capture.Lines().at(0), " info    m: hello n=1"));
}

TEST_F(LogTest, LinesOfManyThreadsStayWhole) {
  LogCapture capture;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([] {
        for (int i = 0; i < 200; ++i) LOG_INFO("m", "x", {{"i", i}});
      });
    }
    SetModuleLevel("quiet", Level::kDebug);
    SetLevel(Level::kInfo);
  }
  EXPECT_EQ(capture.Lines().size(), 800u);
  for (const std::string& line : capture.Lines()) {
    EXPECT_EQ(line.front(), '{');
    EXPECT_EQ(line.back(), '}');
  }
}

TEST(LogNamesTest, AreParsed) {
  EXPECT_EQ(ParseLevel("warn"), Level::kWarning);
  EXPECT_EQ(ParseLevel(LevelName(Level::kError)), Level::kError);
  EXPECT_EQ(ParseLevel("loud"), std::nullopt);
  EXPECT_EQ(ParseFormat("text"), Format::kText);
  EXPECT_EQ(ParseFormat("xml"), std::nullopt);
}

}  // namespace
}  // namespace gateway::log
