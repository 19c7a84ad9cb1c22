#ifndef GATEWAY_COMMON_LOG_FIELD_H_
#define GATEWAY_COMMON_LOG_FIELD_H_

#include <cstdint>
#include <string>
#include <type_traits>
#include <variant>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace gateway::log {

// One key and value of a log line. Holds views: lives no longer than the call.
class Field {
 public:
  using Value = std::variant<absl::string_view, int64_t, uint64_t, double, bool,
                             std::string>;

  Field(absl::string_view key, absl::string_view value)
      : key_(key), value_(value) {}
  Field(absl::string_view key, const char* value)
      : key_(key), value_(absl::string_view(value)) {}
  Field(absl::string_view key, const std::string& value)
      : key_(key), value_(absl::string_view(value)) {}

  template <class T, std::enable_if_t<std::is_arithmetic_v<T>, bool> = true>
  Field(absl::string_view key, T value) : key_(key) {
    if constexpr (std::is_same_v<T, bool>) {
      value_ = value;
    } else if constexpr (std::is_floating_point_v<T>) {
      value_ = static_cast<double>(value);
    } else if constexpr (std::is_signed_v<T>) {
      value_ = static_cast<int64_t>(value);
    } else {
      value_ = static_cast<uint64_t>(value);
    }
  }

  // In seconds.
  Field(absl::string_view key, absl::Duration value)
      : key_(key), value_(absl::ToDoubleSeconds(value)) {}

  // "CODE: message", without details.
  Field(absl::string_view key, const absl::Status& value)
      : key_(key),
        value_(value.ToString(absl::StatusToStringMode::kWithNoExtraData)) {}

  absl::string_view key() const { return key_; }
  const Value& value() const { return value_; }

 private:
  absl::string_view key_;
  Value value_;
};

}  // namespace gateway::log

#endif  // GATEWAY_COMMON_LOG_FIELD_H_
