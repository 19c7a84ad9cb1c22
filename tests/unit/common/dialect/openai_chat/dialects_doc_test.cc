#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/dialect/openai_chat/answer_codec.h"
#include "common/dialect/openai_chat/envelope.h"
#include "common/dialect/openai_chat/request_codec.h"

namespace gateway::dialect::openai_chat {
namespace {

// The first two columns of the table under "### `title`" in docs/dialects.md,
// field names without their back quotes.
std::vector<std::pair<std::string, std::string>> Table(
    absl::string_view title) {
  std::ifstream file(absl::StrCat(GATEWAY_SOURCE_DIR, "/docs/dialects.md"));
  std::vector<std::pair<std::string, std::string>> rows;
  std::string line;
  bool inside = false;
  while (std::getline(file, line)) {
    if (absl::StartsWith(line, "#")) {
      inside = line == absl::StrCat("### ", title);
    }
    if (!inside || !absl::StartsWith(line, "| `")) continue;
    const std::vector<std::string> cells = absl::StrSplit(line, '|');
    EXPECT_GE(cells.size(), 4u) << line;
    absl::string_view name = absl::StripAsciiWhitespace(cells[1]);
    absl::ConsumePrefix(&name, "`");
    absl::ConsumeSuffix(&name, "`");
    rows.emplace_back(std::string(name),
                      std::string(absl::StripAsciiWhitespace(cells[2])));
  }
  return rows;
}

TEST(DialectsDocTest, ListsEachFieldOfARequestAsTheCodeTreatsIt) {
  std::vector<std::pair<std::string, std::string>> expected;
  for (const RequestField& field : RequestFields()) {
    std::string use = field.use == FieldUse::kTyped    ? "typed"
                      : field.use == FieldUse::kMapped ? "mapped"
                                                       : "opaque";
    if (field.refused_by_default) use = "refused, else opaque";
    expected.emplace_back(std::string(field.name), use);
  }
  EXPECT_EQ(Table("openai_chat: request"), expected);
}

TEST(DialectsDocTest, AgreesWithTheEnvelopeOnWhatIsRefused) {
  std::map<std::string, std::string> documented;
  for (const auto& [name, use] : Table("openai_chat: request")) {
    documented[name] = use;
  }
  for (const EnvelopeField& field : EnvelopeFields()) {
    const auto row = documented.find(std::string(field.name));
    ASSERT_NE(row, documented.end()) << field.name;
    EXPECT_EQ(row->second == "refused, else opaque", field.refused_by_default)
        << field.name;
    if (field.refused_by_default) documented.erase(row);
  }
  for (const auto& [name, use] : documented) {
    EXPECT_NE(use, "refused, else opaque") << name << " is not looked at";
  }
}

// What the table calls typed really leaves the extras, and the reverse.
TEST(DialectsDocTest, TellsTypedFromOpaqueTruly) {
  const std::map<std::string, std::string> values = {
      {"temperature", "1"},
      {"top_p", "1"},
      {"n", "1"},
      {"stop", "\"x\""},
      {"seed", "1"},
      {"presence_penalty", "1"},
      {"frequency_penalty", "1"},
      {"logprobs", "true"},
      {"top_logprobs", "1"},
      {"tool_choice", "\"auto\""},
      {"parallel_tool_calls", "true"},
      {"max_completion_tokens", "1"},
      {"max_tokens", "1"},
      {"stream", "true"},
      {"reasoning_effort", "\"low\""},
      {"user", "\"u\""},
      {"store", "true"},
      {"background", "true"},
      {"service_tier", "\"flex\""},
      {"stream_options", "{}"},
      {"response_format", "{\"type\":\"text\"}"},
      {"tools", "[{\"type\":\"function\",\"function\":{\"name\":\"f\"}}]"}};
  for (const auto& [name, use] : Table("openai_chat: request")) {
    if (name == "model" || name == "messages") continue;
    const auto value = values.find(name);
    const auto decoded = DecodeRequest(absl::StrCat(
        "{\"", name, "\":", value == values.end() ? "{}" : value->second,
        R"(,"model":"m","messages":[{"role":"user","content":"x"}]})"));
    ASSERT_TRUE(decoded.ok()) << name << decoded.status();
    const bool opaque = use == "opaque" || use == "refused, else opaque";
    EXPECT_EQ(decoded->chat.extras_size() == 1, opaque) << name;
  }
}

TEST(DialectsDocTest, ListsEachFieldOfAnAnswer) {
  std::vector<std::string> typed;
  for (const auto& [name, use] : Table("openai_chat: answer")) {
    if (!absl::StrContains(name, '.') && use != "opaque") {
      typed.push_back(name);
    }
  }
  const auto fields = AnswerFields();
  EXPECT_EQ(typed, std::vector<std::string>(fields.begin(), fields.end()));
}

}  // namespace
}  // namespace gateway::dialect::openai_chat
