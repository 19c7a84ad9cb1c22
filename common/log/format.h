#ifndef GATEWAY_COMMON_LOG_FORMAT_H_
#define GATEWAY_COMMON_LOG_FORMAT_H_

#include <initializer_list>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/log/field.h"
#include "common/log/log.h"

namespace gateway::log {

// What a line says, before it has a form.
struct Line {
  absl::Time time;
  Level level;
  absl::string_view service;
  absl::string_view module;
  absl::string_view message;
  std::initializer_list<Field> fields;
  std::optional<uint64_t> suppressed;
};

// One JSON object, without a newline. Valid JSON and valid UTF-8 whatever the
// texts hold; each text is cut at 8 KiB.
std::string FormatJson(const Line& line);

// For people: time, level, module, message, key=value.
std::string FormatText(const Line& line);

// Whether values of this key are never shown.
bool IsRedacted(absl::string_view key);

}  // namespace gateway::log

#endif  // GATEWAY_COMMON_LOG_FORMAT_H_
