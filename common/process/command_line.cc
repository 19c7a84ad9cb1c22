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
                                            bool with_smoke, int argc,
                                            const char* const* argv,
                                            int* exit_code) {
  using Command = CommandLine::Command;
  using Show = CommandLine::Show;
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
  std::string log_level, log_format;
  app.add_option("--log-level", log_level, "over log.level")
      ->check(CLI::IsMember({"debug", "info", "warning", "error"}));
  app.add_option("--log-format", log_format, "over log.format")
      ->check(CLI::IsMember({"json", "text"}));
  const auto add = [&](CLI::App& to, const char* name, const char* what,
                       Command command) {
    CLI::App* sub = to.add_subcommand(name, what);
    sub->fallthrough();
    sub->callback([&line, command] { line.command = command; });
    return sub;
  };
  add(app, "serve", "run the service (the default)", Command::kServe);
  add(app, "check", "check the config and exit; no network", Command::kCheck);
  add(app, "healthcheck", "exit 0 if the running service is ready",
      Command::kHealthcheck);
  CLI::App* config = add(app, "config", "print a config", Command::kConfig);
  config->require_subcommand(1);
  const auto show = [&](const char* name, const char* what, Show what_to) {
    CLI::App* sub = config->add_subcommand(name, what);
    sub->fallthrough();
    sub->callback([&line, what_to] { line.show = what_to; });
  };
  show("effective", "what file, environment and flags come to, as YAML",
       Show::kEffective);
  show("default", "every key that has a default, with it, as YAML",
       Show::kDefault);
  show("schema", "every key that there is, as JSON Schema", Show::kSchema);
  CLI::App* drain =
      add(app, "drain", "drain the running service and wait for its end",
          Command::kDrain);
  drain
      ->add_option("--timeout", line.timeout_seconds,
                   "seconds to wait; default: as long as its drain may take")
      ->check(CLI::Range(1, 86400));
  if (with_smoke) {
    CLI::App* smoke =
        add(app, "smoke", "try a running mesh, over HTTP and gRPC",
            Command::kSmoke);
    SmokeOptions& options = line.smoke;
    smoke->add_option("--http-target", options.http_target,
                      "host:port; default: where the config listens");
    smoke->add_option("--grpc-target", options.grpc_target,
                      "host:port; default: where the config listens");
    smoke->add_option("--model", options.model)->capture_default_str();
    smoke->add_option("--key-file", options.key_file,
                      "a file that holds the API key");
    smoke
        ->add_option("--key-env", options.key_env,
                     "a variable that holds the API key")
        ->excludes("--key-file");
    smoke
        ->add_option("--timeout", options.timeout_seconds,
                     "seconds for each step")
        ->check(CLI::Range(1, 3600))
        ->capture_default_str();
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    *exit_code = app.exit(error) == 0 ? kExitOk : kExitUsage;
    return std::nullopt;
  }
  // Two flags are keys of the config under another name.
  if (!log_level.empty()) line.settings.push_back("log.level=" + log_level);
  if (!log_format.empty()) line.settings.push_back("log.format=" + log_format);
  return line;
}

}  // namespace gateway::process
