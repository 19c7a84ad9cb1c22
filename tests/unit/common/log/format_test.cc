#include "common/log/format.h"

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <initializer_list>
#include <limits>
#include <string>

#include "absl/strings/match.h"

namespace gateway::log {
namespace {

Line MakeLine(absl::string_view message, std::initializer_list<Field> fields) {
  return {absl::FromUnixMillis(1'800'000'000'123),
          Level::kWarning,
          "model-router",
          "spool",
          message,
          fields,
          std::nullopt};
}

TEST(FormatJsonTest, WritesFieldsInOrderWithTheirTypes) {
  const std::string text = "v";
  EXPECT_EQ(FormatJson(
                MakeLine("full", {{"request_id", text},
                                  {"bytes", int64_t{-7}},
                                  {"max", std::numeric_limits<uint64_t>::max()},
                                  {"share", 0.5},
                                  {"late", true},
                                  {"wait", absl::Milliseconds(1500)},
                                  {"error", absl::AbortedError("no")}})),
            R"({"ts":"2027-01-15T08:00:00.123Z","level":"warning",)"
            R"("service":"model-router","module":"spool","msg":"full",)"
            R"("request_id":"v","bytes":-7,"max":18446744073709551615,)"
            R"("share":0.5,"late":true,"wait":1.5,"error":"ABORTED: no"})");
}

TEST(FormatJsonTest, StaysValidJsonWhateverTheTextsHold) {
  std::string all;
  for (int c = 0; c < 256; ++c) all += static_cast<char>(c);
  const std::string nasty[] = {all,
                               "\"},{\"x\":\"",
                               "line\nbreak\\",
                               "\xC3",
                               "\xED\xA0\x80",
                               std::string(100'000, 'x'),
                               std::string("\0nul", 4)};
  for (const std::string& text : nasty) {
    const std::string line =
        FormatJson(MakeLine(text, {{text, "x"}, {"value", text}}));
    boost::system::error_code error;
    const auto json = boost::json::parse(line, error);
    ASSERT_FALSE(error) << error.message() << ": " << line;
    EXPECT_EQ(json.as_object().size(), 7u);
    EXPECT_EQ(line.find('\n'), std::string::npos);
    EXPECT_LT(line.size(), 60'000u);
  }
  EXPECT_TRUE(absl::StrContains(FormatJson(MakeLine("a\x01\x7F", {})),
                                "a\\u0001\\u007f"));
}

TEST(FormatJsonTest, HasNoInfinity) {
  const double infinity = std::numeric_limits<double>::infinity();
  EXPECT_TRUE(absl::StrContains(FormatJson(MakeLine("x", {{"left", infinity}})),
                                "\"left\":null}"));
}

TEST(FormatTest, RedactsByKey) {
  for (const char* key : {"prompt", "authorization", "api_key", "content"}) {
    const std::initializer_list<Field> fields = {{key, "sk-secret"}};
    const Line line = MakeLine("x", fields);
    EXPECT_FALSE(absl::StrContains(FormatJson(line), "sk-secret")) << key;
    EXPECT_FALSE(absl::StrContains(FormatText(line), "sk-secret")) << key;
    EXPECT_TRUE(absl::StrContains(FormatJson(line), "[redacted]")) << key;
  }
  EXPECT_FALSE(IsRedacted("key_id"));
}

TEST(FormatTextTest, QuotesOnlyWhatNeedsIt) {
  EXPECT_EQ(FormatText(MakeLine("it is \"full\"",
                                {{"plain", "a/b"}, {"two", "a b"}, {"n", 3}})),
            "2027-01-15T08:00:00.123Z warning spool: it is \\\"full\\\" "
            "plain=a/b two=\"a b\" n=3");
}

TEST(FormatTest, TellsWhatWasSuppressed) {
  Line line = MakeLine("x", {});
  line.suppressed = 0;
  EXPECT_FALSE(absl::StrContains(FormatJson(line), "suppressed"));
  line.suppressed = 12;
  EXPECT_TRUE(absl::StrContains(FormatJson(line), ",\"suppressed\":12}"));
  EXPECT_TRUE(absl::StrContains(FormatText(line), " suppressed=12"));
}

}  // namespace
}  // namespace gateway::log
