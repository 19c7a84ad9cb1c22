#include "services/ingress/deadline.h"

#include <gtest/gtest.h>

namespace gateway::ingress {
namespace {

const absl::Time kStart = absl::FromUnixSeconds(1'800'000'000);

TEST(DeadlineTest, ReadsSecondsAndFractions) {
  EXPECT_EQ(ParseReadTimeout("600"), absl::Seconds(600));
  EXPECT_EQ(ParseReadTimeout("0.5"), absl::Milliseconds(500));
}

TEST(DeadlineTest, IgnoresWhatIsNoTimeout) {
  for (const auto& header : {"", "None", "-1", "0", "nan", "inf", "5s"}) {
    EXPECT_EQ(ParseReadTimeout(header), std::nullopt) << header;
  }
}

TEST(DeadlineTest, TheReadTimeoutCapsAWholeAnswer) {
  const DeadlineOptions options;
  EXPECT_EQ(AnswerDeadline(options, kStart, false, absl::Seconds(30)),
            kStart + absl::Seconds(30));
  EXPECT_EQ(AnswerDeadline(options, kStart, false, absl::Hours(2)),
            kStart + absl::Seconds(600));
  EXPECT_EQ(AnswerDeadline(options, kStart, false, std::nullopt),
            kStart + absl::Seconds(600));
}

TEST(DeadlineTest, TheReadTimeoutDoesNotEndAStream) {
  const DeadlineOptions options;
  EXPECT_EQ(AnswerDeadline(options, kStart, true, absl::Seconds(30)),
            kStart + absl::Hours(1));
}

TEST(DeadlineTest, TheClientsDeadlineBoundsBoth) {
  const DeadlineOptions options;
  const absl::Time client = kStart + absl::Seconds(5);
  EXPECT_EQ(AnswerDeadline(options, kStart, true, std::nullopt, client),
            client);
  EXPECT_EQ(AnswerDeadline(options, kStart, false, std::nullopt, client),
            client);
}

}  // namespace
}  // namespace gateway::ingress
