#include "common/metrics/process_metrics.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/concurrency/cgroup.h"

namespace gateway::metrics {
namespace {

using prometheus::MetricType;

void AddFamily(const std::string& name, const std::string& help,
               MetricType type, std::optional<double> value,
               Families& families) {
  if (!value.has_value()) return;
  prometheus::MetricFamily family;
  family.name = name;
  family.help = help;
  family.type = type;
  prometheus::ClientMetric& metric = family.metric.emplace_back();
  if (type == MetricType::Counter) {
    metric.counter.value = *value;
  } else {
    metric.gauge.value = *value;
  }
  families.push_back(std::move(family));
}

std::string ReadFile(const std::string& path) {
  std::ifstream file(path);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

struct Stat {
  double cpu_seconds;
  double start_seconds;  // after boot
};

// Fields of proc(5)'s stat, counted from the state behind the name, which may
// itself hold spaces and parentheses.
std::optional<Stat> ReadStat() {
  constexpr size_t kUserTime = 11, kSystemTime = 12, kStartTime = 19;
  const std::string text = ReadFile("/proc/self/stat");
  const size_t name_end = text.rfind(") ");
  if (name_end == std::string::npos) return std::nullopt;
  const std::vector<std::string> fields =
      absl::StrSplit(text.substr(name_end + 2), ' ');
  int64_t user = 0, system = 0, start = 0;
  if (fields.size() <= kStartTime ||
      !absl::SimpleAtoi(fields[kUserTime], &user) ||
      !absl::SimpleAtoi(fields[kSystemTime], &system) ||
      !absl::SimpleAtoi(fields[kStartTime], &start)) {
    return std::nullopt;
  }
  const double ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
  return Stat{static_cast<double>(user + system) / ticks,
              static_cast<double>(start) / ticks};
}

// Unix time.
std::optional<double> BootSeconds() {
  for (absl::string_view line : absl::StrSplit(ReadFile("/proc/stat"), '\n')) {
    int64_t seconds = 0;
    if (line.substr(0, 6) == "btime " &&
        absl::SimpleAtoi(line.substr(6), &seconds)) {
      return static_cast<double>(seconds);
    }
  }
  return std::nullopt;
}

// "MemTotal:       16324520 kB"
std::optional<double> MachineBytes(const std::string& root) {
  for (absl::string_view line :
       absl::StrSplit(ReadFile(root + "/proc/meminfo"), '\n')) {
    int64_t kib = 0;
    if (absl::ConsumePrefix(&line, "MemTotal:") &&
        absl::ConsumeSuffix(&line, "kB") && absl::SimpleAtoi(line, &kib)) {
      return static_cast<double>(kib) * 1024;
    }
  }
  return std::nullopt;
}

std::optional<double> ResidentBytes(const std::string& root) {
  const std::vector<std::string> fields =
      absl::StrSplit(ReadFile(root + "/proc/self/statm"), ' ');
  int64_t pages = 0;
  if (fields.size() < 2 || !absl::SimpleAtoi(fields[1], &pages)) {
    return std::nullopt;
  }
  return static_cast<double>(pages) *
         static_cast<double>(sysconf(_SC_PAGESIZE));
}

std::optional<double> OpenFiles() {
  std::error_code error;
  std::filesystem::directory_iterator it("/proc/self/fd", error);
  if (error) return std::nullopt;
  double count = -1;  // the directory itself is open too
  for (; it != std::filesystem::directory_iterator(); it.increment(error)) {
    ++count;
    if (error) return std::nullopt;
  }
  return count;
}

std::optional<double> MaxFiles() {
  rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return std::nullopt;
  return static_cast<double>(limit.rlim_cur);
}

prometheus::MetricFamily BuildInfoFamily(const BuildLabels& build) {
  prometheus::MetricFamily family;
  family.name = "agentgw_build_info";
  family.help = "What runs; always 1.";
  family.type = MetricType::Gauge;
  prometheus::ClientMetric& metric = family.metric.emplace_back();
  metric.gauge.value = 1;
  metric.label = {{"version", build.version},
                  {"revision", build.revision},
                  {"build_type", build.build_type}};
  return family;
}

std::optional<double> ToDouble(std::optional<int64_t> value) {
  if (!value.has_value()) return std::nullopt;
  return static_cast<double>(*value);
}

}  // namespace

Families CollectProcess(const BuildLabels& build, const std::string& root) {
  Families families;
  families.push_back(BuildInfoFamily(build));

  const Cgroup cgroup(root);
  const std::optional<double> resident = ResidentBytes(root);
  std::optional<double> used = ToDouble(cgroup.MemoryUsageBytes());
  if (!used.has_value()) used = resident;
  AddFamily("agentgw_memory_usage_bytes",
            "Memory in use, as the container's limit counts it.",
            MetricType::Gauge, used, families);
  std::optional<double> limit = MachineBytes(root);
  if (const auto own = ToDouble(cgroup.MemoryLimitBytes())) {
    limit = std::min(*own, limit.value_or(*own));
  }
  AddFamily("agentgw_memory_limit_bytes",
            "The container's memory limit, or all the machine has.",
            MetricType::Gauge, limit, families);

  const std::optional<Stat> stat = ReadStat();
  if (stat.has_value()) {
    AddFamily("process_cpu_seconds_total", "User and system CPU time.",
              MetricType::Counter, stat->cpu_seconds, families);
    std::optional<double> start = BootSeconds();
    if (start.has_value()) *start += stat->start_seconds;
    AddFamily("process_start_time_seconds",
              "When the process started, in Unix time.", MetricType::Gauge,
              start, families);
  }
  AddFamily("process_resident_memory_bytes", "Resident memory.",
            MetricType::Gauge, resident, families);
  AddFamily("process_open_fds", "Open file descriptors.", MetricType::Gauge,
            OpenFiles(), families);
  AddFamily("process_max_fds", "Most file descriptors it may open.",
            MetricType::Gauge, MaxFiles(), families);
  return families;
}

}  // namespace gateway::metrics
