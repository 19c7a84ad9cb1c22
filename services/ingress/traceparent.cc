#include "services/ingress/traceparent.h"

#include <algorithm>

namespace gateway::ingress {
namespace {

bool IsLowerHex(absl::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
  });
}

bool AllZero(absl::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c == '0'; });
}

}  // namespace

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
