#include "common/metrics/lint.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace gateway::metrics {
namespace {

constexpr absl::string_view kForbiddenLabels[] = {
    "api_key",    "batch",      "completion", "content",    "item",
    "key",        "key_id",     "prompt",     "request_id", "session",
    "session_id", "tenant_key", "trace_id",   "user",       "user_id"};

// Other units than the base ones, and abbreviations.
constexpr absl::string_view kForbiddenEndings[] = {
    "_ms", "_millis", "_milliseconds", "_us",  "_microseconds", "_minutes",
    "_kb", "_mb",     "_kib",          "_mib", "_sec",          "_secs"};

bool IsSnakeCase(absl::string_view name) {
  if (name.empty() || !absl::ascii_islower(name[0])) return false;
  return !absl::StrContains(name, "__") && !absl::EndsWith(name, "_") &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return absl::ascii_islower(c) || absl::ascii_isdigit(c) || c == '_';
         });
}

bool HasKnownPrefix(absl::string_view name) {
  return absl::StartsWith(name, "agentgw_") ||
         absl::StartsWith(name, "gen_ai_") ||
         absl::StartsWith(name, "process_");
}

void LintName(const prometheus::MetricFamily& family,
              std::vector<std::string>& faults) {
  const std::string& name = family.name;
  if (!IsSnakeCase(name)) {
    faults.push_back(absl::StrCat(name, ": not snake case"));
  }
  if (!HasKnownPrefix(name)) {
    faults.push_back(
        absl::StrCat(name, ": not of agentgw_, gen_ai_ or process_"));
  }
  const bool is_counter = family.type == prometheus::MetricType::Counter;
  if (is_counter != absl::EndsWith(name, "_total")) {
    faults.push_back(
        absl::StrCat(name, is_counter ? ": a counter ends in _total"
                                      : ": only a counter ends in _total"));
  }
  for (absl::string_view ending : kForbiddenEndings) {
    if (absl::EndsWith(name, ending)) {
      faults.push_back(
          absl::StrCat(name, ": units are seconds and bytes, not ", ending));
    }
  }
  if (family.help.empty()) faults.push_back(absl::StrCat(name, ": no help"));
}

void LintSeries(const prometheus::MetricFamily& family,
                std::vector<std::string>& faults) {
  std::set<std::vector<std::pair<std::string, std::string>>> seen;
  for (const prometheus::ClientMetric& metric : family.metric) {
    std::vector<std::pair<std::string, std::string>> labels;
    for (const auto& label : metric.label) {
      labels.emplace_back(label.name, label.value);
      if (!IsSnakeCase(label.name)) {
        faults.push_back(absl::StrCat(family.name, ": label ", label.name,
                                      " is not snake case"));
      }
      if (std::count(std::begin(kForbiddenLabels), std::end(kForbiddenLabels),
                     absl::string_view(label.name)) > 0) {
        faults.push_back(absl::StrCat(family.name, ": label ", label.name,
                                      " has no closed set of values"));
      }
    }
    std::sort(labels.begin(), labels.end());
    if (!seen.insert(std::move(labels)).second) {
      faults.push_back(absl::StrCat(family.name, ": a series stands twice"));
    }
  }
}

}  // namespace

std::vector<std::string> Lint(const Families& families) {
  std::vector<std::string> faults;
  std::set<std::string> names;
  for (const prometheus::MetricFamily& family : families) {
    LintName(family, faults);
    LintSeries(family, faults);
    if (!names.insert(family.name).second) {
      faults.push_back(absl::StrCat(family.name, ": stands twice"));
    }
  }
  return faults;
}

}  // namespace gateway::metrics
