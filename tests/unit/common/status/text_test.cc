#include "common/status/text.h"

#include <gtest/gtest.h>

#include <string>

namespace gateway {
namespace {

TEST(CleanTextTest, KeepsValidTextAsItIs) {
  const std::string text =
      "plain \x01 caf\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80";
  EXPECT_EQ(CleanText(text, 100), text);
}

TEST(CleanTextTest, ReplacesEachByteOutsideACharacter) {
  EXPECT_EQ(CleanText("a\xFFz", 100), "a?z");
  EXPECT_EQ(CleanText("\xC3", 100), "?");                 // cut short
  EXPECT_EQ(CleanText("\xC0\xAF", 100), "??");            // overlong
  EXPECT_EQ(CleanText("\xED\xA0\x80", 100), "???");       // surrogate
  EXPECT_EQ(CleanText("\xF4\x90\x80\x80", 100), "????");  // past the end
  EXPECT_EQ(CleanText("\xE2\x82x", 100), "??x");
}

TEST(CleanTextTest, CutsBetweenCharacters) {
  EXPECT_EQ(CleanText("abcdefgh", 8), "abcdefgh");
  EXPECT_EQ(CleanText("abcdefghi", 8), "abcde...");
  // The euro sign would need bytes 4 to 6.
  EXPECT_EQ(CleanText("abcd\xE2\x82\xAC\xE2\x82\xAC", 9), "abcd...");
  EXPECT_EQ(CleanText("\xE2\x82\xAC\xE2\x82\xAC", 5), "...");
}

}  // namespace
}  // namespace gateway
