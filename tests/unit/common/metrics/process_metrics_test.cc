#include "common/metrics/process_metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <ctime>
#include <map>
#include <string>

#include "absl/strings/match.h"
#include "common/metrics/lint.h"

namespace gateway::metrics {
namespace {

const BuildLabels kBuild = {"1.2.3", "abc", "Debug"};

std::map<std::string, double> Values() {
  std::map<std::string, double> values;
  for (const auto& family : CollectProcess(kBuild)) {
    EXPECT_EQ(family.metric.size(), 1u);
    values[family.name] = family.type == prometheus::MetricType::Counter
                              ? family.metric[0].counter.value
                              : family.metric[0].gauge.value;
  }
  return values;
}

TEST(ProcessMetricsTest, ReadsWhatTheKernelSays) {
  const auto values = Values();
  const double now = static_cast<double>(std::time(nullptr));
  EXPECT_GT(values.at("process_resident_memory_bytes"), 1e6);
  EXPECT_GT(values.at("agentgw_memory_usage_bytes"), 0);
  EXPECT_GT(values.at("process_max_fds"), 3);
  EXPECT_LE(values.at("process_start_time_seconds"), now + 2);
  EXPECT_GT(values.at("process_start_time_seconds"), now - 3600);
  EXPECT_GE(values.at("process_cpu_seconds_total"), 0);
}

TEST(ProcessMetricsTest, CountsOpenFiles) {
  const double before = Values().at("process_open_fds");
  const int fd = dup(0);
  ASSERT_GE(fd, 0);
  EXPECT_EQ(Values().at("process_open_fds"), before + 1);
  close(fd);
  EXPECT_EQ(Values().at("process_open_fds"), before);
}

TEST(ProcessMetricsTest, CountsCpuTime) {
  const double before = Values().at("process_cpu_seconds_total");
  double after = before;
  for (int i = 0; i < 100'000 && after == before; ++i) {
    after = Values().at("process_cpu_seconds_total");
  }
  EXPECT_GT(after, before);
}

TEST(ProcessMetricsTest, NamesTheBuild) {
  EXPECT_TRUE(
      absl::StrContains(ToText(CollectProcess(kBuild)),
                        "agentgw_build_info{version=\"1.2.3\",revision=\"abc\","
                        "build_type=\"Debug\"} 1\n"));
}

TEST(ProcessMetricsTest, FollowsTheRulesForNames) {
  EXPECT_THAT(Lint(CollectProcess(kBuild)), testing::IsEmpty());
}

}  // namespace
}  // namespace gateway::metrics
