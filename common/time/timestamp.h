#ifndef GATEWAY_COMMON_TIME_TIMESTAMP_H_
#define GATEWAY_COMMON_TIME_TIMESTAMP_H_

#include <google/protobuf/timestamp.pb.h>

#include <cstdint>

#include "absl/time/time.h"

namespace gateway {

// To the nanosecond; whole seconds are rounded down, as the message wants.
inline void SetTimestamp(absl::Time time, google::protobuf::Timestamp& proto) {
  const int64_t seconds = absl::ToUnixSeconds(time);
  proto.set_seconds(seconds);
  proto.set_nanos(static_cast<int32_t>(
      absl::ToInt64Nanoseconds(time - absl::FromUnixSeconds(seconds))));
}

inline absl::Time ToTime(const google::protobuf::Timestamp& proto) {
  return absl::FromUnixSeconds(proto.seconds()) +
         absl::Nanoseconds(proto.nanos());
}

}  // namespace gateway

#endif  // GATEWAY_COMMON_TIME_TIMESTAMP_H_
