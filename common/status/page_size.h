#ifndef GATEWAY_COMMON_STATUS_PAGE_SIZE_H_
#define GATEWAY_COMMON_STATUS_PAGE_SIZE_H_

#include <cstdint>

#include "absl/status/statusor.h"

namespace gateway {

// How many entries a page of a list holds, from the `page_size` of its request:
// 1 to 1000, 0 for 100. INVALID_ARGUMENT otherwise.
absl::StatusOr<int32_t> PageSize(int32_t requested);

}  // namespace gateway

#endif  // GATEWAY_COMMON_STATUS_PAGE_SIZE_H_
