#ifndef GATEWAY_SERVICES_METRICS_COLLECTOR_ROCKSDB_KEYS_H_
#define GATEWAY_SERVICES_METRICS_COLLECTOR_ROCKSDB_KEYS_H_

#include <absl/status/statusor.h>
#include <absl/time/time.h>
#include <google/protobuf/timestamp.pb.h>

#include <cstdint>
#include <string>

namespace gateway::metrics_collector {

// Microseconds since 1970; what lies before counts as 0, what lies far ahead as
// the largest value.
uint64_t MicrosOf(absl::Time time);
uint64_t MicrosOf(const google::protobuf::Timestamp& time);

// A time as the first eight bytes of a key.
std::string TimeKey(uint64_t micros);

// Keys as page tokens: hex. INVALID_ARGUMENT for what is no such token.
std::string PositionOf(absl::string_view key);
absl::StatusOr<std::string> KeyOf(const std::string& position);

}  // namespace gateway::metrics_collector

#endif  // GATEWAY_SERVICES_METRICS_COLLECTOR_ROCKSDB_KEYS_H_
