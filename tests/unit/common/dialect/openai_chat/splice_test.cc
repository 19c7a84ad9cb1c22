#include "common/dialect/openai_chat/splice.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/unit/common/dialect/json_normal.h"

namespace gateway::dialect::openai_chat {
namespace {

std::string Spliced(absl::string_view body, const SpliceOptions& options) {
  const auto envelope = ReadEnvelope(body);
  EXPECT_TRUE(envelope.ok()) << envelope.status();
  auto spliced = Splice(body, *envelope, options);
  EXPECT_TRUE(spliced.ok()) << spliced.status();
  // The pieces survive a move.
  const SplicedBody moved = *std::move(spliced);
  const std::string flat = moved.Flatten();
  EXPECT_EQ(flat.size(), moved.size());
  EXPECT_TRUE(ReadEnvelope(flat).ok()) << flat;
  return flat;
}

constexpr char kOdd[] =
    "{ \"x\":1.50e+01,\"model\" : \"a\\u0062c\" ,\"y\":{\"z\":\"\\/\"},\n"
    "\"messages\":[ {\"content\":\"hi\",\"role\":\"user\"} ],\"stream\":true}";

TEST(SpliceTest, ChangesTheModelsNameAndNoOtherByte) {
  SpliceOptions options;
  options.model = "provider \"m\"";
  EXPECT_EQ(Spliced(kOdd, options),
            "{ \"x\":1.50e+01,\"model\" : \"provider \\\"m\\\"\" "
            ",\"y\":{\"z\":\"\\/\"},\n"
            "\"messages\":[ {\"content\":\"hi\",\"role\":\"user\"} "
            "],\"stream\":true}");
  options.model = "abc";
  EXPECT_EQ(Spliced(kOdd, options), kOdd);
}

TEST(SpliceTest, AsksForTheUsageOnce) {
  SpliceOptions options;
  options.model = "m";
  options.force_include_usage = true;
  const auto with = [&options](absl::string_view member) {
    return Spliced(absl::StrCat("{", member,
                                R"("model":"m","messages":[{"role":"user"}]})"),
                   options);
  };
  const std::string rest = R"("model":"m","messages":[{"role":"user"}]})";
  EXPECT_EQ(
      with("\"stream\":true,"),
      R"({"stream_options":{"include_usage":true},"stream":true,)" + rest);
  EXPECT_EQ(
      with("\"stream\":true,\"stream_options\":null,"),
      R"({"stream":true,"stream_options":{"include_usage":true},)" + rest);
  EXPECT_EQ(
      with("\"stream\":true,\"stream_options\":{ },"),
      R"({"stream":true,"stream_options":{"include_usage":true},)" + rest);
  EXPECT_EQ(with("\"stream\":true,\"stream_options\":{\"x\":1},"),
            R"({"stream":true,"stream_options":{"include_usage":true,"x":1},)" +
                rest);
  for (const char* off : {"false", "null"}) {
    EXPECT_EQ(with(absl::StrCat("\"stream\":true,\"stream_options\":{\"x\":1,",
                                "\"include_us\\u0061ge\": ", off, "},")),
              R"({"stream":true,"stream_options":{"x":1,)"
              R"("include_us\u0061ge": true},)" +
                  rest);
  }
  const std::string asked =
      "\"stream\":true,\"stream_options\":{\"include_usage\":true},";
  EXPECT_EQ(with(asked), absl::StrCat("{", asked, rest));
  EXPECT_EQ(with("\"stream\":false,"),
            absl::StrCat("{\"stream\":false,", rest));
}

TEST(SpliceTest, CutsTheStreamOptionsOut) {
  SpliceOptions options;
  options.model = "m";
  options.force_include_usage = true;
  options.drop_stream_options = true;
  const std::string rest = R"("model":"m","messages":[{"role":"user"}])";
  for (const char* member : {
           "\"stream_options\":{\"include_usage\":true,\"x\":[{},{}]}",
           "\"stream_options\" : null",
           "\"stream\\u005foptions\" : { }",
       }) {
    SCOPED_TRACE(member);
    EXPECT_EQ(Spliced(absl::StrCat("{\"stream\":true,", member, ",", rest, "}"),
                      options),
              absl::StrCat("{\"stream\":true,", rest, "}"));
    EXPECT_EQ(Spliced(absl::StrCat("{ ", member, " ,", rest, "}"), options),
              absl::StrCat("{ ", rest, "}"));
    EXPECT_EQ(Spliced(absl::StrCat("{", rest, "\n, ", member, " }"), options),
              absl::StrCat("{", rest, "\n }"));
  }
  EXPECT_EQ(Spliced(absl::StrCat("{\"stream\":true,", rest, "}"), options),
            absl::StrCat("{\"stream\":true,", rest, "}"));
  // Another member takes its place.
  options.max_output_tokens = 9;
  EXPECT_EQ(
      Spliced(absl::StrCat("{\"stream_options\":{},", rest, "}"), options),
      absl::StrCat("{\"max_completion_tokens\":9,", rest, "}"));
}

TEST(SpliceTest, LowersTheTokenLimit) {
  SpliceOptions options;
  options.model = "m";
  options.max_output_tokens = 100;
  const auto with = [&options](absl::string_view member) {
    return Spliced(absl::StrCat("{", member,
                                R"("model":"m","messages":[{"role":"user"}]})"),
                   options);
  };
  const std::string rest = R"("model":"m","messages":[{"role":"user"}]})";
  EXPECT_EQ(with(""), "{\"max_completion_tokens\":100," + rest);
  EXPECT_EQ(with("\"max_tokens\":1e3,"), "{\"max_tokens\":100," + rest);
  EXPECT_EQ(with("\"max_tokens\":50,"), "{\"max_tokens\":50," + rest);
  EXPECT_EQ(with("\"max_tokens\":50,\"max_completion_tokens\":200,"),
            "{\"max_tokens\":50,\"max_completion_tokens\":100," + rest);
  EXPECT_EQ(with("\"max_completion_tokens\":null,"),
            "{\"max_completion_tokens\":100," + rest);
  options.max_tokens_field = "max_tokens";
  EXPECT_EQ(with(""), "{\"max_tokens\":100," + rest);
}

class SpliceTurnsTest : public testing::Test {
 protected:
  SpliceTurnsTest() {
    user_.set_role(chat::v1::ROLE_USER);
    user_.add_content()->mutable_text()->set_text("before");
    assistant_.set_role(chat::v1::ROLE_ASSISTANT);
    assistant_.add_content()->mutable_reasoning()->set_text("hm");
    auto* call = assistant_.add_content()->mutable_tool_call();
    call->set_id("c1");
    call->set_name("f");
    call->set_arguments("{}");
    chat::v1::OpaquePart* extras = assistant_.add_extras();
    extras->set_dialect("openai_chat");
    extras->set_json(R"({"annotations":[1],"audio":{"id":"a"},"mine":1})");
    tool_.set_role(chat::v1::ROLE_TOOL);
    auto* result = tool_.add_content()->mutable_tool_result();
    result->set_tool_call_id("c1");
    result->add_content()->mutable_text()->set_text("r");
    stored_ = {&user_, &assistant_, &tool_};
    options_.model = "m";
    options_.stored = stored_;
  }

