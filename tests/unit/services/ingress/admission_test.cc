#include "services/ingress/admission.h"

#include <gtest/gtest.h>

#include "common/status/error.h"

namespace gateway::ingress {
namespace {

ApiKey KeyWithLimit(int64_t limit) {
  ApiKeyOptions options;
  options.max_concurrency = limit;
  return ApiKey(options);
}

TEST(AdmissionTest, RefusesBeyondTheKeysBoundWithAHint) {
  Admission admission({.max_requests_in_flight = 10});
  ApiKey key = KeyWithLimit(1);
  ApiKey other = KeyWithLimit(1);
  auto first = admission.Admit(key);
  ASSERT_TRUE(first.ok());

  const absl::Status refused = admission.Admit(key).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ReasonOf(refused), reason::kRateLimitExceeded);
  EXPECT_TRUE(DetailOf(refused)->has_retry_delay());
  EXPECT_TRUE(admission.Admit(other).ok());
  // A refusal holds nothing.
  EXPECT_EQ(admission.in_flight(), 1);
}

TEST(AdmissionTest, RefusesBeyondTheBoundOfAllWithAHint) {
  Admission admission({.max_requests_in_flight = 1});
  ApiKey key = KeyWithLimit(0);
  auto first = admission.Admit(key);
  ASSERT_TRUE(first.ok());
  const absl::Status refused = admission.Admit(key).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(ReasonOf(refused), reason::kOverloaded);
  EXPECT_TRUE(DetailOf(refused)->has_retry_delay());
}

TEST(AdmissionTest, APermitGivesItsRoomBack) {
  Admission admission({.max_requests_in_flight = 1});
  ApiKey key = KeyWithLimit(1);
  for (int i = 0; i < 3; ++i) {
    auto permit = admission.Admit(key);
    ASSERT_TRUE(permit.ok());
    const Admission::Permit moved = *std::move(permit);
    EXPECT_EQ(admission.in_flight(), 1);
  }
  EXPECT_EQ(admission.in_flight(), 0);
}

TEST(AdmissionTest, LetsNobodyInWhileDraining) {
  Admission admission({});
  ApiKey key = KeyWithLimit(0);
  admission.BeginDrain();
  EXPECT_EQ(ReasonOf(admission.Admit(key).status()), reason::kDraining);
}

TEST(AdmissionTest, RefusesAModelThatIsNotOfTheKey) {
  ApiKeyOptions options;
  options.models = {"a"};
  const ApiKey key(options);
  EXPECT_TRUE(Admission::CheckModel(key, "a").ok());
  const absl::Status refused = Admission::CheckModel(key, "b");
  EXPECT_EQ(refused.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(ReasonOf(refused), reason::kModelNotAllowed);
}

}  // namespace
}  // namespace gateway::ingress
