#ifndef GATEWAY_SERVICES_METRICS_COLLECTOR_USAGE_SUMS_H_
#define GATEWAY_SERVICES_METRICS_COLLECTOR_USAGE_SUMS_H_

#include <absl/numeric/int128.h>
#include <absl/status/status.h>

#include <map>
#include <string>
#include <vector>

#include "gateway/metrics_collector/v1/metrics_collector.pb.h"

namespace gateway::metrics_collector {

// Folds rows into sums by group. Money stays an integer: pico-dollars in 128
// bits, rounded to nano-dollars once, at the end. Thread-compatible.
class UsageSums {
 public:
  // Groups of one answer.
  static constexpr size_t kMaxGroups = 10'000;

  // INVALID_ARGUMENT for an unspecified or repeated group.
  static absl::Status Validate(const std::vector<v1::UsageGroup>& group_by);

  explicit UsageSums(std::vector<v1::UsageGroup> group_by);

  // INVALID_ARGUMENT over kMaxGroups.
  absl::Status Add(const v1::UsageRow& row);

  // In the order of the group values.
  std::vector<v1::UsageSum> Take();

 private:
  struct Sum {
    v1::UsageSum sum;
    absl::int128 pico_usd = 0;
  };

  const std::vector<v1::UsageGroup> group_by_;
  std::map<std::vector<std::string>, Sum> sums_;
};

}  // namespace gateway::metrics_collector

#endif  // GATEWAY_SERVICES_METRICS_COLLECTOR_USAGE_SUMS_H_
