#include "common/metrics/export.h"

#include <prometheus/text_serializer.h>

#include <algorithm>
#include <map>
#include <utility>

namespace gateway::metrics {

void AddLabel(const std::string& name, const std::string& value,
              Families& families) {
  for (prometheus::MetricFamily& family : families) {
    for (prometheus::ClientMetric& metric : family.metric) {
      const bool has =
          std::any_of(metric.label.begin(), metric.label.end(),
                      [&](const auto& label) { return label.name == name; });
      if (!has) metric.label.push_back({name, value});
    }
  }
}

Families Merge(Families families) {
  std::map<std::string, prometheus::MetricFamily> by_name;
  for (prometheus::MetricFamily& family : families) {
    const std::string name = family.name;
    const auto [it, is_new] = by_name.try_emplace(name, std::move(family));
    if (is_new) continue;
    it->second.metric.insert(it->second.metric.end(), family.metric.begin(),
                             family.metric.end());
  }
  Families merged;
  for (auto& [name, family] : by_name) merged.push_back(std::move(family));
  return merged;
}

std::string ToText(Families families) {
  return prometheus::TextSerializer().Serialize(Merge(std::move(families)));
}

}  // namespace gateway::metrics
