#ifndef GATEWAY_COMMON_CONCURRENCY_CGROUP_H_
#define GATEWAY_COMMON_CONCURRENCY_CGROUP_H_

#include <cstdint>
#include <optional>
#include <string>

namespace gateway {

// What the container may use, from cgroup v2 or v1, hybrid hosts included.
// Reads files at each call.
class Cgroup {
 public:
  // The process's own. Tests give a directory that looks like `/`.
  explicit Cgroup(std::string root = "");

  // CPUs by quota, the smallest on the way to the root; nullopt: unlimited.
  std::optional<double> CpuQuota() const;

  // The smallest limit on the way to the root; nullopt: unlimited.
  std::optional<int64_t> MemoryLimitBytes() const;

  // Used now, less the file cache that the kernel drops first. nullopt: not
  // known.
  std::optional<int64_t> MemoryUsageBytes() const;

 private:
  const std::string root_;
  std::string v2_path_;         // e.g. "/a/b"; "" at the root
  std::string v1_cpu_path_;     // of the cpu controller
  std::string v1_memory_path_;  // of the memory controller
};

// CPUs this process may use: quota, rounded up, and affinity. At least 1.
int CpuQuota();

}  // namespace gateway

#endif  // GATEWAY_COMMON_CONCURRENCY_CGROUP_H_
