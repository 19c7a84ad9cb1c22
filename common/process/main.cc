#include "common/process/main.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_split.h>
#include <absl/time/clock.h>

#include <cstdio>
#include <map>

#include "common/config/loader.h"
#include "common/log/log.h"
#include "common/process/command_line.h"
#include "common/process/drain.h"
#include "common/process/healthcheck.h"
#include "common/process/lifecycle.h"
#include "common/process/ops_pages.h"
#include "common/process/ops_server.h"
#include "common/process/service_options.h"
#include "common/process/signals.h"
#include "common/process/version.h"

extern char** environ;

namespace gateway::process {
namespace {

// The variables that have a name of their own; see docs/architecture.md.
const std::vector<config::NamedVariable>& NamedVariables() {
  static const auto& variables = *new std::vector<config::NamedVariable>{
      {"GATEWAY_STREAMING", "streaming"},
      {"GATEWAY_TTL", "session.ttl"},
      {"GATEWAY_MONITORING", "monitoring.enabled"},
      {"GATEWAY_FALLBACK_MODEL", "routing.fallbackModel"},
      {"GATEWAY_BATCH_SIZE", "batch.size"},
  };
  return variables;
}

std::map<std::string, std::string> Environment() {
  std::map<std::string, std::string> environment;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::vector<std::string> parts =
        absl::StrSplit(*entry, absl::MaxSplits('=', 1));
    if (parts.size() == 2) environment[parts[0]] = parts[1];
  }
  return environment;
}

// Prints each line of a status, and returns the exit code for it.
int Fail(const std::string& program, const absl::Status& status, int code) {
  for (absl::string_view line : absl::StrSplit(status.message(), '\n')) {
    std::fprintf(stderr, "%s: %s\n", program.c_str(),
                 std::string(line).c_str());
  }
  return code;
}

int Serve(const Program& program, const config::v1::Config& config,
          const ServiceOptions& options, SignalWaiter& signals) {
  const absl::Time start = absl::Now();
  IoPool io(config.threads());
  absl::StatusOr<std::unique_ptr<Service>> created =
      program.create(config, &io);
  if (!created.ok()) {
    const bool is_config = absl::IsInvalidArgument(created.status());
    return Fail(program.name, created.status(),
                is_config ? kExitConfig : kExitFailure);
  }
  Service& service = **created;
  Lifecycle lifecycle;
  OpsPages pages(&service, &lifecycle, start);
  absl::StatusOr<std::unique_ptr<OpsServer>> ops =
      OpsServer::Start(options.ops.ToString(), &pages);
  if (!ops.ok()) return Fail(program.name, ops.status(), kExitFailure);

  absl::Status started = service.Start();
  if (started.ok()) {
    lifecycle.Set(Phase::kServing);
    LOG_INFO("process", "serving",
             {{"version", GetBuildInfo().version},
              {"ops", (*ops)->port()},
              {"start_ms", absl::ToInt64Milliseconds(absl::Now() - start)}});
    signals.Wait(absl::InfiniteDuration());
    LOG_INFO("process", "draining", {{"active", service.Active()}});
    Drain(service, lifecycle, signals);
  }
  ops->reset();
  service.Stop();
  io.Stop();
  LOG_INFO("process", "stopped");
  return started.ok() ? kExitOk : Fail(program.name, started, kExitFailure);
}

}  // namespace

int Main(int argc, const char* const* argv, const Program& program) {
  ProcessSignals signals;
  int exit_code = kExitOk;
  const std::optional<CommandLine> line =
      ParseCommandLine(program.name, argc, argv, &exit_code);
  if (!line) return exit_code;

  log::Configure({.service = program.name,
                  .format = *log::ParseFormat(line->log_format),
                  .level = *log::ParseLevel(line->log_level)});
  config::v1::Config config;
  const config::LoadResult loaded =
      config::Load({.file = line->config_file,
                    .environment = Environment(),
                    .named_variables = NamedVariables(),
                    .settings = line->settings},
                   &config);
  for (const std::string& warning : loaded.warnings) {
    std::fprintf(stderr, "%s: warning: %s\n", program.name.c_str(),
                 warning.c_str());
  }
  if (!loaded.status.ok()) {
    return Fail(program.name, loaded.status, kExitConfig);
  }
  absl::StatusOr<ServiceOptions> options =
      ReadServiceOptions(config, program.name);
  if (!options.ok()) return Fail(program.name, options.status(), kExitConfig);
  if (line->command == CommandLine::Command::kHealthcheck) {
    const absl::Status healthy = AskReadiness(options->ops);
    return healthy.ok() ? kExitOk : Fail(program.name, healthy, kExitFailure);
  }
  const absl::Status checked = program.check(config);
  if (!checked.ok()) return Fail(program.name, checked, kExitConfig);
  if (line->command == CommandLine::Command::kCheck) return kExitOk;
  return Serve(program, config, *options, signals);
}

}  // namespace gateway::process
