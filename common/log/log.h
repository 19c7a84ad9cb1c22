#ifndef GATEWAY_COMMON_LOG_LOG_H_
#define GATEWAY_COMMON_LOG_LOG_H_

#include <functional>
#include <initializer_list>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/log/field.h"
#include "common/log/rate_limit.h"

// Lines on stderr, JSON or text:
//
//   LOG_INFO("router", "target failed", {{"request_id", id}, {"attempt", n}});
//   LOG_WARNING_EVERY(absl::Seconds(10), "spool", "full", {{"bytes", n}});
//
// Arguments are evaluated only if the module's level lets the line through.
// Thread-safe; a line is written whole, and before the call returns. Never log
// a prompt, a completion or a key: fields whose key says that they hold one
// are redacted, whatever they hold.
namespace gateway::log {

enum class Level { kDebug = 0, kInfo = 1, kWarning = 2, kError = 3, kOff = 4 };
enum class Format { kJson, kText };

// "debug", "info", "warning" (or "warn"), "error", "off".
std::optional<Level> ParseLevel(absl::string_view name);
absl::string_view LevelName(Level level);
// "json" or "text".
std::optional<Format> ParseFormat(absl::string_view name);

struct Options {
  std::string service;  // the line's `service`
  Format format = Format::kJson;
  Level level = Level::kInfo;
};

// Once, at the start of main. Until then: text, info, no service.
void Configure(const Options& options);

// At any time.
void SetLevel(Level level);
// For one module alone; nullopt: as the others.
void SetModuleLevel(absl::string_view module, std::optional<Level> level);

bool Enabled(Level level, absl::string_view module);

// Where lines go in place of stderr, without the newline; nullptr: stderr. For
// tests: see tests/support/log_capture.h.
void SetWriter(std::function<void(absl::string_view line)> writer);

// What the macros call.
void Write(Level level, absl::string_view module, absl::string_view message,
           std::initializer_list<Field> fields = {});
void WriteLimited(RateLimit& limit, Level level, absl::string_view module,
                  absl::string_view message,
                  std::initializer_list<Field> fields = {});

}  // namespace gateway::log

#define LOG_DEBUG(module, ...) \
  GATEWAY_LOG_(::gateway::log::Level::kDebug, module, __VA_ARGS__)
#define LOG_INFO(module, ...) \
  GATEWAY_LOG_(::gateway::log::Level::kInfo, module, __VA_ARGS__)
#define LOG_WARNING(module, ...) \
  GATEWAY_LOG_(::gateway::log::Level::kWarning, module, __VA_ARGS__)
#define LOG_ERROR(module, ...) \
  GATEWAY_LOG_(::gateway::log::Level::kError, module, __VA_ARGS__)

// At most one line each `interval` from this place in the code; the next one
// says in `suppressed` how many were left out.
#define LOG_WARNING_EVERY(interval, module, ...)                            \
  do {                                                                      \
    static ::gateway::log::RateLimit gateway_log_limit(interval);           \
    if (::gateway::log::Enabled(::gateway::log::Level::kWarning, module)) { \
      ::gateway::log::WriteLimited(gateway_log_limit,                       \
                                   ::gateway::log::Level::kWarning, module, \
                                   __VA_ARGS__);                            \
    }                                                                       \
  } while (false)

#define GATEWAY_LOG_(level, module, ...)                 \
  do {                                                   \
    if (::gateway::log::Enabled(level, module)) {        \
      ::gateway::log::Write(level, module, __VA_ARGS__); \
    }                                                    \
  } while (false)

#endif  // GATEWAY_COMMON_LOG_LOG_H_
