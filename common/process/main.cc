#include "common/process/main.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_split.h>
#include <absl/time/clock.h>

#include <cstdio>
#include <map>

#include "common/config/print.h"
#include "common/log/log.h"
#include "common/process/admin_pages.h"
#include "common/process/drain.h"
#include "common/process/events.h"
#include "common/process/health_keeper.h"
#include "common/process/lifecycle.h"
#include "common/process/local_http.h"
#include "common/process/log_levels.h"
#include "common/process/ops_pages.h"
#include "common/process/page_server.h"
#include "common/process/reloader.h"
#include "common/process/version.h"
#include "common/process/watchdog.h"
#include "common/status/macros.h"

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

log::Level LevelOf(const config::v1::Config& config) {
  switch (config.log().level()) {
    case config::v1::LOG_LEVEL_DEBUG:
      return log::Level::kDebug;
    case config::v1::LOG_LEVEL_WARNING:
      return log::Level::kWarning;
    case config::v1::LOG_LEVEL_ERROR:
      return log::Level::kError;
    default:
      return log::Level::kInfo;
  }
}

void ConfigureLog(const std::string& service,
                  const config::v1::Config& config) {
  const bool text = config.log().format() == config::v1::LOG_FORMAT_TEXT;
  log::Configure({.service = service,
                  .format = text ? log::Format::kText : log::Format::kJson,
                  .level = LevelOf(config)});
}

// What serves beside the service, on threads of their own.
struct SidePorts {
  std::unique_ptr<PageServer> ops;
  std::unique_ptr<PageServer> admin;
};

absl::StatusOr<SidePorts> OpenSidePorts(const ServiceOptions& options,
                                        const OpsPages& pages,
                                        const AdminPages& admin) {
  SidePorts ports;
  ASSIGN_OR_RETURN(ports.ops,
                   PageServer::Start("ops", options.ops,
                                     [&pages](const http::Request& request) {
                                       return pages.Answer(request);
                                     }));
  ASSIGN_OR_RETURN(ports.admin,
                   PageServer::Start("admin", options.admin,
                                     [&admin](const http::Request& request) {
                                       return admin.Answer(request);
                                     }));
  return ports;
}

// A service that runs, and what is asked of it until it is to end.
class Run {
 public:
  Run(Service* service, Lifecycle* lifecycle, Reloader* reloader,
      LogLevels* levels, HealthKeeper* health, ProcessEvents* events)
      : service_(*service),
        lifecycle_(*lifecycle),
        reloader_(*reloader),
        levels_(*levels),
        health_(*health),
        events_(*events) {}

  // Returns when the service is empty.
  void UntilDrained() {
    events_.Watch(reloader_.Files());
    while (true) {
      const std::optional<Event> event = events_.Wait(absl::InfiniteDuration());
      if (!event) continue;
      switch (event->kind) {
        case Event::Kind::kReload:
          Reload(*event);
          break;
        case Event::Kind::kUndrain:
          event->Answer(absl::FailedPreconditionError("it does not drain"));
          break;
        case Event::Kind::kStop:
        case Event::Kind::kDrain:
          if (Drain(service_, lifecycle_, events_, *event,
                    [this] { health_.Update(); }) == DrainEnd::kEmpty) {
            return;
          }
      }
    }
  }

 private:
  void Reload(const Event& event) {
    LOG_INFO("process", "reloading", {{"cause", event.source}});
    absl::StatusOr<std::string> outcome = reloader_.Reload(service_);
    if (outcome.ok()) {
      levels_.SetConfigured(LevelOf(*reloader_.running()));
      events_.Watch(reloader_.Files());
    }
    event.Answer(std::move(outcome));
  }

  Service& service_;
  Lifecycle& lifecycle_;
  Reloader& reloader_;
  LogLevels& levels_;
  HealthKeeper& health_;
  ProcessEvents& events_;
};

