#include "common/status/page_size.h"

#include "absl/strings/str_cat.h"
#include "common/status/error.h"

namespace gateway {
namespace {

constexpr int32_t kDefault = 100;
constexpr int32_t kMost = 1000;

}  // namespace

absl::StatusOr<int32_t> PageSize(int32_t requested) {
  if (requested < 0 || requested > kMost) {
    return InvalidParameter("page_size",
                            absl::StrCat("a page size is 1 to ", kMost,
                                         ", or 0 for ", kDefault))
        .Build();
  }
  return requested == 0 ? kDefault : requested;
}

}  // namespace gateway
