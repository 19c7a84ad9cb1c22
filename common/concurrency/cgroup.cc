#include "common/concurrency/cgroup.h"

#include <sched.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <iterator>
#include <limits>
#include <sstream>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace gateway {
namespace {

// v1 writes a huge number where there is no limit.
constexpr int64_t kUnlimited = int64_t{1} << 60;

std::optional<std::string> ReadFile(const std::string& path) {
  std::ifstream file(path);
  if (!file) return std::nullopt;
  return std::string(std::istreambuf_iterator<char>(file), {});
}

std::optional<int64_t> ReadNumber(const std::string& path) {
  const auto text = ReadFile(path);
  int64_t value = 0;
  if (!text || !absl::SimpleAtoi(*text, &value)) return std::nullopt;
  return value;
}

// `path` and each directory above it, "" (the root) last.
std::vector<std::string> WayUp(std::string path) {
  std::vector<std::string> way;
  while (!path.empty() && path != "/") {
    way.push_back(path);
    path.erase(path.rfind('/'));
  }
  way.push_back("");
  return way;
}

// "max 100000" or "150000 100000".
std::optional<double> ParseCpuMax(const std::string& text) {
  std::istringstream in(text);
  std::string quota;
  double period = 0;
  double value = 0;
  if (!(in >> quota >> period) || period <= 0) return std::nullopt;
  if (!absl::SimpleAtod(quota, &value) || value <= 0) return std::nullopt;
  return value / period;
}

template <class T>
void KeepSmallest(std::optional<T> value, std::optional<T>& smallest) {
  if (value && (!smallest || *value < *smallest)) smallest = value;
}

// The value of `key` in a memory.stat file.
int64_t StatValue(const std::string& path, absl::string_view key) {
  const auto text = ReadFile(path);
  if (!text) return 0;
  for (absl::string_view line : absl::StrSplit(*text, '\n')) {
    const std::pair<absl::string_view, absl::string_view> parts =
        absl::StrSplit(line, absl::MaxSplits(' ', 1));
    int64_t value = 0;
    if (parts.first == key && absl::SimpleAtoi(parts.second, &value)) {
      return value;
    }
  }
  return 0;
}

}  // namespace

Cgroup::Cgroup(std::string root) : root_(std::move(root)) {
  // Lines "0::/path" (v2) or "4:cpu,cpuacct:/path" (v1).
  const auto text = ReadFile(root_ + "/proc/self/cgroup");
  if (!text) return;
  for (absl::string_view line : absl::StrSplit(*text, '\n')) {
    const std::vector<absl::string_view> parts =
        absl::StrSplit(line, absl::MaxSplits(':', 2));
    if (parts.size() != 3) continue;
    std::string path(parts[2]);
    if (path == "/") path.clear();
    if (parts[0] == "0" && parts[1].empty()) v2_path_ = path;
    for (absl::string_view controller : absl::StrSplit(parts[1], ',')) {
      if (controller == "cpu") v1_cpu_path_ = path;
      if (controller == "memory") v1_memory_path_ = path;
    }
  }
}

std::optional<double> Cgroup::CpuQuota() const {
  std::optional<double> smallest;
  for (const std::string& path : WayUp(v2_path_)) {
    const auto text =
        ReadFile(absl::StrCat(root_, "/sys/fs/cgroup", path, "/cpu.max"));
    if (text) KeepSmallest(ParseCpuMax(*text), smallest);
  }
  for (const std::string& path : WayUp(v1_cpu_path_)) {
    const std::string folder =
        absl::StrCat(root_, "/sys/fs/cgroup/cpu", path, "/");
    const auto quota = ReadNumber(folder + "cpu.cfs_quota_us");
    const auto period = ReadNumber(folder + "cpu.cfs_period_us");
    if (!quota || !period || *quota <= 0 || *period <= 0) continue;
    KeepSmallest(std::optional<double>(static_cast<double>(*quota) /
                                       static_cast<double>(*period)),
                 smallest);
  }
  return smallest;
}

std::optional<int64_t> Cgroup::MemoryLimitBytes() const {
  std::optional<int64_t> smallest;
  for (const std::string& path : WayUp(v2_path_)) {
    KeepSmallest(
        ReadNumber(absl::StrCat(root_, "/sys/fs/cgroup", path, "/memory.max")),
        smallest);
  }
  for (const std::string& path : WayUp(v1_memory_path_)) {
    KeepSmallest(ReadNumber(absl::StrCat(root_, "/sys/fs/cgroup/memory", path,
                                         "/memory.limit_in_bytes")),
                 smallest);
  }
  if (smallest && *smallest >= kUnlimited) return std::nullopt;
  return smallest;
}

std::optional<int64_t> Cgroup::MemoryUsageBytes() const {
  // In a container the own group is mounted at the root, whatever its name.
  for (const std::string& path : {v2_path_, std::string()}) {
    const std::string folder = absl::StrCat(root_, "/sys/fs/cgroup", path, "/");
    if (const auto used = ReadNumber(folder + "memory.current")) {
      return std::max<int64_t>(
          0, *used - StatValue(folder + "memory.stat", "inactive_file"));
    }
  }
  for (const std::string& path : {v1_memory_path_, std::string()}) {
    const std::string folder =
        absl::StrCat(root_, "/sys/fs/cgroup/memory", path, "/");
    if (const auto used = ReadNumber(folder + "memory.usage_in_bytes")) {
      return std::max<int64_t>(
          0, *used - StatValue(folder + "memory.stat", "total_inactive_file"));
    }
  }
  return std::nullopt;
}

int CpuQuota() {
  int cpus = 1;
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof(set), &set) == 0) {
    cpus = std::max(1, CPU_COUNT(&set));
  }
  if (const auto quota = Cgroup().CpuQuota()) {
    cpus = std::min(cpus, static_cast<int>(std::ceil(*quota)));
  }
  return std::max(1, cpus);
}

}  // namespace gateway