  std::string With(absl::string_view messages) {
    return Spliced(absl::StrCat(R"({"model":"m","messages":[)", messages, "]}"),
                   options_);
  }

  chat::v1::Message user_;
  chat::v1::Message assistant_;
  chat::v1::Message tool_;
  std::vector<const chat::v1::Message*> stored_;
  SpliceOptions options_;
  const std::string turns_ =
      R"({"role":"user","content":"before"},)"
      R"({"role":"assistant","content":null,"tool_calls":[{"id":"c1",)"
      R"("type":"function","function":{"name":"f","arguments":"{}"}}],)"
      R"("mine":1},)"
      R"({"role":"tool","tool_call_id":"c1","content":"r"})";
};

TEST_F(SpliceTurnsTest, PutsStoredTurnsInFront) {
  EXPECT_EQ(With(R"( {"role":"user","content":"now"})"),
            R"({"model":"m","messages":[ )" + turns_ +
                R"(,{"role":"user","content":"now"}]})");
}

TEST_F(SpliceTurnsTest, KeepsTheRequestsSystemTextFirst) {
  options_.system_text = "inherited";
  EXPECT_EQ(
      With(
          R"({"role":"system","content":"s"}, {"role":"developer","content":"d"} , {"role":"user","content":"now"})"),
      R"({"model":"m","messages":[{"role":"system","content":"s"}, {"role":"developer","content":"d"} , )" +
          turns_ + R"(,{"role":"user","content":"now"}]})");
  EXPECT_EQ(With(R"({"role":"system","content":"s"} )"),
            R"({"model":"m","messages":[{"role":"system","content":"s"} ,)" +
                turns_ + "]}");
}

TEST_F(SpliceTurnsTest, InheritsSystemTextIfTheRequestHasNone) {
  options_.system_text = "be \"brief\"";
  EXPECT_EQ(
      With(R"({"role":"user","content":"now"})"),
      R"({"model":"m","messages":[{"role":"system","content":"be \"brief\""},)" +
          turns_ + R"(,{"role":"user","content":"now"}]})");
  options_.stored = {};
  EXPECT_EQ(
      With(R"({"role":"user","content":"now"})"),
      R"({"model":"m","messages":[{"role":"system","content":"be \"brief\""},{"role":"user","content":"now"}]})");
}

TEST_F(SpliceTurnsTest, RefusesAMessageWithoutARole) {
  user_.clear_role();
  const std::string body = R"({"model":"m","messages":[{"role":"user"}]})";
  EXPECT_EQ(Splice(body, *ReadEnvelope(body), options_).status().code(),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace gateway::dialect::openai_chat
