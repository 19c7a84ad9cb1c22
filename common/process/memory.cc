#include "common/process/memory.h"

#include <unistd.h>

#include <boost/json.hpp>
#include <cstdint>
#include <fstream>

#include "common/concurrency/cgroup.h"

// jemalloc's, in the programs that link it.
extern "C" int mallctl(const char* name, void* old, size_t* old_size,
                       void* value, size_t size) __attribute__((weak));

namespace gateway::process {
namespace {

void AddHeap(const char* key, const char* name, boost::json::object& page) {
  size_t bytes = 0;
  size_t size = sizeof(bytes);
  if (mallctl(name, &bytes, &size, nullptr, 0) == 0) page[key] = bytes;
}

}  // namespace

std::string MemoryJson() {
  boost::json::object page;
  int64_t total = 0, resident = 0;
  if (std::ifstream("/proc/self/statm") >> total >> resident) {
    page["rss"] = resident * sysconf(_SC_PAGESIZE);
  }
  const Cgroup cgroup;
  if (const auto usage = cgroup.MemoryUsageBytes())
    page["cgroup_usage"] = *usage;
  if (const auto limit = cgroup.MemoryLimitBytes())
    page["cgroup_limit"] = *limit;
  if (mallctl != nullptr) {
    // Its figures are of its last epoch.
    uint64_t epoch = 1;
    size_t size = sizeof(epoch);
    mallctl("epoch", &epoch, &size, &epoch, size);
    AddHeap("heap_allocated", "stats.allocated", page);
    AddHeap("heap_resident", "stats.resident", page);
  }
  return boost::json::serialize(page) + "\n";
}

}  // namespace gateway::process
