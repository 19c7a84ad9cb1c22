#ifndef GATEWAY_COMMON_PROCESS_ADDRESS_H_
#define GATEWAY_COMMON_PROCESS_ADDRESS_H_

#include <absl/status/statusor.h>
#include <absl/strings/string_view.h>

#include <cstdint>
#include <string>

namespace gateway::process {

// Where a listener binds.
struct Address {
  std::string host;
  uint16_t port = 0;

  // 127.0.0.0/8, ::1 or localhost.
  bool IsLoopback() const;
  std::string ToString() const;
};

// From `host:port`, `[v6]:port`; port 0 takes a free one. INVALID_ARGUMENT
// otherwise.
absl::StatusOr<Address> ParseAddress(absl::string_view text);

}  // namespace gateway::process

#endif  // GATEWAY_COMMON_PROCESS_ADDRESS_H_
