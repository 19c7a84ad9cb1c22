#include "common/process/command_line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gateway::process {
namespace {

struct Parsed {
  std::optional<CommandLine> line;
  int exit_code = -1;
};

Parsed Parse(std::vector<const char*> args) {
  args.insert(args.begin(), "session-store");
  Parsed parsed;
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  parsed.line = ParseCommandLine("session-store", args.size(), args.data(),
                                 &parsed.exit_code);
  testing::internal::GetCapturedStdout();
  testing::internal::GetCapturedStderr();
  return parsed;
}

TEST(CommandLineTest, ServesByDefault) {
  const Parsed parsed = Parse({});
  ASSERT_TRUE(parsed.line);
  EXPECT_EQ(parsed.line->command, CommandLine::Command::kServe);
  EXPECT_EQ(parsed.line->log_level, "info");
  EXPECT_EQ(parsed.line->log_format, "json");
}

TEST(CommandLineTest, TakesFlagsBeforeAndAfterTheCommand) {
  const Parsed parsed = Parse({"--set", "a.b=c", "check", "--config", "f.yaml",
                               "--set", "d=e", "--log-level", "debug"});
  ASSERT_TRUE(parsed.line);
  EXPECT_EQ(parsed.line->command, CommandLine::Command::kCheck);
  EXPECT_EQ(parsed.line->config_file, "f.yaml");
  EXPECT_THAT(parsed.line->settings, testing::ElementsAre("a.b=c", "d=e"));
  EXPECT_EQ(parsed.line->log_level, "debug");
}

TEST(CommandLineTest, KnowsHealthcheckAndServe) {
  EXPECT_EQ(Parse({"healthcheck"}).line->command,
            CommandLine::Command::kHealthcheck);
  EXPECT_EQ(Parse({"serve"}).line->command, CommandLine::Command::kServe);
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
