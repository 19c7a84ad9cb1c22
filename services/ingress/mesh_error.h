#ifndef GATEWAY_SERVICES_INGRESS_MESH_ERROR_H_
#define GATEWAY_SERVICES_INGRESS_MESH_ERROR_H_

#include <absl/status/status.h>

namespace gateway::ingress {

// What a client may know of a peer that failed. A status with a detail was made
// for clients' eyes and passes; the text of any other may name internals.
absl::Status MeshError(const absl::Status& status);

// The same for the session store: UNAVAILABLE `session_unavailable` with a hint
// if it did not answer, or cannot.
absl::Status SessionStoreError(const absl::Status& status);

// The session store did not answer, or answered that it cannot: it may later.
bool IsAway(const absl::Status& status);

// Only the former: the transport failed, or the time was up. A store that says
// why it cannot (it is overloaded, drains, has a full disk) is there.
bool IsSilent(const absl::Status& status);

}  // namespace gateway::ingress

#endif  // GATEWAY_SERVICES_INGRESS_MESH_ERROR_H_
