#include "common/process/command_line.h"

#include <CLI/CLI.hpp>
#include <cstdio>

#include "common/process/version.h"

namespace gateway::process {
namespace {

constexpr char kFooter[] =
    "Exit codes: 0 ok, 1 failure, 64 usage, 78 config.\n"
    "Every key of the config can be set by --set key=value, or as a variable: "
    "GATEWAY__A__B_C sets a.bC.";

}  // namespace

std::optional<CommandLine> ParseCommandLine(const std::string& program,
                                            int argc, const char* const* argv,
                                            int* exit_code) {
  CommandLine line;
  CLI::App app("Agent gateway: " + program, program);
  app.set_version_flag("--version", VersionText(program));
  app.footer(kFooter);
  app.fallthrough();
  app.require_subcommand(0, 1);
  app.add_option("--config", line.config_file, "the config file (YAML)");
  // One value each, so that a sub-command may follow.
  app.add_option("--set", line.settings, "key=value, over file and environment")
      ->allow_extra_args(false);
  app.add_option("--log-level", line.log_level)
      ->check(CLI::IsMember({"debug", "info", "warning", "error"}))
      ->capture_default_str();
  app.add_option("--log-format", line.log_format)
      ->check(CLI::IsMember({"json", "text"}))
      ->capture_default_str();
  app.add_subcommand("serve", "run the service (the default)");
  CLI::App* check =
      app.add_subcommand("check", "check the config and exit; no network");
  CLI::App* healthcheck = app.add_subcommand(
      "healthcheck", "exit 0 if the running service is ready");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    *exit_code = app.exit(error) == 0 ? kExitOk : kExitUsage;
    return std::nullopt;
  }
  if (check->parsed()) line.command = CommandLine::Command::kCheck;
  if (healthcheck->parsed()) line.command = CommandLine::Command::kHealthcheck;
  return line;
}

}  // namespace gateway::process
