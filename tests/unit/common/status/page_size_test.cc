#include "common/status/page_size.h"

#include <gtest/gtest.h>

#include "common/status/error.h"

namespace gateway {
namespace {

TEST(PageSizeTest, IsAsAskedForWithinItsBounds) {
  EXPECT_EQ(*PageSize(0), 100);
  EXPECT_EQ(*PageSize(1), 1);
  EXPECT_EQ(*PageSize(1000), 1000);
  for (const int32_t bad : {-1, 1001}) {
    const absl::Status refused = PageSize(bad).status();
    EXPECT_TRUE(absl::IsInvalidArgument(refused)) << refused;
    EXPECT_EQ(DetailOf(refused)->param(), "page_size");
  }
}

}  // namespace
}  // namespace gateway
