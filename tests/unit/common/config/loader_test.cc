#include "common/config/loader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "gateway/config/v1/config.pb.h"

namespace gateway::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::string FileWith(const std::string& yaml) {
  static int count = 0;
  const std::string path = testing::TempDir() + "loader_test_" +
                           std::to_string(getpid()) + "_" +
                           std::to_string(count++) + ".yaml";
  std::ofstream(path) << yaml;
  return path;
}

// Loads a file and returns the faults, with the path cut off.
std::string FaultsOf(const std::string& yaml) {
  v1::Config config;
  const std::string path = FileWith(yaml);
  const LoadResult result = Load({.file = path}, &config);
  std::string faults(result.status.message());
  for (size_t at; (at = faults.find(path)) != std::string::npos;) {
    faults.erase(at, path.size());
  }
  return faults;
}

TEST(LoaderTest, ReadsEveryFormOfAFile) {
  v1::Config config;
  const LoadResult result = Load({.file = FileWith(R"(
streaming: off
session: {ttl: 15m, maxBytes: 16MiB}
monitoring:
  contents: errors
providers:
  openai: {baseUrl: "https://api.openai.com/v1", key: {env: OPENAI_KEY}}
  local:
models:
  gpt:
    targets:
    - {provider: openai, model: gpt-x, weight: 3, price: {input: 5000000}}
    - {provider: local}
keys:
- {id: team-a, sha256: aa, tenant: acme, models: [gpt, other]}
)")},
                                 &config);
  ASSERT_TRUE(result.status.ok()) << result.status;
  EXPECT_FALSE(config.streaming());
  EXPECT_EQ(config.session().ttl().seconds(), 900);
  EXPECT_EQ(config.session().max_bytes(), 16 << 20);
  EXPECT_EQ(config.monitoring().contents(), v1::CONTENTS_ERRORS);
  EXPECT_EQ(config.providers().at("openai").key().env(), "OPENAI_KEY");
  EXPECT_TRUE(config.providers().contains("local"));
  EXPECT_EQ(config.models().at("gpt").targets(0).price().input(), 5000000);
  EXPECT_EQ(config.models().at("gpt").targets(1).provider(), "local");
  EXPECT_THAT(config.keys(0).models(), ElementsAre("gpt", "other"));
}

TEST(LoaderTest, TellsAllFaultsAtOnceWithTheirLines) {
  EXPECT_EQ(FaultsOf("sesion: {}\n"
                     "session:\n"
                     "  ttl: soon\n"
                     "  ttl: 5\n"
                     "batch: [1]\n"
                     "models: 3\n"
                     "keys: {}\n"
                     "limits: {maxBodyBytes: {a: b}}\n"),
            ":1: sesion: unknown key \"sesion\"; did you mean \"session\"?\n"
            ":3: session.ttl: \"soon\" is not a duration such as 90, 500ms, "
            "90s, 15m or 24h\n"
            ":4: session.ttl: this key stands twice\n"
            ":5: batch: expected keys and values\n"
            ":6: models: expected names and values\n"
            ":7: keys: expected a list\n"
            ":8: limits.maxBodyBytes: expected a whole number, or a size such "
            "as 32MiB");
}

TEST(LoaderTest, ListsTheKnownKeysWhereNothingIsNear) {
  EXPECT_THAT(FaultsOf("routing: {zzzzzzzz: 1}\n"),
              HasSubstr("known are fallbackModel"));
}

TEST(LoaderTest, RefusesSnakeCaseAndRepeatedNames) {
  EXPECT_THAT(FaultsOf("session: {max_bytes: 1}\n"),
              HasSubstr("did you mean \"maxBytes\"?"));
  EXPECT_THAT(FaultsOf("providers: {a: {}, a: {}}\n"),
              HasSubstr("providers.a: this name stands twice"));
}

TEST(LoaderTest, SaysWhatIsNoYamlAndWhatIsNoFile) {
  EXPECT_THAT(FaultsOf("a: [1\n"), HasSubstr("not YAML"));
  v1::Config config;
  EXPECT_THAT(
      std::string(Load({.file = "/nonexistent"}, &config).status.message()),
      HasSubstr("/nonexistent: cannot be read"));
}

TEST(LoaderTest, RefusesADirectoryAndASecondDocument) {
  v1::Config config;
  EXPECT_THAT(
      std::string(Load({.file = testing::TempDir()}, &config).status.message()),
      HasSubstr(": cannot be read"));
  EXPECT_THAT(FaultsOf("threads: 1\n---\nthreads: 2\n"),
              HasSubstr(":3: a second document begins here"));
}

TEST(LoaderTest, RefusesTwoSourcesOfOneSecret) {
  EXPECT_THAT(
      FaultsOf("providers:\n  a:\n    key:\n      file: /x\n      env: Y\n"),
      HasSubstr(":5: providers.a.key.env: only one of file, env may be set"));
}

TEST(LoaderTest, AnEmptyFileIsAllDefaults) {
  EXPECT_EQ(FaultsOf(""), "");
  EXPECT_EQ(FaultsOf("# nothing\n"), "");
  EXPECT_EQ(FaultsOf("session:\n"), "");
}

TEST(LoaderTest, FlagsWinOverEnvironmentOverFile) {
  Sources sources{
      .file = FileWith("session: {ttl: 1, maxTurns: 1, maxSessions: 1}\n"),
      .environment = {{"GATEWAY_TTL", "2"},
                      {"GATEWAY__SESSION__MAX_TURNS", "2"}},
      .named_variables = {{"GATEWAY_TTL", "session.ttl"}},
      .settings = {"session.ttl=3"},
  };
  v1::Config config;
  ASSERT_TRUE(Load(sources, &config).status.ok());
  EXPECT_EQ(config.session().ttl().seconds(), 3);
  EXPECT_EQ(config.session().max_turns(), 2);
  EXPECT_EQ(config.session().max_sessions(), 1);
}

TEST(LoaderTest, AnEmptyVariableIsUnset) {
  v1::Config config;
  const LoadResult result =
      Load({.environment = {{"GATEWAY_TTL", ""}, {"GATEWAY__BATCH__SIZE", ""}},
            .named_variables = {{"GATEWAY_TTL", "session.ttl"}}},
           &config);
  EXPECT_TRUE(result.status.ok());
  EXPECT_FALSE(config.has_session());
}

TEST(LoaderTest, WarnsOfUnknownVariablesButNotOfServiceLinks) {
  v1::Config config;
  const LoadResult result =
      Load({.environment = {{"GATEWAY_TLL", "5"},
                            {"GATEWAY__SESSION__TTLL", "1"},
                            {"GATEWAY_PORT", "tcp://10.0.0.1:80"},
                            {"GATEWAY_INGRESS_SERVICE_HOST", "10.0.0.1"},
                            {"GATEWAY_INGRESS_SERVICE_PORT_GRPC", "50051"},
                            {"GATEWAY_INGRESS_PORT_80_TCP_ADDR", "10.0.0.1"},
                            {"PATH", "/bin"}}},
           &config);
  EXPECT_TRUE(result.status.ok());
  EXPECT_THAT(result.warnings,
              ElementsAre("environment GATEWAY_TLL: no such variable",
                          "environment GATEWAY__SESSION__TTLL: session.ttll: "
                          "unknown key \"ttll\"; did you mean \"ttl\"?"));
}

TEST(LoaderTest, AServiceLinkNeverHidesAKey) {
  v1::Config config;
  const LoadResult result = Load(
      {.environment = {{"GATEWAY__MODEL_ROUTER__TARGET", "tcp://10.0.0.1:80"}}},
      &config);
  EXPECT_TRUE(result.status.ok());
  EXPECT_EQ(config.model_router().target(), "tcp://10.0.0.1:80");
}

TEST(LoaderTest, NamesTheVariableOrFlagAtFault) {
  v1::Config config;
  const LoadResult result = Load(
      {.environment = {{"GATEWAY_BATCH_SIZE", "many"},
                       {"GATEWAY__MODELS__X", "1"}},
       .named_variables = {{"GATEWAY_BATCH_SIZE", "batch.size"}},
       .settings = {"session", "session=1", "session.ttl.x=1", "sesion.ttl=1"}},
      &config);
  EXPECT_EQ(result.status.message(),
            "environment GATEWAY_BATCH_SIZE: batch.size: \"many\" is not a "
            "whole number, or a size such as 32MiB\n"
            "environment GATEWAY__MODELS__X: models.x: \"models\" is a map or "
            "a list: set it in the file\n"
            "--set session: write key=value\n"
            "--set: session: \"session\" holds other keys, not a value\n"
            "--set: session.ttl.x: \"ttl\" has no keys below it\n"
            "--set: sesion.ttl: unknown key \"sesion\"; did you mean "
            "\"session\"?");
}

TEST(LoaderTest, EveryFieldOfTheConfigHasALoadableType) {
  // Whatever the message holds is a scalar, a message, or a map from text.
  std::vector<const google::protobuf::Descriptor*> open{
      v1::Config::descriptor()};
  std::set<const google::protobuf::Descriptor*> seen;
  while (!open.empty()) {
    const auto* type = open.back();
    open.pop_back();
    if (!seen.insert(type).second) continue;
    for (int i = 0; i < type->field_count(); ++i) {
      const auto* field = type->field(i);
      if (field->is_map()) {
        EXPECT_EQ(field->message_type()->map_key()->cpp_type(),
                  google::protobuf::FieldDescriptor::CPPTYPE_STRING);
      }
      EXPECT_NE(field->cpp_type(),
                google::protobuf::FieldDescriptor::CPPTYPE_FLOAT);
      EXPECT_NE(field->cpp_type(),
                google::protobuf::FieldDescriptor::CPPTYPE_UINT64);
      if (field->message_type() != nullptr)
        open.push_back(field->message_type());
    }
  }
  EXPECT_GT(seen.size(), 15u);
}

}  // namespace
}  // namespace gateway::config
