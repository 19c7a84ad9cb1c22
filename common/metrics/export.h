#ifndef GATEWAY_COMMON_METRICS_EXPORT_H_
#define GATEWAY_COMMON_METRICS_EXPORT_H_

#include <prometheus/metric_family.h>

#include <string>
#include <vector>

namespace gateway::metrics {

using Families = std::vector<prometheus::MetricFamily>;

// The content type of ToText.
inline constexpr char kTextContentType[] =
    "text/plain; version=0.0.4; charset=utf-8";

// Adds `name="value"` to every series that has no such label.
void AddLabel(const std::string& name, const std::string& value,
              Families& families);

// One family for each name, sorted, with the series of all of its kind: what
// several services of one process expose together.
Families Merge(Families families);

// Prometheus' text format, after Merge.
std::string ToText(Families families);

}  // namespace gateway::metrics

#endif  // GATEWAY_COMMON_METRICS_EXPORT_H_
