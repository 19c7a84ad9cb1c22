#ifndef GATEWAY_COMMON_METRICS_LABELLED_H_
#define GATEWAY_COMMON_METRICS_LABELLED_H_

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"

namespace gateway::metrics {

// What stands in a label for every value outside its closed set.
inline constexpr char kOther[] = "other";

// Seconds of a request: 1 ms to 10 min.
inline prometheus::Histogram::BucketBoundaries LatencyBuckets() {
  return {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5,
          1,     2.5,    5,     10,   30,    60,   120, 300,  600};
}

// Seconds that the gateway itself adds: 20 µs to 100 ms.
inline prometheus::Histogram::BucketBoundaries OverheadBuckets() {
  return {0.00002, 0.00005, 0.0001, 0.0002, 0.0005, 0.001,
          0.002,   0.005,   0.01,   0.02,   0.05,   0.1};
}

// Shows what another has counted since the start. One caller at a time.
inline void SetTotal(prometheus::Counter& counter, double total) {
  counter.Increment(total - counter.Value());
}

inline prometheus::Family<prometheus::Counter>& CounterFamily(
    prometheus::Registry& registry, const std::string& name,
    const std::string& help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry);
}

inline prometheus::Family<prometheus::Gauge>& GaugeFamily(
    prometheus::Registry& registry, const std::string& name,
    const std::string& help) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(registry);
}

inline prometheus::Family<prometheus::Histogram>& HistogramFamily(
    prometheus::Registry& registry, const std::string& name,
    const std::string& help) {
  return prometheus::BuildHistogram().Name(name).Help(help).Register(registry);
}

// The metrics of a family that differ in one label with a closed set of
// values, all made at construction, so that each shows up from the start and
// finding one takes neither a lock nor an allocation. Immutable.
template <class Metric>
class Labelled {
 public:
  // `fixed` labels are the same for all; `args` go to each metric (a
  // histogram's buckets). `other` is added to the values.
  template <class... Args>
  Labelled(prometheus::Family<Metric>& family, const std::string& label,
           std::vector<std::string> values, const prometheus::Labels& fixed,
           const Args&... args) {
    values.push_back(kOther);
    std::sort(values.begin(), values.end());
    values.erase(std::unique(values.begin(), values.end()), values.end());
    for (std::string& value : values) {
      prometheus::Labels labels = fixed;
      labels[label] = value;
      Metric* metric = &family.Add(labels, args...);
      if (value == kOther) other_ = metric;
      by_value_.emplace_back(std::move(value), metric);
    }
  }

  // The metric of `value`, or that of `other`.
  Metric& For(absl::string_view value) const {
    const auto it = std::lower_bound(
        by_value_.begin(), by_value_.end(), value,
        [](const auto& entry, absl::string_view v) { return entry.first < v; });
    if (it != by_value_.end() && it->first == value) return *it->second;
    return *other_;
  }

 private:
  std::vector<std::pair<std::string, Metric*>> by_value_;  // sorted
  Metric* other_ = nullptr;
};

}  // namespace gateway::metrics

#endif  // GATEWAY_COMMON_METRICS_LABELLED_H_
