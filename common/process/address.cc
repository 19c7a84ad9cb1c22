#include "common/process/address.h"

#include <absl/strings/match.h>
#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>

namespace gateway::process {

bool Address::IsLoopback() const {
  return host == "localhost" || host == "::1" || absl::StartsWith(host, "127.");
}

std::string Address::ToString() const {
  const bool is_v6 = absl::StrContains(host, ':');
  return is_v6 ? absl::StrCat("[", host, "]:", port)
               : absl::StrCat(host, ":", port);
}

absl::StatusOr<Address> ParseAddress(absl::string_view text) {
  const auto fail = [&] {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", text, "\" is not an address: write host:port"));
  };
  const size_t colon = text.rfind(':');
  if (colon == absl::string_view::npos) return fail();
  absl::string_view host = text.substr(0, colon);
  uint32_t port;
  if (!absl::SimpleAtoi(text.substr(colon + 1), &port) || port > 65535) {
    return fail();
  }
  if (absl::StartsWith(host, "[") && absl::EndsWith(host, "]")) {
    host = host.substr(1, host.size() - 2);
  } else if (absl::StrContains(host, ':')) {
    return fail();
  }
  if (host.empty()) return fail();
  return Address{std::string(host), static_cast<uint16_t>(port)};
}

}  // namespace gateway::process
