#include "services/metrics_collector/rocksdb_keys.h"

#include <absl/strings/ascii.h>
#include <absl/strings/escaping.h>

#include <algorithm>
#include <limits>

#include "common/status/error.h"
#include "common/storage/database.h"
#include "common/time/timestamp.h"

namespace gateway::metrics_collector {

uint64_t MicrosOf(absl::Time time) {
  if (time == absl::InfiniteFuture()) {
    return std::numeric_limits<uint64_t>::max();
  }
  return std::max<int64_t>(0, absl::ToUnixMicros(time));
}

uint64_t MicrosOf(const google::protobuf::Timestamp& time) {
  return MicrosOf(ToTime(time));
}

std::string TimeKey(uint64_t micros) {
  std::string key;
  storage::AppendBigEndian64(key, micros);
  return key;
}

std::string PositionOf(absl::string_view key) {
  return absl::BytesToHexString(key);
}

absl::StatusOr<std::string> KeyOf(const std::string& position) {
  const bool is_hex = std::all_of(position.begin(), position.end(), [](char c) {
    return absl::ascii_isxdigit(c);
  });
  if (!is_hex || position.size() % 2 != 0 || position.size() < 16 ||
      position.size() > 1024) {
    return InvalidParameter("page_token", "not a token of an earlier page")
        .Build();
  }
  return absl::HexStringToBytes(position);
}

}  // namespace gateway::metrics_collector
