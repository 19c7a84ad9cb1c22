#include "common/dialect/provider_error.h"

#include <gtest/gtest.h>

#include <string>

#include "absl/time/time.h"
#include "common/status/error.h"

namespace gateway::dialect {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1'790'000'000);

TEST(RetryAfterTest, ReadsSecondsMillisecondsAndDates) {
  EXPECT_EQ(ParseRetryAfter("", "3", kNow), absl::Seconds(3));
  EXPECT_EQ(ParseRetryAfter("", "0.5", kNow), absl::Milliseconds(500));
  EXPECT_EQ(ParseRetryAfter("1500", "3", kNow), absl::Milliseconds(1500));
  const std::string date =
      absl::FormatTime("%a, %d %b %Y %H:%M:%S GMT", kNow + absl::Seconds(20),
                       absl::UTCTimeZone());
  EXPECT_EQ(ParseRetryAfter("", date, kNow), absl::Seconds(20));
  EXPECT_EQ(ParseRetryAfter("", date, kNow + absl::Hours(1)),
            absl::ZeroDuration());
}

TEST(RetryAfterTest, IgnoresWhatIsNoAdvice) {
  for (const char* text : {"", "soon", "-1", "nan", "inf", "1e9"}) {
    EXPECT_FALSE(ParseRetryAfter("", text, kNow).has_value()) << text;
    EXPECT_FALSE(ParseRetryAfter(text, "", kNow).has_value()) << text;
  }
}

TEST(ProviderErrorTest, SaysWhatBroke) {
  const ProviderError error = BrokenAnswer("cut its answer off");
  EXPECT_EQ(error.status.message(), "The provider cut its answer off.");
  EXPECT_EQ(ReasonOf(error.status), reason::kUpstreamBadResponse);
  EXPECT_EQ(FaultOf(error.status), common::v1::FAULT_PROVIDER);
}

// The provider's advice reaches the caller within the bounds of one.
TEST(ProviderErrorTest, CutsTheDelayForTheCallerOnly) {
  ProviderErrorFacts facts;
  facts.http_status = 429;
  facts.retry_after = absl::Hours(1);
  const ProviderError error = ClassifyProviderError(facts);
  EXPECT_EQ(error.retry_after, absl::Hours(1));
  EXPECT_EQ(DetailOf(error.status)->retry_delay().seconds(), 60);
}

TEST(ProviderErrorTest, CutsWordsBetweenCharacters) {
  // An odd start, so that a cut by bytes would halve a character.
  std::string message = "x";
  for (int i = 0; i < 2000; ++i) message.append("\xC3\xA9");
  ProviderErrorFacts facts;
  facts.http_status = 400;
  facts.message = message;
  const std::string shown(ClassifyProviderError(facts).status.message());
  EXPECT_EQ(shown.substr(shown.size() - 5), "\xC3\xA9\xE2\x80\xA6");
}

}  // namespace
}  // namespace gateway::dialect
