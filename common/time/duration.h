#ifndef GATEWAY_COMMON_TIME_DURATION_H_
#define GATEWAY_COMMON_TIME_DURATION_H_

#include <google/protobuf/duration.pb.h>

#include "absl/time/time.h"

namespace gateway {

inline absl::Duration ToDuration(const google::protobuf::Duration& proto) {
  return absl::Seconds(proto.seconds()) + absl::Nanoseconds(proto.nanos());
}

}  // namespace gateway

#endif  // GATEWAY_COMMON_TIME_DURATION_H_
