#ifndef GATEWAY_COMMON_PROCESS_MEMORY_H_
#define GATEWAY_COMMON_PROCESS_MEMORY_H_

#include <string>

namespace gateway::process {

// The memory of the process as JSON, in bytes: what the kernel counts (`rss`),
// what the container uses and may use (`cgroup_usage`, `cgroup_limit`), and,
// where it is linked, what jemalloc has handed out and holds
// (`heap_allocated`, `heap_resident`). What is not known is left out.
std::string MemoryJson();

}  // namespace gateway::process

#endif  // GATEWAY_COMMON_PROCESS_MEMORY_H_
