#ifndef GATEWAY_COMMON_DIALECT_TOOL_CALL_NUMBERING_H_
#define GATEWAY_COMMON_DIALECT_TOOL_CALL_NUMBERING_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace gateway::dialect {

// Tells to which call of a choice a streamed piece belongs, and numbers the
// calls densely from 0 in the order in which they open: servers give no index,
// the same one to every call, or one with gaps, and some repeat id and name in
// each piece.
//
// A piece whose id or name is not empty and differs from that of the call at
// its index opens a call; one with neither continues the call at its index,
// else the last one opened. Without an index the call of that id is meant, else
// the last one. Thread-compatible.
class ToolCallNumbering {
 public:
  // A choice with more calls is no answer.
  static constexpr int32_t kMaxCalls = 1024;

  struct Place {
    int32_t index = 0;
    // This piece opens the call.
    bool opened = false;
    // The call's name was not known before this piece.
    bool named = false;
  };

  // nullopt beyond kMaxCalls.
  std::optional<Place> Locate(std::optional<int64_t> given,
                              absl::string_view id, absl::string_view name);

  int32_t size() const { return static_cast<int32_t>(calls_.size()); }

 private:
  struct Call {
    // The provider's; the newest call of an index owns it.
    std::optional<int64_t> given;
    std::string id;
    std::string name;
  };

  int32_t Find(std::optional<int64_t> given, absl::string_view id) const;

  std::vector<Call> calls_;
};

}  // namespace gateway::dialect

#endif  // GATEWAY_COMMON_DIALECT_TOOL_CALL_NUMBERING_H_
