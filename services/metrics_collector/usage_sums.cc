#include "services/metrics_collector/usage_sums.h"

#include <algorithm>

#include "common/status/error.h"
#include "common/usage/usage_sum.h"

namespace gateway::metrics_collector {
namespace {

using chat::v1::Usage;

std::string ValueOf(v1::UsageGroup group, const v1::UsageRow& row) {
  switch (group) {
    case v1::USAGE_GROUP_TENANT:
      return row.account().tenant();
    case v1::USAGE_GROUP_KEY:
      return row.account().key_id();
    case v1::USAGE_GROUP_USER:
      return row.account().user();
    case v1::USAGE_GROUP_MODEL:
      return row.model();
    case v1::USAGE_GROUP_PROVIDER:
      return row.provider();
    default:
      return "";
  }
}

int64_t TotalTokens(const Usage& usage) {
  return usage.uncached_input_tokens() + usage.cached_input_tokens() +
         usage.cache_write_5m_tokens() + usage.cache_write_1h_tokens() +
         usage.output_tokens();
}

// Half up; costs are never negative.
int64_t ToNano(absl::int128 pico) {
  return static_cast<int64_t>((pico + 500) / 1000);
}

}  // namespace

absl::Status UsageSums::Validate(const std::vector<v1::UsageGroup>& group_by) {
  std::vector<v1::UsageGroup> sorted = group_by;
  std::sort(sorted.begin(), sorted.end());
  const bool repeated =
      std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end();
  const bool unknown =
      std::any_of(sorted.begin(), sorted.end(), [](v1::UsageGroup group) {
        return group <= v1::USAGE_GROUP_UNSPECIFIED ||
               !v1::UsageGroup_IsValid(group);
      });
  if (repeated || unknown) {
    return InvalidParameter("group_by", "each group at most once, by its name");
  }
  return absl::OkStatus();
}

UsageSums::UsageSums(std::vector<v1::UsageGroup> group_by)
    : group_by_(std::move(group_by)) {}

absl::Status UsageSums::Add(const v1::UsageRow& row) {
  std::vector<std::string> key;
  for (v1::UsageGroup group : group_by_) key.push_back(ValueOf(group, row));
  if (sums_.size() >= kMaxGroups && !sums_.contains(key)) {
    return InvalidParameter("group_by",
                            "more than 10000 groups: narrow the query");
  }
  Sum& entry = sums_[std::move(key)];
  v1::UsageSum& sum = entry.sum;
  sum.set_attempts(sum.attempts() + 1);
  AddTokens(row.usage(), *sum.mutable_usage());
  if (row.cost().priced()) {
    entry.pico_usd += row.cost().pico_usd();
  } else {
    sum.set_unpriced_attempts(sum.unpriced_attempts() + 1);
    sum.set_unpriced_tokens(sum.unpriced_tokens() + TotalTokens(row.usage()));
  }
  if (row.usage().source() == chat::v1::USAGE_SOURCE_ESTIMATED) {
    sum.set_estimated_attempts(sum.estimated_attempts() + 1);
  }
  if (row.outcome() == v1::OUTCOME_UNKNOWN) {
    sum.set_unknown_attempts(sum.unknown_attempts() + 1);
  }
  return absl::OkStatus();
}

std::vector<v1::UsageSum> UsageSums::Take() {
  std::vector<v1::UsageSum> result;
  for (auto& [key, entry] : sums_) {
    for (const std::string& value : key) entry.sum.add_group(value);
    entry.sum.set_cost_nano_usd(ToNano(entry.pico_usd));
    result.push_back(std::move(entry.sum));
  }
  sums_.clear();
  return result;
}

}  // namespace gateway::metrics_collector
