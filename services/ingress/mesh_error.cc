#include "services/ingress/mesh_error.h"

#include "common/status/error.h"

namespace gateway::ingress {

absl::Status MeshError(const absl::Status& status) {
  if (status.ok() || DetailOf(status).has_value()) return status;
  switch (status.code()) {
    case absl::StatusCode::kDeadlineExceeded:
      return DeadlineExceeded();
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kCancelled:
      return MakeError(reason::kUnavailable,
                       "A part of the gateway is unavailable for the moment.");
    default:
      return InternalError();
  }
}

bool IsAway(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kCancelled:
      return true;
    default:
      return false;
  }
}

bool IsSilent(const absl::Status& status) {
  if (absl::IsDeadlineExceeded(status)) return true;
  return IsAway(status) && !DetailOf(status).has_value();
}

absl::Status SessionStoreError(const absl::Status& status) {
  if (IsAway(status)) {
    return MakeError(reason::kSessionUnavailable,
                     "Sessions are unavailable for the moment.");
  }
  return MeshError(status);
}

}  // namespace gateway::ingress
