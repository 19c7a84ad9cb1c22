#include "common/dialect/json_scan.h"

#include <gtest/gtest.h>
#include <simdjson.h>

#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"

namespace gateway::dialect {
namespace {

bool Accepts(absl::string_view text) {
  JsonScanner scan(text);
  return scan.SkipValue() && scan.Finish();
}

std::string DecodeOf(absl::string_view text) {
  JsonScanner scan(text);
  JsonString value;
  if (!scan.ReadString(&value) || !scan.Finish()) {
    return absl::StrCat("fault: ", scan.fault());
  }
  return value.Decode();
}

TEST(JsonScannerTest, AcceptsWhatTheGrammarAllows) {
  for (const char* text : {
           "{}",
           "[]",
           " [ ] ",
           "null",
           "true",
           "false",
           "0",
           "-0",
           "1.5",
           "1e5",
           "-1.25E-7",
           "\"\"",
           R"({"a":{"b":[1,{"c":null}]},"d":""})",
           R"(["\u00e9\ud83d\ude00\n\/"])",
           "[1,\n\t2 ,3]",
           "{\"\":{}}",
       }) {
    EXPECT_TRUE(Accepts(text)) << text;
  }
}

TEST(JsonScannerTest, RefusesWhatTheGrammarForbids) {
  for (const char* text : {
           "",          " ",
           "{",         "[",
           "]",         "{]",
           "[}",        "{\"a\"}",
           "{\"a\":}",  "{\"a\":1,}",
           "[1,]",      "[,1]",
           "[1 2]",     "{\"a\":1 \"b\":2}",
           "{a:1}",     "nul",
           "nulls",     "tru",
           "01",        "-",
           "1.",        ".5",
           "1e",        "1e+",
           "+1",        "\"",
           "\"\\\"",    "\"\\x\"",
           "\"\\u12\"", "\"\\u12g4\"",
           "'a'",       "\"a\nb\"",
           "1 2",       "{} {}",
           "[1],",      "NaN",
           "Infinity",  "{1:2}",
           "{\"a\":1",  "[[]",
           "{\"a\":[}", "\"\\",
       }) {
    EXPECT_FALSE(Accepts(text)) << text;
  }
}

TEST(JsonScannerTest, RefusesHalfOfASurrogatePair) {
  for (const char* text :
       {R"("\ud83d")", R"("\ud83dx")", R"("\ud83d\n")", R"("\ude00")",
        R"("\ud83d\ud83d")", R"("\ude00\ud83d")"}) {
    EXPECT_FALSE(Accepts(text)) << text;
  }
}

TEST(JsonScannerTest, RefusesInvalidUtf8WhereverItStands) {
  for (int length = 0; length < 40; ++length) {
    const std::string before(length, 'a');
    EXPECT_FALSE(Accepts(absl::StrCat("\"", before, "\x80\""))) << length;
    EXPECT_FALSE(Accepts(absl::StrCat("\"", before, "\xC3\""))) << length;
    EXPECT_FALSE(Accepts(absl::StrCat("\"\xED\xA0\x80", before, "\"")));
    EXPECT_TRUE(Accepts(absl::StrCat("\"", before, "\xC3\xA9\"")));
    EXPECT_TRUE(Accepts(absl::StrCat("\"\xF0\x9F\x98\x80", before, "\"")));
  }
}

TEST(JsonScannerTest, DecodesEscapes) {
  EXPECT_EQ(DecodeOf(R"("plain")"), "plain");
  EXPECT_EQ(DecodeOf(R"("\"\\\/\b\f\n\r\t")"), "\"\\/\b\f\n\r\t");
  EXPECT_EQ(DecodeOf(R"("\u0041\u00e9\u20ac")"), "A\xC3\xA9\xE2\x82\xAC");
  EXPECT_EQ(DecodeOf(R"("x\ud83d\ude00y")"), "x\xF0\x9F\x98\x80y");
  EXPECT_EQ(DecodeOf(R"("\u0000")"), std::string(1, '\0'));
}

TEST(JsonScannerTest, BoundsTheDepth) {
  const auto nested = [](int depth) {
    return std::string(depth, '[') + std::string(depth, ']');
  };
  EXPECT_TRUE(Accepts(nested(JsonScanner::kMaxDepth)));
  EXPECT_FALSE(Accepts(nested(JsonScanner::kMaxDepth + 1)));
  EXPECT_FALSE(Accepts(std::string(1'000'000, '[')));
  // Levels entered by hand count too.
  const std::string text = nested(JsonScanner::kMaxDepth + 1);
  JsonScanner scan(text);
  int entered = 0;
  while (scan.BeginArray() && scan.NextElement()) ++entered;
  EXPECT_FALSE(scan.ok());
  EXPECT_EQ(entered, JsonScanner::kMaxDepth);
}

TEST(JsonScannerTest, WalksMembersAndKeepsTheirSpelling) {
  JsonScanner scan(R"( {"a" : 1.50, "b":[ {"x":"y"} ], "c":{} } )");
  JsonString key;
  std::vector<std::string> seen;
  ASSERT_TRUE(scan.BeginObject());
  while (scan.NextMember(&key)) {
    absl::string_view raw;
    ASSERT_TRUE(scan.SkipValue(&raw));
    seen.push_back(absl::StrCat(key.raw, "=", raw));
  }
  EXPECT_TRUE(scan.Finish()) << scan.fault();
  EXPECT_EQ(seen, (std::vector<std::string>{"a=1.50", "b=[ {\"x\":\"y\"} ]",
                                            "c={}"}));
}

TEST(JsonScannerTest, SaysWhereTheFaultIs) {
  JsonScanner scan(R"({"a":1,"b" 2})");
  EXPECT_FALSE(scan.SkipValue());
  EXPECT_EQ(scan.offset(), 11u);
  EXPECT_STREQ(scan.fault(), "a ':' is expected");
  // A fault stays.
  JsonString value;
  EXPECT_FALSE(scan.ReadString(&value));
  EXPECT_EQ(scan.Peek(), JsonType::kInvalid);
  EXPECT_STREQ(scan.fault(), "a ':' is expected");
}

TEST(JsonScannerTest, ReadsNumbersExactly) {
  int64_t whole;
  EXPECT_TRUE(ParseInt64("9223372036854775807", &whole));
  EXPECT_EQ(whole, 9223372036854775807);
  EXPECT_FALSE(ParseInt64("9223372036854775808", &whole));
  EXPECT_TRUE(ParseInt64("-3", &whole));
  EXPECT_EQ(whole, -3);
  EXPECT_TRUE(ParseInt64("1e3", &whole));
  EXPECT_EQ(whole, 1000);
  EXPECT_TRUE(ParseInt64("12.0", &whole));
  EXPECT_EQ(whole, 12);
  EXPECT_FALSE(ParseInt64("1.5", &whole));
  EXPECT_FALSE(ParseInt64("1e30", &whole));
  double real;
  EXPECT_TRUE(ParseDouble("0.1", &real));
  EXPECT_EQ(real, 0.1);
  EXPECT_FALSE(ParseDouble("1e999", &real));
}

// A second opinion: another parser, over mutations of real text.
TEST(JsonScannerTest, AgreesWithSimdjsonOnMutatedText) {
  const std::vector<std::string> seeds = {
      R"({"model":"m","messages":[{"role":"user","content":"h\u00e9\ud83d\ude00"}],"n":1.5e3,"stop":null,"x":[true,false,{}]})",
      R"([{"a":"0123456789abcdef0123456789\"\\"},[[[]]],-0.1,"é"])",
  };
  const std::string alphabet = "{}[]\",:\\u0d8nrtfe1-+. \n\xC3\xA9\x80 /";
  std::mt19937 random(7);
  simdjson::dom::parser parser;
  int accepted = 0;
  for (int i = 0; i < 200'000; ++i) {
    std::string text = seeds[random() % seeds.size()];
    for (int edits = random() % 3; edits >= 0; --edits) {
      const size_t at = random() % text.size();
      const char c = alphabet[random() % alphabet.size()];
      switch (random() % 3) {
        case 0:
          text[at] = c;
          break;
        case 1:
          text.insert(at, 1, c);
          break;
        default:
          text.erase(at, 1);
      }
    }
    const auto error = parser.parse(text).error();
    // Grammar is compared; that a number fits a double is not the scanner's.
    if (error == simdjson::NUMBER_ERROR) continue;
    const bool valid = error == simdjson::SUCCESS;
    ASSERT_EQ(Accepts(text), valid) << text;
    accepted += valid;
  }
  EXPECT_GT(accepted, 10'000);
}

}  // namespace
}  // namespace gateway::dialect
