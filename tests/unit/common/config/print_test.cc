#include "common/config/print.h"

#include <absl/strings/str_cat.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <fstream>

#include "common/config/loader.h"
#include "gateway/config/v1/config.pb.h"

namespace gateway::config {
namespace {

using testing::HasSubstr;

v1::Config Load(const std::string& yaml) {
  static int count = 0;
  const std::string path = absl::StrCat(testing::TempDir(), "print_test_",
                                        getpid(), "_", count++, ".yaml");
  std::ofstream(path) << yaml;
  v1::Config config;
  const LoadResult loaded = config::Load({.file = path}, &config);
  EXPECT_TRUE(loaded.status.ok()) << loaded.status << "\n" << yaml;
  return config;
}

constexpr char kFull[] =
    "streaming: false\n"
    "session:\n"
    "  ttl: 900s\n"
    "  maxTurns: 3\n"
    "monitoring:\n"
    "  contents: errors\n"
    "stream:\n"
    "  coalesce: 5ms\n"
    "providers:\n"
    "  bare:\n"
    "    dialect: mock\n"
    "  openai:\n"
    "    baseUrl: \"https://api.openai.com/v1\"\n"
    "    key:\n"
    "      env: OPENAI_KEY\n"
    "models:\n"
    "  \"gpt 4\\\"5\":\n"
    "    targets:\n"
    "    - provider: openai\n"
    "      price:\n"
    "        input: 5\n"
    "    - provider: bare\n"
    "keys:\n"
    "- id: \"1e5\"\n"
    "  sha256: \"00ff\"\n"
    "  tenant: \"true\"\n"
    "  models:\n"
    "  - a\n"
    "  - \"b c\"\n";

TEST(PrintTest, WhatItWritesLoadsAsTheSame) {
  const v1::Config config = Load(kFull);
  EXPECT_EQ(ToYaml(config, {}), kFull);
  EXPECT_EQ(Load(ToYaml(config, {.defaults = true})).keys(0).DebugString(),
            config.keys(0).DebugString());
}

TEST(PrintTest, NothingIsAnEmptyMap) {
  EXPECT_EQ(ToYaml(v1::Config(), {}), "{}\n");
}

TEST(PrintTest, AnEntryThatSaysNothingStaysAnEntry) {
  const std::string yaml = ToYaml(Load("providers: {local: }"), {});
  EXPECT_EQ(yaml, "providers:\n  local: {}\n");
  EXPECT_TRUE(Load(yaml).providers().contains("local"));
}

TEST(PrintTest, DefaultsStandWhereNothingIsSet) {
  const std::string yaml =
      ToYaml(Load("session: {ttl: 5}"), {.defaults = true});
  EXPECT_THAT(yaml, HasSubstr("session:\n  ttl: 5s\n  maxTurns: 1000\n"));
  EXPECT_THAT(yaml, HasSubstr("sessionStore:\n  listen:\n"
                              "    grpc: \"0.0.0.0:50051\"\n"));
  EXPECT_THAT(yaml, HasSubstr("  target: \"dns:///session-store:50051\"\n"));
  // It is a config too.
  const v1::Config config = Load(yaml);
  EXPECT_EQ(Load(ToYaml(config, {})).DebugString(), config.DebugString());
  EXPECT_EQ(config.session_store().listen().admin(), "127.0.0.1:9901");
}

TEST(PrintTest, LeavesOutWhatIsHidden) {
  const std::string yaml = ToYaml(
      v1::Config(), {.defaults = true, .hidden = {"modelRouter.listen"}});
  EXPECT_THAT(yaml, HasSubstr("\nmodelRouter:\n  target: "));
  EXPECT_THAT(yaml, HasSubstr("\nsessionStore:\n  listen:\n"));
}

TEST(PrintTest, HidesWhatIsSensitive) {
  EXPECT_THAT(ToYaml(Load(kFull), {.redact = true}),
              HasSubstr("sha256: \"<redacted>\"\n"));
}

TEST(PrintTest, TheSchemaKnowsFormsDefaultsAndRestarts) {
  const auto schema =
      boost::json::parse(ToJsonSchema(*v1::Config::descriptor()));
  EXPECT_EQ(schema.at("additionalProperties"), false);
  const auto& keys = schema.at("properties");
  EXPECT_EQ(keys.at("session").at("x-restart"), true);
  EXPECT_EQ(keys.at("session").at("properties").at("ttl").at("default"), "24h");
  EXPECT_FALSE(keys.at("keys").as_object().contains("x-restart"));
  EXPECT_EQ(keys.at("monitoring").at("properties").at("contents").at("enum"),
            boost::json::value({"off", "errors", "all"}));
  EXPECT_EQ(keys.at("models")
                .at("additionalProperties")
                .at("properties")
                .at("targets")
                .at("type")
                .at(0),
            "array");
}

}  // namespace
}  // namespace gateway::config
