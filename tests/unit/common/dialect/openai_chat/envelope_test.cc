#include "common/dialect/openai_chat/envelope.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "common/status/error.h"

namespace gateway::dialect::openai_chat {
namespace {

constexpr char kUser[] = R"({"role":"user","content":"hi"})";

// A body with `members` before a list of one user message.
std::string BodyWith(absl::string_view members) {
  return absl::StrCat("{", members, "\"model\":\"m\",\"messages\":[", kUser,
                      "]}");
}

std::string BodyOf(absl::string_view messages) {
  return absl::StrCat(R"({"model":"m","messages":[)", messages, "]}");
}

absl::string_view Cut(absl::string_view body, ByteSpan span) {
  return body.substr(span.begin, span.end - span.begin);
}

// "reason param" of the error that `body` gets, or "ok".
std::string Verdict(absl::string_view body) {
  const auto envelope = ReadEnvelope(body);
  if (envelope.ok()) return "ok";
  EXPECT_EQ(envelope.status().code(), absl::StatusCode::kInvalidArgument);
  const auto detail = DetailOf(envelope.status());
  EXPECT_TRUE(detail.has_value());
  return detail->param().empty()
             ? detail->reason()
             : absl::StrCat(detail->reason(), " ", detail->param());
}

TEST(EnvelopeTest, ReadsWhatTheGatewayNeeds) {
  const std::string body = R"( {
    "temperature": 0, "model" : "gpt-\u00e9", "stream":true, "n": 2,
    "stream_options": {"include_obfuscation":false, "include_usage": true},
    "max_tokens": 100, "max_completion_tokens": 2e2,
    "tools":[{"type":"function","function":{"name":"f"}}],
    "unknown": [{"model":"x"}, 1.50],
    "messages": [
      {"role":"system","content":"s"},
      {"role":"developer","content":"d"},
      {"role":"user","content":[{"type":"text","text":"hi"}]},
      {"role":"assistant","content":null,"tool_calls":[]},
      {"role":"tool","tool_call_id":"c","content":"r"}
    ]} )";
  const auto read = ReadEnvelope(body);
  ASSERT_TRUE(read.ok()) << read.status();
  const Envelope& envelope = *read;
  EXPECT_EQ(envelope.model, "gpt-\xC3\xA9");
  EXPECT_TRUE(envelope.stream);
  EXPECT_TRUE(envelope.include_usage);
  EXPECT_EQ(envelope.max_output_tokens, 200);
  EXPECT_TRUE(envelope.has_tools);
  EXPECT_EQ(envelope.choice_count, 2);
  EXPECT_EQ(envelope.temperature, 0.0);
  EXPECT_EQ(envelope.message_count, 5);
  EXPECT_TRUE(envelope.assistant_anywhere_but_last);
  EXPECT_TRUE(envelope.has_system_text);
  EXPECT_EQ(envelope.size, body.size());
  EXPECT_TRUE(envelope.authority_uses.empty());

  EXPECT_EQ(body[envelope.members_begin - 1], '{');
  EXPECT_EQ(Cut(body, envelope.model_value), R"("gpt-\u00e9")");
  EXPECT_EQ(Cut(body, envelope.stream_options),
            R"({"include_obfuscation":false, "include_usage": true})");
  EXPECT_EQ(Cut(body, envelope.include_usage_value), "true");
  EXPECT_EQ(Cut(body, envelope.max_tokens), "100");
  EXPECT_EQ(Cut(body, envelope.max_completion_tokens), "2e2");
  EXPECT_EQ(body[envelope.messages.begin], '[');
  EXPECT_EQ(body[envelope.messages.end - 1], ']');
  EXPECT_EQ(body.substr(envelope.first_message, 26),
            R"({"role":"system","content")");
  EXPECT_EQ(envelope.leading_system_count, 2);
  EXPECT_EQ(body.substr(envelope.first_after_system, 14), R"({"role":"user")");
}

