#ifndef GATEWAY_COMMON_METRICS_PROCESS_METRICS_H_
#define GATEWAY_COMMON_METRICS_PROCESS_METRICS_H_

#include <string>

#include "common/metrics/export.h"

namespace gateway::metrics {

// The labels of agentgw_build_info.
struct BuildLabels {
  std::string version;
  std::string revision;
  std::string build_type;
};

// The series of the process itself: agentgw_build_info,
// agentgw_memory_usage_bytes, agentgw_memory_limit_bytes and process_*. Usage
// and limit are the cgroup's; without them, the process's resident memory and
// the machine's. Reads /proc and the cgroup at each call, below `root` (tests
// give a directory that looks like `/`); what cannot be read is absent.
// Thread-safe.
Families CollectProcess(const BuildLabels& build, const std::string& root = "");

}  // namespace gateway::metrics

#endif  // GATEWAY_COMMON_METRICS_PROCESS_METRICS_H_
