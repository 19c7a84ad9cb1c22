#include "services/model_router/mock_script.h"

#include <absl/strings/ascii.h>
#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_split.h>
#include <absl/strings/strip.h>

#include <algorithm>

namespace gateway::model_router {
namespace {

using chat::v1::ContentPart;

constexpr int64_t kMaxWords = 100'000;

// Words with the space in front of them; joined they are `text`.
std::vector<std::string> Tokens(absl::string_view text) {
  std::vector<std::string> tokens;
  size_t begin = 0;
  while (begin < text.size()) {
    size_t end = begin;
    while (end < text.size() && absl::ascii_isspace(text[end])) ++end;
    while (end < text.size() && !absl::ascii_isspace(text[end])) ++end;
    tokens.emplace_back(text.substr(begin, end - begin));
    begin = end;
  }
  return tokens;
}

std::string TextOf(const chat::v1::Message& message) {
  std::string text;
  for (const ContentPart& part : message.content()) {
    if (part.has_text()) text += part.text().text();
    for (const ContentPart& inner : part.tool_result().content()) {
      if (inner.has_text()) text += inner.text().text();
    }
  }
  return text;
}

std::vector<std::string> Counted(int64_t words) {
  std::vector<std::string> tokens;
  for (int64_t i = 0; i < words; ++i) {
    tokens.push_back(absl::StrCat(i == 0 ? "" : " ", "word", i));
  }
  return tokens;
}

// A command is the first word of the last user text.
void RunScript(absl::string_view text, size_t message_count,
               const google::protobuf::RepeatedPtrField<chat::v1::Tool>& tools,
               MockAnswer& answer) {
  absl::string_view rest = text;
  int64_t count = 0;
  if (absl::ConsumePrefix(&rest, "/say ")) {
    answer.tokens = Tokens(rest);
  } else if (absl::ConsumePrefix(&rest, "/words ") &&
             absl::SimpleAtoi(rest, &count)) {
    answer.tokens = Counted(std::clamp<int64_t>(count, 0, kMaxWords));
  } else if (absl::ConsumePrefix(&rest, "/call") && !tools.empty()) {
    answer.function = tools[0].name();
    answer.tokens = Tokens(rest.empty() ? "{}" : absl::StripPrefix(rest, " "));
    answer.finish_reason = chat::v1::FINISH_REASON_TOOL_CALLS;
  } else if (text == "/fail") {
    answer.fails = true;
  } else {
    answer.tokens = Tokens(absl::StrCat(
        "This is the mock. Messages: ", message_count, ". You said: ", text));
  }
}

}  // namespace

MockAnswer ScriptMockAnswer(
    absl::Span<const chat::v1::Message* const> messages,
    const google::protobuf::RepeatedPtrField<chat::v1::Tool>& tools,
    int64_t max_tokens) {
  MockAnswer answer;
  std::string said;
  for (const chat::v1::Message* message : messages) {
    std::string text = TextOf(*message);
    answer.prompt_tokens += static_cast<int64_t>(Tokens(text).size());
    if (message->role() == chat::v1::ROLE_USER ||
        message->role() == chat::v1::ROLE_TOOL) {
      said = std::move(text);
    }
  }
  RunScript(said, messages.size(), tools, answer);
  if (max_tokens > 0 &&
      static_cast<int64_t>(answer.tokens.size()) > max_tokens) {
    answer.tokens.resize(static_cast<size_t>(max_tokens));
    answer.finish_reason = chat::v1::FINISH_REASON_LENGTH;
  }
  return answer;
}

}  // namespace gateway::model_router