int Serve(const Program& program, const config::Sources& sources,
          const config::v1::Config& config, const ServiceOptions& options,
          ProcessEvents& events) {
  const absl::Time start = absl::Now();
  Lifecycle lifecycle;
  LogLevels levels(LevelOf(config));
  Reloader reloader(sources, config, program.check, &lifecycle);
  IoPool io(config.threads());
  absl::StatusOr<std::unique_ptr<Service>> created =
      program.create(config, &io);
  if (!created.ok()) {
    const bool is_config = absl::IsInvalidArgument(created.status());
    return Fail(program.name, created.status(),
                is_config ? kExitConfig : kExitFailure);
  }
  Service& service = **created;
  Watchdog watchdog(LoopsOf(io));
  OpsPages pages(&service, &lifecycle, &watchdog, start);
  AdminPages admin({&service, &reloader, &levels, &events});
  absl::StatusOr<SidePorts> ports = OpenSidePorts(options, pages, admin);
  if (!ports.ok()) return Fail(program.name, ports.status(), kExitFailure);

  const absl::Status started = service.Start();
  if (started.ok()) {
    lifecycle.Set(Phase::kServing);
    LOG_INFO("process", "serving",
             {{"version", GetBuildInfo().version},
              {"ops", ports->ops->port()},
              {"admin", ports->admin->port()},
              {"start_ms", absl::ToInt64Milliseconds(absl::Now() - start)}});
    HealthKeeper health(&service, &lifecycle, &watchdog,
                        [&levels](absl::Time now) { levels.Expire(now); });
    Run(&service, &lifecycle, &reloader, &levels, &health, &events)
        .UntilDrained();
  }
  ports->ops.reset();
  admin.ServiceStops();
  service.Stop();
  // The last to go: who waits for the end of the process looks at it.
  ports->admin.reset();
  io.Stop();
  LOG_INFO("process", "stopped");
  return started.ok() ? kExitOk : Fail(program.name, started, kExitFailure);
}

int ShowConfig(const Program& program, CommandLine::Show show,
               const config::v1::Config& config) {
  config::PrintOptions print{.defaults = true};
  for (const config::RefusedKey& key : program.refused) {
    print.hidden.insert(key.key);
  }
  std::string text;
  switch (show) {
    case CommandLine::Show::kEffective:
      text = config::ToYaml(config, print);
      break;
    case CommandLine::Show::kDefault:
      text = config::ToYaml(config::v1::Config(), print);
      break;
    case CommandLine::Show::kSchema:
      text = config::ToJsonSchema(*config::v1::Config::descriptor());
      break;
  }
  std::fwrite(text.data(), 1, text.size(), stdout);
  return kExitOk;
}

// How long a drain may take, and a little for the flush behind it.
absl::Duration DrainPatience(const ServiceOptions& options, int seconds) {
  if (seconds > 0) return absl::Seconds(seconds);
  return options.shutdown.pre_drain_delay + options.shutdown.drain_timeout +
         absl::Seconds(15);
}

// Prints what went wrong, if anything did.
int Tell(const std::string& program, const absl::Status& status) {
  return status.ok() ? kExitOk : Fail(program, status, kExitFailure);
}

int Smoke(const Program& program, const ServiceOptions& options,
          const SmokeOptions& smoke) {
  const absl::Status tried = program.smoke(options, smoke);
  if (absl::IsInvalidArgument(tried)) {
    return Fail(program.name, tried, kExitUsage);
  }
  return Tell(program.name, tried);
}

int Execute(const Program& program, const CommandLine& line,
            const config::Sources& sources, const config::v1::Config& config,
            std::optional<ProcessEvents>& events) {
  using Command = CommandLine::Command;
  absl::StatusOr<ServiceOptions> options =
      ReadServiceOptions(config, program.name);
  if (!options.ok()) return Fail(program.name, options.status(), kExitConfig);
  switch (line.command) {
    case Command::kHealthcheck:
      return Tell(program.name, AskReadiness(options->ops));
    case Command::kDrain:
      return Tell(program.name,
                  AskDrain(options->admin,
                           DrainPatience(*options, line.timeout_seconds)));
    case Command::kConfig:
      return ShowConfig(program, line.show, config);
    case Command::kSmoke:
      return Smoke(program, *options, line.smoke);
    case Command::kCheck:
    case Command::kServe:
      break;
  }
  const absl::Status checked = program.check(config);
  if (!checked.ok()) return Fail(program.name, checked, kExitConfig);
  if (line.command == Command::kCheck) return kExitOk;
  return Serve(program, sources, config, *options, *events);
}

}  // namespace

int Main(int argc, const char* const* argv, const Program& program) {
  int exit_code = kExitOk;
  const std::optional<CommandLine> line = ParseCommandLine(
      program.name, program.smoke != nullptr, argc, argv, &exit_code);
  if (!line) return exit_code;
  // Before anything that may start a thread.
  std::optional<ProcessEvents> events;
  if (line->command == CommandLine::Command::kServe) {
    events.emplace();
    // Before it is read, so that no change is missed.
    if (!line->config_file.empty()) events->Watch({line->config_file});
  }

  const config::Sources sources{.file = line->config_file,
                                .environment = Environment(),
                                .named_variables = NamedVariables(),
                                .settings = line->settings,
                                .refused = program.refused};
  config::v1::Config config;
  const config::LoadResult loaded = config::Load(sources, &config);
  for (const std::string& warning : loaded.warnings) {
    std::fprintf(stderr, "%s: warning: %s\n", program.name.c_str(),
                 warning.c_str());
  }
  if (!loaded.status.ok()) {
    return Fail(program.name, loaded.status, kExitConfig);
  }
  ConfigureLog(program.name, config);
  return Execute(program, *line, sources, config, events);
}

}  // namespace gateway::process
