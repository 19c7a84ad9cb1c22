#include "services/ingress/session_wish.h"

#include <absl/strings/numbers.h>

#include <algorithm>
#include <limits>

#include "common/status/error.h"
#include "common/status/text.h"

namespace gateway::ingress {
namespace {

using model_router::v1::SESSION_MODE_FULL;
using model_router::v1::SESSION_MODE_NEW;
using model_router::v1::SESSION_MODE_UNSPECIFIED;
using model_router::v1::SessionMode;

constexpr size_t kMaxNameBytes = 256;

absl::StatusOr<SessionMode> ParseMode(absl::string_view mode) {
  if (mode == "new") return SESSION_MODE_NEW;
  if (mode == "full") return SESSION_MODE_FULL;
  if (mode == "auto") return SESSION_MODE_UNSPECIFIED;
  return InvalidParameter("x-session-mode",
                          "x-session-mode must be new, full or auto.")
      .Build();
}

}  // namespace

absl::Status CheckSessionId(absl::string_view session_id,
                            absl::string_view param) {
  const bool printable =
      std::all_of(session_id.begin(), session_id.end(),
                  [](char c) { return c > ' ' && c <= '~'; });
  if (!printable || session_id.empty() || session_id.size() > kMaxNameBytes) {
    return InvalidParameter(
        param, "A session id is 1 to 256 bytes of printable ASCII.");
  }
  return absl::OkStatus();
}

absl::Status CheckUser(absl::string_view user, absl::string_view param) {
  bool good = user.size() <= kMaxNameBytes;
  for (absl::string_view rest = user; good && !rest.empty();) {
    const size_t length = Utf8CharacterLength(rest);
    const auto first = static_cast<unsigned char>(rest.front());
    good = length > 0 && first >= ' ' && first != 0x7f;
    rest.remove_prefix(std::max<size_t>(length, 1));
  }
  if (good) return absl::OkStatus();
  return InvalidParameter(param, "A user is at most 256 bytes of UTF-8.");
}

absl::StatusOr<std::optional<SessionWish>> SessionWishFromHeaders(
    std::optional<absl::string_view> id, std::optional<absl::string_view> mode,
    std::optional<absl::string_view> turn) {
  if (!id) return std::nullopt;
  if (absl::Status checked = CheckSessionId(*id, "x-session-id");
      !checked.ok()) {
    return checked;
  }
  SessionWish wish;
  wish.session_id = std::string(*id);
  if (mode) {
    absl::StatusOr<SessionMode> parsed = ParseMode(*mode);
    if (!parsed.ok()) return parsed.status();
    wish.mode = *parsed;
  }
  if (turn) {
    int64_t count = 0;
    if (!absl::SimpleAtoi(*turn, &count) || count < 0) {
      return InvalidParameter("x-session-turn",
                              "x-session-turn must be the number of turns "
                              "that the session has.")
          .Build();
    }
    wish.expected_turn_count = count;
  }
  return wish;
}

absl::string_view SessionModeName(SessionMode mode) {
  return mode == SESSION_MODE_FULL ? "full" : "new";
}

SessionMode ResolveMode(SessionMode mode, bool assistant_anywhere_but_last) {
  if (mode != SESSION_MODE_UNSPECIFIED) return mode;
  return assistant_anywhere_but_last ? SESSION_MODE_FULL : SESSION_MODE_NEW;
}

bool AssistantAnywhereButLast(const chat::v1::ChatRequest& chat) {
  for (int i = 0; i + 1 < chat.messages_size(); ++i) {
    if (chat.messages(i).role() == chat::v1::ROLE_ASSISTANT) return true;
  }
  return false;
}

}  // namespace gateway::ingress
