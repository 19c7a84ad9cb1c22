#include "common/usage/usage_sum.h"

#include <google/protobuf/descriptor.h>
#include <gtest/gtest.h>

namespace gateway {
namespace {

using chat::v1::Usage;
using google::protobuf::FieldDescriptor;

// Each count is another number, so that none can stand for another.
Usage Numbered(int64_t step) {
  Usage usage;
  for (int i = 0; i < Usage::descriptor()->field_count(); ++i) {
    const FieldDescriptor* field = Usage::descriptor()->field(i);
    if (field->cpp_type() != FieldDescriptor::CPPTYPE_INT64) continue;
    Usage::GetReflection()->SetInt64(&usage, field, step * (i + 1));
  }
  return usage;
}

TEST(UsageSumTest, EveryCountIsAdded) {
  Usage sum = Numbered(1);
  AddTokens(Numbered(10), sum);
  EXPECT_EQ(sum.SerializeAsString(), Numbered(11).SerializeAsString());
}

TEST(UsageSumTest, TheLessCertainSourceStandsForTheSum) {
  Usage reported = Numbered(1);
  reported.set_source(chat::v1::USAGE_SOURCE_PROVIDER);
  Usage estimated = Numbered(1);
  estimated.set_source(chat::v1::USAGE_SOURCE_ESTIMATED);
  Usage sum = reported;
  AddUsage(estimated, sum);
  EXPECT_EQ(sum.source(), chat::v1::USAGE_SOURCE_ESTIMATED);
  AddUsage(reported, sum);
  EXPECT_EQ(sum.source(), chat::v1::USAGE_SOURCE_ESTIMATED);
  AddTokens(estimated, reported);
  EXPECT_EQ(reported.source(), chat::v1::USAGE_SOURCE_PROVIDER);
}

}  // namespace
}  // namespace gateway
