#include "common/dialect/tool_call_numbering.h"

namespace gateway::dialect {
namespace {

bool Differs(absl::string_view said, absl::string_view known) {
  return !said.empty() && !known.empty() && said != known;
}

}  // namespace

int32_t ToolCallNumbering::Find(std::optional<int64_t> given,
                                absl::string_view id) const {
  if (given.has_value()) {
    for (int32_t i = size() - 1; i >= 0; --i) {
      if (calls_[i].given == given) return i;
    }
    return -1;
  }
  if (!id.empty()) {
    for (int32_t i = size() - 1; i >= 0; --i) {
      if (calls_[i].id == id) return i;
    }
  }
  return size() - 1;
}

std::optional<ToolCallNumbering::Place> ToolCallNumbering::Locate(
    std::optional<int64_t> given, absl::string_view id,
    absl::string_view name) {
  int32_t at = Find(given, id);
  if (at < 0 && id.empty() && name.empty()) at = size() - 1;
  if (at >= 0 && !Differs(id, calls_[at].id) &&
      !Differs(name, calls_[at].name)) {
    Call& call = calls_[at];
    const bool named = call.name.empty() && !name.empty();
    if (named) call.name = std::string(name);
    if (call.id.empty()) call.id = std::string(id);
    return Place{at, false, named};
  }
  if (size() == kMaxCalls) return std::nullopt;
  calls_.push_back({given, std::string(id), std::string(name)});
  return Place{size() - 1, true, !name.empty()};
}

}  // namespace gateway::dialect
