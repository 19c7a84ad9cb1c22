#include "services/ingress/api_keys.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/status/error.h"

namespace gateway::ingress {
namespace {

ApiKeyOptions Key(absl::string_view id, absl::string_view secret) {
  ApiKeyOptions key;
  key.id = std::string(id);
  key.sha256 = Sha256(secret);
  key.tenant = "acme";
  return key;
}

TEST(ApiKeysTest, HashesAsSha256sumDoes) {
  const auto known = ParseSha256(
      "BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015ad");
  ASSERT_TRUE(known.has_value());
  EXPECT_EQ(Sha256("abc"), *known);
}

TEST(ApiKeysTest, RefusesWhatIsNoSha256) {
  EXPECT_FALSE(ParseSha256("").has_value());
  EXPECT_FALSE(ParseSha256(std::string(63, 'a')).has_value());
  EXPECT_FALSE(ParseSha256(std::string(63, 'a') + "g").has_value());
}

TEST(ApiKeysTest, KnowsACallerByTheKey) {
  const ApiKeys keys({Key("first", "s1"), Key("second", "s2")});
  EXPECT_FALSE(keys.open());
  ASSERT_TRUE(keys.Authenticate("s2").ok());
  EXPECT_EQ((*keys.Authenticate("s2"))->id(), "second");
  EXPECT_EQ((*keys.Authenticate("s1"))->tenant(), "acme");
}

TEST(ApiKeysTest, RefusesAWrongAndAMissingKey) {
  const ApiKeys keys({Key("first", "s1")});
  for (const auto& credential : {"", "s2", "s1 ", "S1"}) {
    const absl::Status refused = keys.Authenticate(credential).status();
    EXPECT_EQ(refused.code(), absl::StatusCode::kUnauthenticated);
    EXPECT_EQ(ReasonOf(refused), reason::kInvalidApiKey);
    EXPECT_THAT(std::string(refused.message()),
                ::testing::Not(::testing::HasSubstr("s2")));
  }
}

TEST(ApiKeysTest, TakesEverybodyInOpenMode) {
  const ApiKeys keys({});
  EXPECT_TRUE(keys.open());
  ASSERT_TRUE(keys.Authenticate("anything").ok());
  EXPECT_EQ((*keys.Authenticate(""))->tenant(), "default");
  EXPECT_EQ((*keys.Authenticate(""))->id(), "");
  EXPECT_TRUE((*keys.Authenticate(""))->Allows("any"));
}

TEST(ApiKeysTest, AllowsTheModelsOfItsList) {
  ApiKeyOptions options = Key("k", "s");
  options.models = {"a", "org/b"};
  ApiKey key(options);
  EXPECT_TRUE(key.Allows("a"));
  EXPECT_TRUE(key.Allows("org/b"));
  EXPECT_FALSE(key.Allows("c"));
}

TEST(ApiKeysTest, FindsTheTokenOfABearerOnly) {
  EXPECT_EQ(BearerToken("Bearer abc"), "abc");
  EXPECT_EQ(BearerToken("bearer  abc "), "abc");
  EXPECT_EQ(BearerToken("Basic abc"), "");
  EXPECT_EQ(BearerToken("abc"), "");
  EXPECT_EQ(BearerToken(""), "");
}

TEST(ApiKeysTest, ReplacedKeysAreThoseThatCount) {
  ApiKeyOptions stays, goes, comes;
  stays.id = "stays";
  stays.sha256 = Sha256("a");
  stays.tenant = "t";
  stays.max_concurrency = 1;
  goes = stays;
  goes.id = "goes";
  goes.sha256 = Sha256("b");
  comes = stays;
  comes.id = "comes";
  comes.sha256 = Sha256("c");
  ApiKeys keys({stays, goes});
  ApiKey* const before = *keys.Authenticate("a");
  ApiKey* const gone = *keys.Authenticate("b");
  const auto permit = before->limit().TryAcquire();
  keys.Replace({comes, stays});
  EXPECT_FALSE(keys.Authenticate("b").ok());
  EXPECT_EQ((*keys.Authenticate("c"))->id(), "comes");
  // It goes on counting; who still holds the other one may.
  EXPECT_EQ(*keys.Authenticate("a"), before);
  EXPECT_FALSE((*keys.Authenticate("a"))->limit().TryAcquire());
  EXPECT_EQ(gone->id(), "goes");
  keys.Replace({});
  EXPECT_TRUE(keys.open());
  EXPECT_EQ((*keys.Authenticate(""))->tenant(), "default");
}

}  // namespace
}  // namespace gateway::ingress
