#ifndef GATEWAY_SERVICES_INGRESS_SESSION_WISH_H_
#define GATEWAY_SERVICES_INGRESS_SESSION_WISH_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/strings/string_view.h>

#include <cstdint>
#include <optional>
#include <string>

#include "gateway/chat/v1/chat.pb.h"
#include "gateway/model_router/v1/model_router.pb.h"

namespace gateway::ingress {

// Which conversation a request continues, as its client said.
struct SessionWish {
  std::string session_id;
  // Unspecified: auto.
  model_router::v1::SessionMode mode =
      model_router::v1::SESSION_MODE_UNSPECIFIED;
  std::optional<int64_t> expected_turn_count;
  bool create_if_absent = true;
};

// 1 to 256 bytes of printable ASCII; else INVALID_ARGUMENT `invalid_value`
// naming `param`.
absl::Status CheckSessionId(absl::string_view session_id,
                            absl::string_view param);

// At most 256 bytes of printable UTF-8, maybe none.
absl::Status CheckUser(absl::string_view user, absl::string_view param);

// The wish in the headers of HTTP: `x-session-id`, `x-session-mode` (new, full
// or auto) and `x-session-turn`; nullopt arguments were not sent. Without an id
// there is no wish.
absl::StatusOr<std::optional<SessionWish>> SessionWishFromHeaders(
    std::optional<absl::string_view> id, std::optional<absl::string_view> mode,
    std::optional<absl::string_view> turn);

// `new` or `full`.
absl::string_view SessionModeName(model_router::v1::SessionMode mode);

// What auto stands for: FULL if the client resends its history, else NEW.
model_router::v1::SessionMode ResolveMode(model_router::v1::SessionMode mode,
                                          bool assistant_anywhere_but_last);

// Whether an assistant message stands anywhere but last.
bool AssistantAnywhereButLast(const chat::v1::ChatRequest& chat);

}  // namespace gateway::ingress

#endif  // GATEWAY_SERVICES_INGRESS_SESSION_WISH_H_
