#ifndef GATEWAY_COMMON_STORAGE_MEMORY_BUDGET_H_
#define GATEWAY_COMMON_STORAGE_MEMORY_BUDGET_H_

#include <cstdint>

namespace gateway::storage {

// The memory in bytes that a store may take: as configured; else an eighth of
// what the process may have, within 16 and 512 MiB; 64 MiB without a limit.
int64_t MemoryBudget(int64_t configured);

}  // namespace gateway::storage

#endif  // GATEWAY_COMMON_STORAGE_MEMORY_BUDGET_H_
