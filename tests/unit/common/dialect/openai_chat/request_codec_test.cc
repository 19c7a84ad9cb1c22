#include "common/dialect/openai_chat/request_codec.h"

#include <gmock/gmock.h>
#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "common/status/error.h"
#include "tests/unit/common/dialect/chat_generator.h"
#include "tests/unit/common/dialect/json_normal.h"

namespace gateway::dialect::openai_chat {
namespace {

using chat::v1::ChatRequest;
using google::protobuf::util::MessageDifferencer;

RequestEncoding WithReasoning() {
  RequestEncoding encoding;
  encoding.messages.reasoning_field = "reasoning_content";
  return encoding;
}

class RecordedRequestTest : public testing::TestWithParam<const char*> {};

TEST_P(RecordedRequestTest, EncodesToTheSameJson) {
  const std::string body =
      Testdata(absl::StrCat("request_", GetParam(), ".json"));
  const auto decoded = DecodeRequest(body);
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  RequestEncoding encoding = WithReasoning();
  encoding.stream = decoded->envelope.stream;
  encoding.include_usage = decoded->envelope.include_usage;
  const auto encoded = EncodeRequest(decoded->chat, encoding, {});
  ASSERT_TRUE(encoded.ok()) << encoded.status();
  // The spellings that docs/dialects.md says are mapped.
  const std::string expected = absl::StrReplaceAll(
      body, {{"\"max_tokens\"", "\"max_completion_tokens\""},
             {"\"stop\": \"###\"", "\"stop\": [\"###\"]"},
             {"\"stream_options\": {\"include_usage\": false}",
              "\"stream_options\": null"}});
  EXPECT_EQ(NormalJson(*encoded), NormalJson(expected));
}

INSTANTIATE_TEST_SUITE_P(Bodies, RecordedRequestTest,
                         testing::Values("plain", "legacy", "tools", "parts"),
                         [](const auto& info) { return info.param; });

TEST(RequestCodecTest, DecodesWhatItEncodes) {
  ChatShape shape;
  shape.dialect = std::string(kDialect);
  ChatGenerator generator(shape, 1);
  for (int i = 0; i < 500; ++i) {
    const ChatRequest request = generator.Request();
    const auto body = EncodeRequest(request, WithReasoning(), {});
    ASSERT_TRUE(body.ok()) << body.status() << request.DebugString();
    const auto decoded = DecodeRequest(*body);
    ASSERT_TRUE(decoded.ok()) << decoded.status() << *body;
    ASSERT_TRUE(MessageDifferencer::Equals(decoded->chat, request))
        << *body << decoded->chat.DebugString() << request.DebugString();
  }
}

TEST(RequestCodecTest, DecodesPartsIntoTypes) {
  const auto decoded = DecodeRequest(Testdata("request_parts.json"));
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  const chat::v1::Message& system = decoded->chat.messages(0);
  EXPECT_TRUE(system.content_as_list());
  const chat::v1::Message& user = decoded->chat.messages(1);
  ASSERT_EQ(user.content_size(), 8);
  EXPECT_EQ(user.content(1).image().url(), "https://example.com/a.jpg");
  EXPECT_EQ(user.content(2).image().media_type(), "image/png");
  EXPECT_EQ(user.content(2).image().data(), "\x89PNG\r\n\x1a\n");
  EXPECT_EQ(user.content(2).image().detail(), chat::v1::IMAGE_DETAIL_LOW);
  // Not base64, so not understood: kept as it is.
  EXPECT_EQ(user.content(3).opaque().dialect(), "openai_chat");
  EXPECT_EQ(user.content(4).audio().data(), "RIFF");
  EXPECT_EQ(user.content(5).file().data(), "%PDF-");
  EXPECT_TRUE(user.content(6).has_opaque());
  EXPECT_TRUE(user.content(7).has_opaque());
}

TEST(RequestCodecTest, DecodesCallsAndResults) {
  const auto decoded = DecodeRequest(Testdata("request_tools.json"));
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  const auto& messages = decoded->chat.messages();
  EXPECT_EQ(messages[1].content(0).tool_call().id(), "call_abc");
  EXPECT_EQ(messages[1].content(1).tool_call().arguments(), "{not json");
  EXPECT_EQ(messages[1].content(1).tool_call().signature(), "c2ln");
  EXPECT_TRUE(messages[1].content(2).tool_call().custom());
  EXPECT_EQ(messages[2].content(0).tool_result().tool_call_id(), "call_abc");
  EXPECT_EQ(messages[2].content(0).tool_result().content(0).text().text(),
            "12 C");
  EXPECT_EQ(decoded->chat.tool_choice().name(), "get_weather");
  EXPECT_EQ(decoded->chat.tools(0).strict(), true);
  EXPECT_TRUE(decoded->chat.tools(2).has_opaque());
}

TEST(RequestCodecTest, DecodesTheMessagesAlone) {
  const std::string body = Testdata("request_tools.json");
  const auto envelope = ReadEnvelope(body);
  ASSERT_TRUE(envelope.ok());
  const auto messages = DecodeMessages(body, *envelope);
  ASSERT_TRUE(messages.ok());
  const auto whole = DecodeRequest(body);
  ASSERT_EQ(messages->size(), whole->chat.messages_size());
  for (int i = 0; i < messages->size(); ++i) {
    EXPECT_TRUE(
        MessageDifferencer::Equals((*messages)[i], whole->chat.messages(i)));
  }
}

std::string ParamOf(const absl::Status& status) {
  const auto detail = DetailOf(status);
  return detail.has_value() ? detail->param() : "no detail";
}

TEST(RequestCodecTest, NamesTheMemberThatIsWrong) {
  const auto param = [](absl::string_view members) {
    return ParamOf(
        DecodeRequest(
            absl::StrCat("{", members,
                         R"(,"model":"m","messages":[{"role":"user"}]})"))
            .status());
  };
  EXPECT_EQ(param(R"("top_p":"x")"), "top_p");
  EXPECT_EQ(param(R"("seed":1.5)"), "seed");
  EXPECT_EQ(param(R"("stop":[1])"), "stop[0]");
  EXPECT_EQ(param(R"("stop":{})"), "stop");
  EXPECT_EQ(param(R"("logprobs":1)"), "logprobs");
  EXPECT_EQ(param(R"("top_logprobs":21)"), "top_logprobs");
  EXPECT_EQ(param(R"("user":{})"), "user");
  EXPECT_EQ(param(R"("presence_penalty":1e999)"), "presence_penalty");
}

ChatRequest Simple() {
  ChatRequest request;
  request.set_model("m");
  request.add_messages()->set_role(chat::v1::ROLE_USER);
  request.mutable_messages(0)->add_content()->mutable_text()->set_text("hi");
  return request;
}

TEST(RequestCodecTest, WritesWhatProvidersDifferIn) {
  ChatRequest request = Simple();
  request.mutable_messages(0)->set_role(chat::v1::ROLE_DEVELOPER);
  request.set_max_output_tokens(9);
  RequestEncoding encoding;
  encoding.model = "provider-model";
  encoding.stream = true;
  encoding.include_usage = true;
  encoding.max_tokens_field = "max_tokens";
  encoding.messages.developer_as_system = true;
  EXPECT_EQ(
      *EncodeRequest(request, encoding, {}),
      R"({"model":"provider-model","messages":[{"role":"system","content":"hi"}],"max_tokens":9,"stream":true,"stream_options":{"include_usage":true}})");
}

TEST(RequestCodecTest, SplitsResultsIntoMessages) {
  ChatRequest request = Simple();
  chat::v1::Message* message = request.add_messages();
  message->set_role(chat::v1::ROLE_USER);
  for (const char* id : {"a", "b"}) {
    auto* result = message->add_content()->mutable_tool_result();
    result->set_tool_call_id(id);
    result->add_content()->mutable_text()->set_text("r");
  }
  message->add_content()->mutable_text()->set_text("go on");
  EXPECT_EQ(
      *EncodeRequest(request, {}, {}),
      R"({"model":"m","messages":[{"role":"user","content":"hi"},{"role":"tool","tool_call_id":"a","content":"r"},{"role":"tool","tool_call_id":"b","content":"r"},{"role":"user","content":"go on"}]})");
}

TEST(RequestCodecTest, RefusesWhatHasNoPlace) {
  const auto param_after = [](auto change) {
    ChatRequest request = Simple();
    change(&request);
    const auto body = EncodeRequest(request, {}, {});
    return body.ok() ? "encoded: " + *body : ParamOf(body.status());
  };
  EXPECT_EQ(
      param_after([](ChatRequest* r) { r->mutable_messages(0)->clear_role(); }),
      "messages[0].role");
  EXPECT_EQ(param_after([](ChatRequest* r) {
              r->mutable_messages(0)->add_content()->mutable_file()->set_url(
                  "https://example.com/a.pdf");
            }),
            "messages[0].content[1]");
  EXPECT_EQ(param_after([](ChatRequest* r) {
              auto* opaque =
                  r->mutable_messages(0)->add_content()->mutable_opaque();
              opaque->set_dialect("anthropic");
              opaque->set_json("{}");
            }),
            "messages[0].content[1]");
  EXPECT_EQ(param_after([](ChatRequest* r) {
              auto* opaque =
                  r->mutable_messages(0)->add_content()->mutable_opaque();
              opaque->set_dialect("openai_chat");
              opaque->set_json("{\"type\":1},{}");
            }),
            "messages[0].content[1]");
  EXPECT_EQ(param_after([](ChatRequest* r) {
              r->add_tools()->set_name("f");
              r->mutable_tools(0)->set_parameters_schema("{");
            }),
            "tools[0].parameters_schema");
  EXPECT_EQ(param_after([](ChatRequest* r) {
              r->mutable_response_format()->set_type(
                  chat::v1::ResponseFormat::TYPE_JSON_SCHEMA);
              r->mutable_response_format()->set_schema("[]");
            }),
            "response_format.schema");
  EXPECT_EQ(param_after([](ChatRequest* r) { r->clear_messages(); }),
            "messages");
}

// Whatever an opaque part says, it cannot take over the call.
TEST(RequestCodecTest, RefusesExtrasThatReachTooFar) {
  const auto param = [](const std::string& json) {
    ChatRequest request = Simple();
    request.set_temperature(1);
    request.add_extras()->set_dialect("openai_chat");
    request.mutable_extras(0)->set_json(json);
    const auto body = EncodeRequest(request, {}, {});
    return body.ok() ? std::string("ok") : ParamOf(body.status());
  };
  EXPECT_EQ(param(R"({"verbosity":"low"})"), "ok");
  EXPECT_EQ(param(R"({"mod\u0065l":"expensive"})"), "extras.model");
  EXPECT_EQ(param(R"({"messages":[]})"), "extras.messages");
  EXPECT_EQ(param(R"({"stream":true})"), "extras.stream");
  EXPECT_EQ(param(R"({"n":100})"), "extras.n");
  EXPECT_EQ(param(R"({"max_tokens":100})"), "extras.max_tokens");
  EXPECT_EQ(param(R"({"temperature":2})"), "extras.temperature");
  EXPECT_EQ(param(R"({"x":1,"x":2})"), "extras.x");
  EXPECT_EQ(param(R"({"store":true})"), "store");
  EXPECT_EQ(param(R"({"x":1},"model":"y")"), "extras[0]");
  EXPECT_EQ(param("[]"), "extras[0]");
}

TEST(RequestCodecTest, DropsExtrasOfOtherDialects) {
  ChatRequest request = Simple();
  request.add_extras()->set_dialect("gemini");
  request.mutable_extras(0)->set_json(R"({"safetySettings":[]})");
  EXPECT_EQ(*EncodeRequest(request, {}, {}),
            R"({"model":"m","messages":[{"role":"user","content":"hi"}]})");
}

TEST(RequestCodecTest, NeedsLeaveForFilesOfTheProvider) {
  ChatRequest request = Simple();
  request.mutable_messages(0)->add_content()->mutable_file()->set_file_id(
      "file-1");
  EXPECT_EQ(ParamOf(EncodeRequest(request, {}, {}).status()),
            "messages[0].content[1].file.file_id");
  AuthorityPolicy policy;
  policy.allow_provider_objects = true;
  EXPECT_TRUE(EncodeRequest(request, {}, policy).ok());
}

}  // namespace
}  // namespace gateway::dialect::openai_chat
