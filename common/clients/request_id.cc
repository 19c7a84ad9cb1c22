#include "common/clients/request_id.h"

#include <absl/random/random.h>

#include <cstdint>

namespace gateway {
namespace {

void WriteHex(uint64_t value, char* out) {
  constexpr char kDigits[] = "0123456789abcdef";
  for (int i = 15; i >= 0; --i) {
    out[i] = kDigits[value & 15];
    value >>= 4;
  }
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

}  // namespace gateway
