#include "common/log/log.h"

#include <spdlog/sinks/stdout_sinks.h>

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "absl/time/clock.h"
#include "common/concurrency/mutex.h"
#include "common/log/format.h"

namespace gateway::log {
namespace {

// All there is of the process's log. Never destroyed: threads may log at exit.
struct State {
  // The lowest level that any module lets through, so that most lines that
  // nobody wants cost one load.
  std::atomic<int> lowest = static_cast<int>(Level::kInfo);
  std::atomic<bool> has_modules = false;
  std::atomic<int> level = static_cast<int>(Level::kInfo);
  std::atomic<Format> format = Format::kText;

  Mutex mu;
  std::string service ABSL_GUARDED_BY(mu);
  std::map<std::string, Level, std::less<>> modules ABSL_GUARDED_BY(mu);
  std::shared_ptr<const std::function<void(absl::string_view)>> writer
      ABSL_GUARDED_BY(mu);

  const std::unique_ptr<spdlog::sinks::stderr_sink_mt> sink = [] {
    auto sink = std::make_unique<spdlog::sinks::stderr_sink_mt>();
    sink->set_pattern("%v");
    return sink;
  }();

  void Recompute() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu) {
    int lowest_now = level.load(std::memory_order_relaxed);
    for (const auto& [module, its] : modules) {
      lowest_now = std::min(lowest_now, static_cast<int>(its));
    }
    has_modules.store(!modules.empty(), std::memory_order_relaxed);
    lowest.store(lowest_now, std::memory_order_relaxed);
  }
};

State& GetState() {
  static State* const state = new State;
  return *state;
}

void Emit(Level level, absl::string_view module, absl::string_view message,
          std::initializer_list<Field> fields,
          std::optional<uint64_t> suppressed) {
  State& state = GetState();
  std::string service;
  std::shared_ptr<const std::function<void(absl::string_view)>> writer;
  {
    MutexLock lock(state.mu);
    service = state.service;
    writer = state.writer;
  }
  const Line line{absl::Now(), level,  service,   module,
                  message,     fields, suppressed};
  const std::string text =
      state.format.load(std::memory_order_relaxed) == Format::kJson
          ? FormatJson(line)
          : FormatText(line);
  if (writer != nullptr) {
    (*writer)(text);
    return;
  }
  const spdlog::details::log_msg record(spdlog::string_view_t(),
                                        spdlog::level::info, text);
  state.sink->log(record);
  state.sink->flush();
}

}  // namespace

std::optional<Level> ParseLevel(absl::string_view name) {
  if (name == "debug") return Level::kDebug;
  if (name == "info") return Level::kInfo;
  if (name == "warning" || name == "warn") return Level::kWarning;
  if (name == "error") return Level::kError;
  if (name == "off") return Level::kOff;
  return std::nullopt;
}

absl::string_view LevelName(Level level) {
  switch (level) {
    case Level::kDebug:
      return "debug";
    case Level::kInfo:
      return "info";
    case Level::kWarning:
      return "warning";
    case Level::kError:
      return "error";
    case Level::kOff:
      return "off";
  }
  return "off";
}

std::optional<Format> ParseFormat(absl::string_view name) {
  if (name == "json") return Format::kJson;
  if (name == "text") return Format::kText;
  return std::nullopt;
}

void Configure(const Options& options) {
  State& state = GetState();
  state.format.store(options.format, std::memory_order_relaxed);
  MutexLock lock(state.mu);
  state.service = options.service;
  state.level.store(static_cast<int>(options.level), std::memory_order_relaxed);
  state.Recompute();
}

void SetLevel(Level level) {
  State& state = GetState();
  MutexLock lock(state.mu);
  state.level.store(static_cast<int>(level), std::memory_order_relaxed);
  state.Recompute();
}

void SetModuleLevel(absl::string_view module, std::optional<Level> level) {
  State& state = GetState();
  MutexLock lock(state.mu);
  if (level.has_value()) {
    state.modules[std::string(module)] = *level;
  } else {
    state.modules.erase(std::string(module));
  }
  state.Recompute();
}

bool Enabled(Level level, absl::string_view module) {
  State& state = GetState();
  const int wanted = static_cast<int>(level);
  if (wanted < state.lowest.load(std::memory_order_relaxed)) return false;
  if (state.has_modules.load(std::memory_order_relaxed)) {
    MutexLock lock(state.mu);
    const auto it = state.modules.find(module);
    if (it != state.modules.end()) {
      return wanted >= static_cast<int>(it->second);
    }
  }
  return wanted >= state.level.load(std::memory_order_relaxed);
}

void SetWriter(std::function<void(absl::string_view line)> writer) {
  State& state = GetState();
  MutexLock lock(state.mu);
  state.writer =
      writer == nullptr
          ? nullptr
          : std::make_shared<const std::function<void(absl::string_view)>>(
                std::move(writer));
}

void Write(Level level, absl::string_view module, absl::string_view message,
           std::initializer_list<Field> fields) {
  Emit(level, module, message, fields, std::nullopt);
}

void WriteLimited(RateLimit& limit, Level level, absl::string_view module,
                  absl::string_view message,
                  std::initializer_list<Field> fields) {
  const std::optional<uint64_t> suppressed = limit.Allow(absl::Now());
  if (suppressed.has_value()) {
    Emit(level, module, message, fields, suppressed);
  }
}

}  // namespace gateway::log
