#include "common/concurrency/cgroup.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace gateway {
namespace {

class CgroupTest : public testing::Test {
 protected:
  CgroupTest() {
    std::string pattern = testing::TempDir() + "/cgroupXXXXXX";
    root_ = mkdtemp(pattern.data());
  }
  ~CgroupTest() override { std::filesystem::remove_all(root_); }

  void Write(const std::string& path, const std::string& text) {
    const std::filesystem::path full = root_ + path;
    std::filesystem::create_directories(full.parent_path());
    std::ofstream(full) << text;
  }

  std::string root_;
};

TEST_F(CgroupTest, NothingMeansUnlimited) {
  const Cgroup cgroup(root_);
  EXPECT_EQ(cgroup.CpuQuota(), std::nullopt);
  EXPECT_EQ(cgroup.MemoryLimitBytes(), std::nullopt);
  EXPECT_EQ(cgroup.MemoryUsageBytes(), std::nullopt);
}

TEST_F(CgroupTest, Version2TakesTheSmallestOnTheWayUp) {
  Write("/proc/self/cgroup", "0::/pods/one\n");
  Write("/sys/fs/cgroup/pods/one/cpu.max", "250000 100000\n");
  Write("/sys/fs/cgroup/pods/cpu.max", "150000 100000\n");
  Write("/sys/fs/cgroup/pods/one/memory.max", "max\n");
  Write("/sys/fs/cgroup/pods/memory.max", "1048576\n");
  Write("/sys/fs/cgroup/pods/one/memory.current", "5000\n");
  Write("/sys/fs/cgroup/pods/one/memory.stat",
        "anon 4000\ninactive_file 1000\n");
  const Cgroup cgroup(root_);
  EXPECT_EQ(cgroup.CpuQuota(), 1.5);
  EXPECT_EQ(cgroup.MemoryLimitBytes(), 1048576);
  EXPECT_EQ(cgroup.MemoryUsageBytes(), 4000);
}

TEST_F(CgroupTest, Version2InsideAContainer) {
  Write("/proc/self/cgroup", "0::/\n");
  Write("/sys/fs/cgroup/cpu.max", "max 100000\n");
  Write("/sys/fs/cgroup/memory.max", "2097152\n");
  Write("/sys/fs/cgroup/memory.current", "700\n");
  const Cgroup cgroup(root_);
  EXPECT_EQ(cgroup.CpuQuota(), std::nullopt);
  EXPECT_EQ(cgroup.MemoryLimitBytes(), 2097152);
  EXPECT_EQ(cgroup.MemoryUsageBytes(), 700);
}

TEST_F(CgroupTest, Version1) {
  Write("/proc/self/cgroup",
        "9:memory:/docker/a\n4:cpu,cpuacct:/docker/a\n0::/\n");
  Write("/sys/fs/cgroup/cpu/docker/a/cpu.cfs_quota_us", "50000\n");
  Write("/sys/fs/cgroup/cpu/docker/a/cpu.cfs_period_us", "100000\n");
  Write("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n");
  Write("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
  Write("/sys/fs/cgroup/memory/docker/a/memory.limit_in_bytes",
        "9223372036854771712\n");
  Write("/sys/fs/cgroup/memory/docker/a/memory.usage_in_bytes", "900\n");
  Write("/sys/fs/cgroup/memory/docker/a/memory.stat",
        "cache 1\ntotal_inactive_file 200\n");
  const Cgroup cgroup(root_);
  EXPECT_EQ(cgroup.CpuQuota(), 0.5);
  EXPECT_EQ(cgroup.MemoryLimitBytes(), std::nullopt);
  EXPECT_EQ(cgroup.MemoryUsageBytes(), 700);
}

TEST(CpuQuotaTest, IsAtLeastOne) { EXPECT_GE(CpuQuota(), 1); }

}  // namespace
}  // namespace gateway
