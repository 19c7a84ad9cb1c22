#include "common/metrics/process_metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <ctime>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>

#include "absl/strings/match.h"
#include "common/metrics/lint.h"

namespace gateway::metrics {
namespace {

const BuildLabels kBuild = {"1.2.3", "abc", "Debug"};

std::map<std::string, double> Values(const std::string& root = "") {
  std::map<std::string, double> values;
  for (const auto& family : CollectProcess(kBuild, root)) {
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

// A directory that looks like `/` of a machine with 1 GiB.
class MemoryTest : public testing::Test {
 protected:
  MemoryTest() {
    std::string pattern = testing::TempDir() + "memory_XXXXXX";
    root_ = mkdtemp(pattern.data());
    Write("/proc/meminfo", "MemTotal:        1048576 kB\nMemFree: 1 kB\n");
    Write("/proc/self/statm", "900 100 50 1 0 60 0\n");
  }
  ~MemoryTest() override { std::filesystem::remove_all(root_); }

  void Write(const std::string& path, const std::string& text) {
    std::filesystem::create_directories(
        std::filesystem::path(root_ + path).parent_path());
    std::ofstream(root_ + path) << text;
  }
  double Usage() { return Values(root_).at("agentgw_memory_usage_bytes"); }
  double Limit() { return Values(root_).at("agentgw_memory_limit_bytes"); }

  std::string root_;
};

TEST_F(MemoryTest, IsTheContainersInVersion2) {
  Write("/proc/self/cgroup", "0::/pod\n");
  Write("/sys/fs/cgroup/pod/memory.max", "524288\n");
  Write("/sys/fs/cgroup/pod/memory.current", "4000\n");
  EXPECT_EQ(Usage(), 4000);
  EXPECT_EQ(Limit(), 524288);
}

TEST_F(MemoryTest, IsTheContainersInVersion1) {
  Write("/proc/self/cgroup", "9:memory:/pod\n");
  Write("/sys/fs/cgroup/memory/pod/memory.limit_in_bytes", "524288\n");
  Write("/sys/fs/cgroup/memory/pod/memory.usage_in_bytes", "4000\n");
  EXPECT_EQ(Usage(), 4000);
  EXPECT_EQ(Limit(), 524288);
}

TEST_F(MemoryTest, IsTheProcessesAndTheMachinesWithoutOne) {
  EXPECT_EQ(Usage(), 100.0 * static_cast<double>(sysconf(_SC_PAGESIZE)));
  EXPECT_EQ(Limit(), 1 << 30);
}

TEST_F(MemoryTest, ALimitBeyondTheMachineIsTheMachines) {
  Write("/proc/self/cgroup", "0::/pod\n");
  Write("/sys/fs/cgroup/pod/memory.max", "max\n");
  EXPECT_EQ(Limit(), 1 << 30);
  Write("/sys/fs/cgroup/pod/memory.max", "1099511627776\n");
  EXPECT_EQ(Limit(), 1 << 30);
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