TEST(EnvelopeTest, TakesNullAndAbsenceForTheDefault) {
  for (const std::string& body :
       {BodyWith(""), BodyWith(R"("stream":null,"stream_options":null,"n":null,
                    "temperature":null,"tools":null,"max_tokens":null,
                    "max_completion_tokens":null,"service_tier":null,
                    "store":null,"web_search_options":null,)")}) {
    const auto envelope = ReadEnvelope(body);
    ASSERT_TRUE(envelope.ok()) << envelope.status();
    EXPECT_FALSE(envelope->stream);
    EXPECT_FALSE(envelope->include_usage);
    EXPECT_FALSE(envelope->has_tools);
    EXPECT_EQ(envelope->max_output_tokens, std::nullopt);
    EXPECT_EQ(envelope->temperature, std::nullopt);
    EXPECT_EQ(envelope->choice_count, 1);
    EXPECT_TRUE(envelope->authority_uses.empty());
  }
}

TEST(EnvelopeTest, TellsAHistoryFromNewMessages) {
  const std::string assistant = R"({"role":"assistant","content":"a"})";
  const auto history = [](const std::string& messages) {
    return ReadEnvelope(BodyOf(messages))->assistant_anywhere_but_last;
  };
  EXPECT_FALSE(history(kUser));
  EXPECT_FALSE(history(absl::StrCat(kUser, ",", kUser)));
  EXPECT_FALSE(history(absl::StrCat(kUser, ",", assistant)));
  EXPECT_TRUE(history(absl::StrCat(assistant, ",", kUser)));
  EXPECT_TRUE(history(absl::StrCat(kUser, ",", assistant, ",", kUser)));
  // However the role is spelled.
  EXPECT_TRUE(
      history(absl::StrCat(R"({"r\u006fle":"\u0061ssistant"},)", kUser)));
}

TEST(EnvelopeTest, FindsWhereStoredTurnsGo) {
  const std::string system = R"({"role":"system","content":"s"})";
  std::string body = BodyOf(system);
  auto envelope = ReadEnvelope(body);
  EXPECT_EQ(envelope->first_after_system, envelope->messages.end);
  EXPECT_EQ(envelope->leading_system_count, 1);

  body = BodyOf(absl::StrCat(kUser, ",", system));
  envelope = ReadEnvelope(body);
  EXPECT_EQ(envelope->first_after_system, envelope->first_message);
  EXPECT_EQ(envelope->leading_system_count, 0);
  EXPECT_TRUE(envelope->has_system_text);
}

TEST(EnvelopeTest, RefusesWhatIsNotJson) {
  EXPECT_EQ(Verdict(""), "invalid_json");
  EXPECT_EQ(Verdict("hello"), "invalid_json");
  EXPECT_EQ(Verdict("{"), "invalid_json");
  EXPECT_EQ(Verdict(BodyWith("\"x\":[1,],")), "invalid_json");
  EXPECT_EQ(Verdict(BodyWith("\"x\":\"\x80\",")), "invalid_json");
  EXPECT_EQ(Verdict(BodyWith(R"("x":"\ud800",)")), "invalid_json");
  EXPECT_EQ(Verdict(BodyWith("") + "}"), "invalid_json");
  EXPECT_EQ(Verdict(BodyWith(absl::StrCat("\"x\":", std::string(200, '['),
                                          std::string(200, ']'), ","))),
            "invalid_json");
  EXPECT_EQ(Verdict("[]"), "invalid_type");
  EXPECT_EQ(Verdict("\"x\""), "invalid_type");
}

// Each prefix of a good body is a bad one, and none crashes.
TEST(EnvelopeTest, RefusesEveryCutBody) {
  const std::string body = BodyWith(
      R"("stream":true,"stream_options":{"include_usage":true},"n":1,
         "tools":[{"type":"function"}],"audio":{"voice":{"id":"x"}},)");
  ASSERT_EQ(Verdict(body), "ok");
  for (size_t size = 0; size < body.size(); ++size) {
    EXPECT_EQ(Verdict(absl::string_view(body).substr(0, size)), "invalid_json")
        << size;
  }
}

TEST(EnvelopeTest, NamesTheMemberThatIsMissing) {
  EXPECT_EQ(Verdict("{}"), "missing_required_parameter model");
  EXPECT_EQ(Verdict(R"({"model":"m"})"), "missing_required_parameter messages");
  EXPECT_EQ(Verdict(R"({"messages":[{"role":"user"}]})"),
            "missing_required_parameter model");
  EXPECT_EQ(Verdict(BodyOf("")), "invalid_value messages");
  EXPECT_EQ(Verdict(BodyOf(R"({"content":"x"})")),
            "missing_required_parameter messages[0].role");
  EXPECT_EQ(Verdict(BodyWith(R"("tools":[{}],)")),
            "missing_required_parameter tools[0].type");
}

TEST(EnvelopeTest, NamesTheMemberOfTheWrongType) {
  EXPECT_EQ(Verdict(R"({"model":7,"messages":[]})"), "invalid_type model");
  EXPECT_EQ(Verdict(R"({"model":null})"), "invalid_type model");
  EXPECT_EQ(Verdict(R"({"model":"m","messages":"hi"})"),
            "invalid_type messages");
  EXPECT_EQ(Verdict(BodyOf("\"hi\"")), "invalid_type messages[0]");
  EXPECT_EQ(Verdict(BodyOf(R"({"role":1})")), "invalid_type messages[0].role");
  EXPECT_EQ(
      Verdict(BodyOf(absl::StrCat(kUser, R"(,{"role":"user","content":1})"))),
      "invalid_type messages[1].content");
  EXPECT_EQ(Verdict(BodyOf(R"({"role":"user","content":["hi"]})")),
            "invalid_type messages[0].content[0]");
  EXPECT_EQ(Verdict(BodyWith(R"("stream":"yes",)")), "invalid_type stream");
  EXPECT_EQ(Verdict(BodyWith(R"("stream_options":true,)")),
            "invalid_type stream_options");
  EXPECT_EQ(Verdict(BodyWith(R"("stream_options":{"include_usage":1},)")),
            "invalid_type stream_options.include_usage");
  EXPECT_EQ(Verdict(BodyWith(R"("max_tokens":"9",)")),
            "invalid_type max_tokens");
  EXPECT_EQ(Verdict(BodyWith(R"("temperature":"hot",)")),
            "invalid_type temperature");
  EXPECT_EQ(Verdict(BodyWith(R"("tools":{},)")), "invalid_type tools");
  EXPECT_EQ(Verdict(BodyWith(R"("tools":[1],)")), "invalid_type tools[0]");
  EXPECT_EQ(Verdict(BodyWith(R"("store":1,)")), "invalid_type store");
  EXPECT_EQ(Verdict(BodyWith(R"("service_tier":1,)")),
            "invalid_type service_tier");
}

TEST(EnvelopeTest, NamesTheMemberOfTheWrongValue) {
  EXPECT_EQ(Verdict(R"({"model":"","messages":[]})"), "invalid_value model");
  EXPECT_EQ(Verdict(BodyOf(R"({"role":"robot"})")),
            "invalid_value messages[0].role");
  EXPECT_EQ(Verdict(BodyWith(R"("max_tokens":0,)")),
            "invalid_value max_tokens");
  EXPECT_EQ(Verdict(BodyWith(R"("max_completion_tokens":1.5,)")),
            "invalid_value max_completion_tokens");
  for (const char* name : {"max_tokens", "max_completion_tokens"}) {
    const std::string wrong = absl::StrCat("invalid_value ", name);
    for (const char* bound :
         {"2147483648", "9223372036854775807", "99999999999999999999"}) {
      EXPECT_EQ(Verdict(BodyWith(absl::StrCat("\"", name, "\":", bound, ","))),
                wrong);
    }
    EXPECT_TRUE(
        ReadEnvelope(BodyWith(absl::StrCat("\"", name, "\":2147483647,")))
            .ok());
  }
  EXPECT_EQ(Verdict(BodyWith(R"("n":0,)")), "invalid_value n");
  EXPECT_EQ(Verdict(BodyWith(R"("n":129,)")), "invalid_value n");
}

TEST(EnvelopeTest, RefusesEveryRepeatedMemberThatItReads) {
  for (const EnvelopeField& field : EnvelopeFields()) {
    if (field.name == "model" || field.name == "messages") continue;
    // null is fine for all of them.
    const std::string once = absl::StrCat("\"", field.name, "\":null,");
    std::string escaped(once);
    absl::StrAppend(&escaped, "\"\\u00",
                    absl::Hex(field.name[0], absl::kZeroPad2),
                    field.name.substr(1), "\":null,");
    const std::string expected = absl::StrCat("duplicate_key ", field.name);
    EXPECT_EQ(Verdict(BodyWith(once)), "ok") << field.name;
    EXPECT_EQ(Verdict(BodyWith(once + once)), expected);
    EXPECT_EQ(Verdict(BodyWith(escaped)), expected);
  }
  EXPECT_EQ(Verdict(BodyWith(R"("mod\u0065l":"x",)")), "duplicate_key model");
  EXPECT_EQ(Verdict(BodyWith(R"("messages":[{"role":"user"}],)")),
            "duplicate_key messages");
  EXPECT_EQ(Verdict(BodyOf(R"({"role":"user","role":"system"})")),
            "duplicate_key messages[0].role");
  EXPECT_EQ(
      Verdict(BodyWith(
          R"("stream_options":{"include_usage":true,"include_usage":false},)")),
      "duplicate_key stream_options.include_usage");
  // What it does not read may repeat: the provider decides.
  EXPECT_EQ(Verdict(BodyWith(R"("top_p":1,"top_p":2,)")), "ok");
}

TEST(EnvelopeTest, BoundsTheCounts) {
  EnvelopeLimits limits;
  limits.max_messages = 2;
  limits.max_tools = 1;
  const std::string two = absl::StrCat(kUser, ",", kUser);
  EXPECT_TRUE(ReadEnvelope(BodyOf(two), limits).ok());
  EXPECT_EQ(
      DetailOf(
          ReadEnvelope(BodyOf(absl::StrCat(two, ",", kUser)), limits).status())
          ->param(),
      "messages");
  const std::string tool = R"({"type":"function"})";
  EXPECT_EQ(DetailOf(ReadEnvelope(BodyWith(absl::StrCat("\"tools\":[", tool,
                                                        ",", tool, "],")),
                                  limits)
                         .status())
                ->param(),
            "tools");
}

struct AuthorityCase {
  std::string name;
  std::string body;
  // Empty: nothing needs to be allowed.
  std::string param;
  AuthorityPolicy allowing;
};

class AuthorityTest : public testing::TestWithParam<AuthorityCase> {};

TEST_P(AuthorityTest, IsRefusedUnlessTheRouteAllowsIt) {
  const auto envelope = ReadEnvelope(GetParam().body);
  ASSERT_TRUE(envelope.ok()) << envelope.status();
  const absl::Status refused = CheckAuthority(envelope->authority_uses, {});
  if (GetParam().param.empty()) {
    EXPECT_TRUE(refused.ok()) << refused;
    return;
  }
  EXPECT_EQ(refused.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ReasonOf(refused), reason::kUnsupportedParameter);
  EXPECT_EQ(DetailOf(refused)->param(), GetParam().param);
  EXPECT_THAT(std::string(refused.message()),
              testing::HasSubstr(GetParam().param));
  EXPECT_TRUE(
      CheckAuthority(envelope->authority_uses, GetParam().allowing).ok());
}

AuthorityPolicy Objects() {
  AuthorityPolicy policy;
  policy.allow_provider_objects = true;
  return policy;
}

AuthorityPolicy Store() {
  AuthorityPolicy policy;
  policy.allow_store = true;
  return policy;
}

AuthorityPolicy Servers() {
  AuthorityPolicy policy;
  policy.allow_server_tools = true;
  return policy;
}

AuthorityPolicy Routing() {
  AuthorityPolicy policy;
  policy.allow_routing = true;
  return policy;
}

AuthorityPolicy Tier(const std::string& tier) {
  AuthorityPolicy policy;
  policy.service_tiers = {tier};
  return policy;
}

INSTANTIATE_TEST_SUITE_P(
    Fields, AuthorityTest,
    testing::Values(
        AuthorityCase{"Store", BodyWith(R"("store":true,)"), "store", Store()},
        AuthorityCase{"StoreOff", BodyWith(R"("store":false,)"), "", {}},
        AuthorityCase{"EscapedStore", BodyWith(R"("st\u006fre":true,)"),
                      "store", Store()},
        AuthorityCase{
            "TierDefault", BodyWith(R"("service_tier":"default",)"), "", {}},
        AuthorityCase{
            "TierAuto", BodyWith(R"("service_tier":"auto",)"), "", {}},
        AuthorityCase{"TierPriority",
                      BodyWith(R"("service_tier":"pri\u006frity",)"),
                      "service_tier", Tier("priority")},
        AuthorityCase{"WebSearch", BodyWith(R"("web_search_options":{},)"),
                      "web_search_options", Servers()},
        AuthorityCase{"EnableSearch", BodyWith(R"("enable_search":true,)"),
                      "enable_search", Servers()},
        AuthorityCase{
            "EnableSearchOff", BodyWith(R"("enable_search":false,)"), "", {}},
        AuthorityCase{"ServerTool", BodyWith(R"("tools":[{"type":"function"},
                                           {"type":"web_search"}],)"),
                      "tools[1].type", Servers()},
        AuthorityCase{"RepeatedToolType",
                      BodyWith(R"("tools":[{"type":"web_search",
                                            "type":"function"}],)"),
                      "tools[0].type", Servers()},
        AuthorityCase{
            "CustomTool", BodyWith(R"("tools":[{"type":"custom"}],)"), "", {}},
        AuthorityCase{"Models", BodyWith(R"("models":["x"],)"), "models",
                      Routing()},
        AuthorityCase{
            "FileId",
            BodyOf(
                R"({"role":"user","content":[{"type":"text","text":"x"},{"type":"file","file":{"file_id":"file-1"}}]})"),
            "messages[0].content[1].file.file_id", Objects()},
        AuthorityCase{
            "RepeatedFile",
            BodyOf(
                R"({"role":"user","content":[{"type":"file","file":{"f\u0069le_id":"file-1"},"file":{"file_data":"x"}}]})"),
            "messages[0].content[0].file.file_id", Objects()},
        AuthorityCase{
            "RepeatedContent",
            BodyOf(
                R"({"role":"user","content":[{"type":"file","file":{"file_id":"f"}}],"content":"x"})"),
            "messages[0].content[0].file.file_id", Objects()},
        AuthorityCase{
            "FileData",
            BodyOf(
                R"({"role":"user","content":[{"type":"file","file":{"file_id":null,"file_data":"x"}}]})"),
            "",
            {}},
        AuthorityCase{
            "SpokenAnswer",
            BodyOf(R"({"role":"assistant","audio":{"id":"audio_1"}})"),
            "messages[0].audio", Objects()},
        AuthorityCase{
            "Voice", BodyWith(R"("audio":{"voice":"alloy"},)"), "", {}},
        AuthorityCase{"OwnVoice",
                      BodyWith(R"("audio":{"voice":{"id":"voice_1"}},)"),
                      "audio.voice.id", Objects()},
        AuthorityCase{
            "CachedContent",
            BodyWith(
                R"("extra_body":{"google":{"cached_content":"cachedContents/1"}},)"),
            "extra_body.google.cached_content", Objects()},
        AuthorityCase{
            "Metadata", BodyWith(R"("metadata":{"store":true},)"), "", {}}),
    [](const auto& info) { return info.param.name; });

TEST(AuthorityListTest, HoldsTheFirstOfAKindOnly) {
  std::string parts;
  for (int i = 0; i < 1000; ++i) {
    absl::StrAppend(&parts, i == 0 ? "" : ",",
                    R"({"type":"file","file":{"file_id":"f"}})");
  }
  const auto envelope = ReadEnvelope(
      BodyOf(absl::StrCat(R"({"role":"user","content":[)", parts, "]}")));
  ASSERT_TRUE(envelope.ok());
  EXPECT_EQ(envelope->authority_uses.size(), 1u);
}

}  // namespace
}  // namespace gateway::dialect::openai_chat
