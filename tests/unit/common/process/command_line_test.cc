#include "common/process/command_line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gateway::process {
namespace {

struct Parsed {
  std::optional<CommandLine> line;
  int exit_code = -1;
};

Parsed Parse(std::vector<const char*> args, bool with_smoke = false) {
  args.insert(args.begin(), "session-store");
  Parsed parsed;
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  parsed.line = ParseCommandLine("session-store", with_smoke, args.size(),
                                 args.data(), &parsed.exit_code);
  testing::internal::GetCapturedStdout();
  testing::internal::GetCapturedStderr();
  return parsed;
}

TEST(CommandLineTest, ServesByDefault) {
  const Parsed parsed = Parse({});
  ASSERT_TRUE(parsed.line);
  EXPECT_EQ(parsed.line->command, CommandLine::Command::kServe);
  EXPECT_THAT(parsed.line->settings, testing::IsEmpty());
}

TEST(CommandLineTest, TakesFlagsBeforeAndAfterTheCommand) {
  const Parsed parsed = Parse({"--set", "a.b=c", "check", "--config", "f.yaml",
                               "--set", "d=e", "--log-level", "debug"});
  ASSERT_TRUE(parsed.line);
  EXPECT_EQ(parsed.line->command, CommandLine::Command::kCheck);
  EXPECT_EQ(parsed.line->config_file, "f.yaml");
  EXPECT_THAT(parsed.line->settings,
              testing::ElementsAre("a.b=c", "d=e", "log.level=debug"));
}

TEST(CommandLineTest, KnowsHealthcheckAndServe) {
  EXPECT_EQ(Parse({"healthcheck"}).line->command,
            CommandLine::Command::kHealthcheck);
  EXPECT_EQ(Parse({"serve"}).line->command, CommandLine::Command::kServe);
}

TEST(CommandLineTest, TheFlagsOfTheLogAreKeysOfTheConfig) {
  EXPECT_THAT(
      Parse({"--log-format", "text", "--log-level", "error"}).line->settings,
      testing::ElementsAre("log.level=error", "log.format=text"));
}

TEST(CommandLineTest, PrintsTheConfigInThreeWays) {
  using Show = CommandLine::Show;
  for (const auto& [name, show] : {std::pair("effective", Show::kEffective),
                                   std::pair("default", Show::kDefault),
                                   std::pair("schema", Show::kSchema)}) {
    const Parsed parsed = Parse({"config", name, "--set", "a=b"});
    ASSERT_TRUE(parsed.line) << name;
    EXPECT_EQ(parsed.line->command, CommandLine::Command::kConfig);
    EXPECT_EQ(parsed.line->show, show) << name;
    EXPECT_THAT(parsed.line->settings, testing::ElementsAre("a=b"));
  }
  EXPECT_EQ(Parse({"config"}).exit_code, kExitUsage);
  EXPECT_EQ(Parse({"config", "nothing"}).exit_code, kExitUsage);
}

TEST(CommandLineTest, DrainsWithATimeout) {
  EXPECT_EQ(Parse({"drain"}).line->command, CommandLine::Command::kDrain);
  EXPECT_EQ(Parse({"drain"}).line->timeout_seconds, 0);
  EXPECT_EQ(Parse({"drain", "--timeout", "7"}).line->timeout_seconds, 7);
  EXPECT_EQ(Parse({"drain", "--timeout", "0"}).exit_code, kExitUsage);
}

TEST(CommandLineTest, OnlyWhoHasSmokeTakesIt) {
  EXPECT_EQ(Parse({"smoke"}).exit_code, kExitUsage);
  const Parsed parsed =
      Parse({"smoke", "--http-target", "a:1", "--grpc-target", "b:2", "--model",
             "m", "--key-env", "K", "--timeout", "3"},
            /*with_smoke=*/true);
  ASSERT_TRUE(parsed.line);
  EXPECT_EQ(parsed.line->command, CommandLine::Command::kSmoke);
  EXPECT_EQ(parsed.line->smoke.http_target, "a:1");
  EXPECT_EQ(parsed.line->smoke.grpc_target, "b:2");
  EXPECT_EQ(parsed.line->smoke.model, "m");
  EXPECT_EQ(parsed.line->smoke.key_env, "K");
  EXPECT_EQ(parsed.line->smoke.timeout_seconds, 3);
  EXPECT_EQ(
      Parse({"smoke", "--key-env", "K", "--key-file", "f"}, true).exit_code,
      kExitUsage);
}

TEST(CommandLineTest, HelpAndVersionEndWithZero) {
  for (const char* flag : {"--help", "--version"}) {
    const Parsed parsed = Parse({flag});
    EXPECT_FALSE(parsed.line) << flag;
    EXPECT_EQ(parsed.exit_code, kExitOk) << flag;
  }
}

TEST(CommandLineTest, MistakesEndWithUsage) {
  for (const std::vector<const char*>& args :
       std::vector<std::vector<const char*>>{{"--nonsense"},
                                             {"nonsense"},
                                             {"--log-level", "loud"},
                                             {"--log-format", "xml"},
                                             {"--config"},
                                             {"check", "serve"}}) {
    const Parsed parsed = Parse(args);
    EXPECT_FALSE(parsed.line) << args[0];
    EXPECT_EQ(parsed.exit_code, kExitUsage) << args[0];
  }
}

}  // namespace
}  // namespace gateway::process
