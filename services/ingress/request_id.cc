#include "services/ingress/request_id.h"

#include <absl/random/random.h>

#include <algorithm>
#include <cstdint>

namespace gateway::ingress {
namespace {

void WriteHex(uint64_t value, char* out) {
  constexpr char kDigits[] = "0123456789abcdef";
  for (int i = 15; i >= 0; --i) {
    out[i] = kDigits[value & 15];
    value >>= 4;
  }
}

bool IsLowerHex(absl::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
  });
}

bool AllZero(absl::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c == '0'; });
}

}  // namespace

std::string NewRequestId() {
  thread_local absl::BitGen random;
  std::string id(4 + 32, '\0');
  id.replace(0, 4, "req_");
  WriteHex(absl::Uniform<uint64_t>(random), id.data() + 4);
  WriteHex(absl::Uniform<uint64_t>(random), id.data() + 20);
  return id;
}

std::string ValidTraceparent(absl::string_view traceparent) {
  // version-trace_id-parent_id-flags
  const absl::string_view t = traceparent;
  if (t.size() != 55 || t[2] != '-' || t[35] != '-' || t[52] != '-') return {};
  const absl::string_view trace_id = t.substr(3, 32);
  const absl::string_view parent_id = t.substr(36, 16);
  if (t.substr(0, 2) != "00" || !IsLowerHex(trace_id) ||
      !IsLowerHex(parent_id) || !IsLowerHex(t.substr(53)) ||
      AllZero(trace_id) || AllZero(parent_id)) {
    return {};
  }
  return std::string(t);
}

}  // namespace gateway::ingress
