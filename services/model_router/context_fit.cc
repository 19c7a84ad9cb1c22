#include "services/model_router/context_fit.h"

#include <absl/strings/str_cat.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "services/model_router/pricing.h"

namespace gateway::model_router {
namespace {

using chat::v1::ContentPart;
using chat::v1::Message;

constexpr int64_t kMediaTokens = 1000;
// Role, delimiters and the like.
constexpr int64_t kMessageOverhead = 4;

int64_t PartTokens(const ContentPart& part) {
  switch (part.part_case()) {
    case ContentPart::kText:
      return EstimateTokens(part.text().text().size());
    case ContentPart::kRefusal:
      return EstimateTokens(part.refusal().text().size());
    case ContentPart::kReasoning:
      return EstimateTokens(part.reasoning().text().size() +
                            part.reasoning().encrypted().size());
    case ContentPart::kToolCall:
      return EstimateTokens(part.tool_call().name().size() +
                            part.tool_call().arguments().size());
    case ContentPart::kToolResult: {
      int64_t tokens = 0;
      for (const ContentPart& inner : part.tool_result().content()) {
        tokens += PartTokens(inner);
      }
      return tokens;
    }
    case ContentPart::kOpaque:
      return EstimateTokens(part.opaque().json().size());
    case ContentPart::kImage:
    case ContentPart::kAudio:
    case ContentPart::kFile:
      return kMediaTokens;
    case ContentPart::PART_NOT_SET:
      return 0;
  }
  return 0;
}

// What two spellings of the same message have in common.
struct Essence {
  chat::v1::Role role = chat::v1::ROLE_UNSPECIFIED;
  std::string text;
  // Calls, results and media, each in a form that equals only itself.
  std::vector<std::string> parts;

  bool operator==(const Essence& other) const {
    return role == other.role && text == other.text && parts == other.parts;
  }
};

void AddPart(const ContentPart& part, Essence& essence) {
  switch (part.part_case()) {
    case ContentPart::kText:
      essence.text += part.text().text();
      break;
    case ContentPart::kRefusal:
      essence.text += part.refusal().text();
      break;
    case ContentPart::kToolCall:
      essence.parts.push_back(absl::StrCat("call ", part.tool_call().id(), " ",
                                           part.tool_call().name(), " ",
                                           part.tool_call().arguments()));
      break;
    case ContentPart::kToolResult: {
      Essence inner;
      for (const ContentPart& piece : part.tool_result().content()) {
        AddPart(piece, inner);
      }
      std::string result = absl::StrCat(
          "result ", part.tool_result().tool_call_id(), " ", inner.text);
      for (const std::string& piece : inner.parts) {
        absl::StrAppend(&result, "\n", piece);
      }
      essence.parts.push_back(std::move(result));
      break;
    }
    case ContentPart::kImage:
    case ContentPart::kAudio:
    case ContentPart::kFile:
      essence.parts.push_back(part.SerializeAsString());
      break;
    // Clients do not send these back as they got them.
    case ContentPart::kReasoning:
    case ContentPart::kOpaque:
    case ContentPart::PART_NOT_SET:
      break;
  }
}

Essence EssenceOf(const Message& message) {
  Essence essence;
  essence.role = message.role();
  for (const ContentPart& part : message.content()) AddPart(part, essence);
  return essence;
}

// Walks the messages of a history that belong to turns.
class HistoryWalk {
 public:
  explicit HistoryWalk(const Messages& history) : history_(history) {
    SkipSystemText();
  }

  // Whether the next messages equal these; if so they are passed.
  bool Pass(const Messages& messages) {
    for (const Message& message : messages) {
      if (at_ == history_.size() ||
          !(EssenceOf(history_[at_]) == EssenceOf(message))) {
        return false;
      }
      ++at_;
      ++passed_;
      SkipSystemText();
    }
    return true;
  }

  int passed() const { return passed_; }

 private:
  void SkipSystemText() {
    while (at_ < history_.size() && IsSystemText(history_[at_])) ++at_;
  }

  const Messages& history_;
  int at_ = 0;
  int passed_ = 0;
};

}  // namespace

int64_t MessageTokens(const Message& message) {
  int64_t tokens = kMessageOverhead;
  for (const ContentPart& part : message.content()) tokens += PartTokens(part);
  return tokens;
}

int64_t TurnTokens(const v1::StoredTurn& turn) {
  if (turn.token_count() > 0) return turn.token_count();
  int64_t tokens = 0;
  for (const auto* messages :
       {&turn.request_messages(), &turn.answer_messages()}) {
    for (const Message& message : *messages) tokens += MessageTokens(message);
  }
  return tokens;
}

int64_t AnswerReserve(int64_t asked, int64_t max_output_tokens,
                      int64_t context_tokens) {
  if (asked <= 0) return std::min(max_output_tokens, context_tokens / 4);
  if (max_output_tokens > 0) asked = std::min(asked, max_output_tokens);
  return std::min(asked, context_tokens / 2);
}

bool BeginsWithToolResult(const Messages& messages) {
  for (const Message& message : messages) {
    if (IsSystemText(message)) continue;
    return message.role() == chat::v1::ROLE_TOOL;
  }
  return false;
}

int DroppedTurns(const Turns& turns, const Messages& request,
                 int64_t other_tokens, int64_t context_tokens) {
  if (context_tokens <= 0) return 0;
  int64_t total = other_tokens;
  for (const v1::StoredTurn& turn : turns) total += TurnTokens(turn);

  int dropped = 0;
  while (dropped < turns.size() && total > context_tokens) {
    // This turn, and all that answer calls made in it.
    int next = dropped;
    int64_t freed = 0;
    do {
      freed += TurnTokens(turns[next]);
      ++next;
    } while (next < turns.size() &&
             BeginsWithToolResult(turns[next].request_messages()));
    if (next == turns.size() && BeginsWithToolResult(request)) break;
    total -= freed;
    dropped = next;
  }
  return dropped;
}

CommonPrefix FindCommonPrefix(const Turns& turns, const Messages& history) {
  CommonPrefix prefix;
  HistoryWalk walk(history);
  for (const v1::StoredTurn& turn : turns) {
    if (!walk.Pass(turn.request_messages()) ||
        !walk.Pass(turn.answer_messages())) {
      break;
    }
    ++prefix.turns;
    prefix.messages = walk.passed();
  }
  return prefix;
}

bool IsSystemText(const Message& message) {
  return message.role() == chat::v1::ROLE_SYSTEM ||
         message.role() == chat::v1::ROLE_DEVELOPER;
}

std::string SystemText(const Messages& messages) {
  std::string text;
  for (const Message& message : messages) {
    if (!IsSystemText(message)) continue;
    for (const ContentPart& part : message.content()) {
      if (part.text().text().empty()) continue;
      if (!text.empty()) text += "\n\n";
      text += part.text().text();
    }
  }
  return text;
}

}  // namespace gateway::model_router
