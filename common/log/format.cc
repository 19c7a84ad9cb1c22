#include "common/log/format.h"

#include <algorithm>
#include <cmath>
#include <variant>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/status/text.h"

namespace gateway::log {
namespace {

constexpr size_t kMaxTextBytes = 8 * 1024;
constexpr char kRedacted[] = "[redacted]";

// Keys of fields that would hold what must not be logged.
constexpr absl::string_view kSecretKeys[] = {
    "answer",   "api_key", "authorization", "body",     "completion", "content",
    "contents", "cookie",  "key",           "messages", "password",   "prompt",
    "secret",   "text",    "token",         "x-api-key"};

void AppendQuoted(absl::string_view text, std::string& out) {
  out += '"';
  for (char c : CleanText(text, kMaxTextBytes)) {
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      default:
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
          absl::StrAppendFormat(&out, "\\u%04x", static_cast<unsigned char>(c));
        } else {
          out += c;
        }
    }
  }
  out += '"';
}

void AppendValue(const Field& field, std::string& out) {
  if (IsRedacted(field.key())) {
    AppendQuoted(kRedacted, out);
    return;
  }
  std::visit(
      [&](const auto& value) {
        using T = std::decay_t<decltype(value)>;
        if constexpr (std::is_same_v<T, bool>) {
          out += value ? "true" : "false";
        } else if constexpr (std::is_same_v<T, double>) {
          // JSON has no infinity.
          if (std::isfinite(value)) {
            absl::StrAppend(&out, value);
          } else {
            out += "null";
          }
        } else if constexpr (std::is_integral_v<T>) {
          absl::StrAppend(&out, value);
        } else {
          AppendQuoted(value, out);
        }
      },
      field.value());
}

std::string Timestamp(absl::Time time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", time, absl::UTCTimeZone());
}

// A text without spaces, quotes or anything to escape needs no quotes.
bool IsPlain(absl::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return absl::ascii_isgraph(static_cast<unsigned char>(c)) && c != '"' &&
           c != '\\' && c != '=';
  });
}

}  // namespace

bool IsRedacted(absl::string_view key) {
  return std::any_of(std::begin(kSecretKeys), std::end(kSecretKeys),
                     [&](absl::string_view secret) { return key == secret; });
}

std::string FormatJson(const Line& line) {
  std::string out =
      absl::StrCat("{\"ts\":\"", Timestamp(line.time), "\",\"level\":\"",
                   LevelName(line.level), "\",\"service\":");
  AppendQuoted(line.service, out);
  out += ",\"module\":";
  AppendQuoted(line.module, out);
  out += ",\"msg\":";
  AppendQuoted(line.message, out);
  for (const Field& field : line.fields) {
    out += ',';
    AppendQuoted(field.key(), out);
    out += ':';
    AppendValue(field, out);
  }
  if (line.suppressed.value_or(0) > 0) {
    absl::StrAppend(&out, ",\"suppressed\":", *line.suppressed);
  }
  out += '}';
  return out;
}

std::string FormatText(const Line& line) {
  std::string message;
  AppendQuoted(line.message, message);
  // The quotes go, what they protect from stays escaped.
  std::string out = absl::StrCat(
      Timestamp(line.time), " ", absl::StrFormat("%-7s", LevelName(line.level)),
      " ", line.module, ": ",
      absl::string_view(message).substr(1, message.size() - 2));
  for (const Field& field : line.fields) {
    absl::StrAppend(&out, " ", field.key(), "=");
    const auto* view = std::get_if<absl::string_view>(&field.value());
    if (view != nullptr && IsPlain(*view) && !IsRedacted(field.key())) {
      absl::StrAppend(&out, CleanText(*view, kMaxTextBytes));
    } else {
      AppendValue(field, out);
    }
  }
  if (line.suppressed.value_or(0) > 0) {
    absl::StrAppend(&out, " suppressed=", *line.suppressed);
  }
  return out;
}

}  // namespace gateway::log
