#include "common/storage/memory_budget.h"

#include <algorithm>
#include <optional>

#include "common/concurrency/cgroup.h"

namespace gateway::storage {

int64_t MemoryBudget(int64_t configured) {
  if (configured > 0) return configured;
  const std::optional<int64_t> limit = Cgroup().MemoryLimitBytes();
  if (!limit.has_value()) return 64 << 20;
  return std::clamp<int64_t>(*limit / 8, 16 << 20, 512 << 20);
}

}  // namespace gateway::storage
