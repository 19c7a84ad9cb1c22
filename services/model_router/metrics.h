#ifndef GATEWAY_SERVICES_MODEL_ROUTER_METRICS_H_
#define GATEWAY_SERVICES_MODEL_ROUTER_METRICS_H_

#include <absl/strings/string_view.h>
#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <array>
#include <memory>
#include <vector>

#include "services/model_router/catalogue.h"
#include "services/model_router/route_observer.h"

namespace gateway::model_router {

// Every metric of model-router. What is counted for an attempt is found by the
// target's index, without a lookup by name. Thread-safe.
class Metrics final : public RouteObserver {
 public:
  // `catalogue` is needed here only.
  explicit Metrics(const Catalogue& catalogue);

  void OnAttemptBegun(const Target& target) override;
  void OnAttemptEnded(const AttemptReport& report) override;
  void OnFallback(const Target& from, const Target& to,
                  absl::string_view reason) override;

  // What is read when the metrics are.
  void SetSpool(int64_t bytes, int64_t dropped_rows);

  std::vector<prometheus::MetricFamily> Collect() const {
    return registry_.Collect();
  }

 private:
  // How an attempt ended: the label `class`.
  enum Class { kOk, kCaller, kPolicy, kProvider, kGateway, kCancelled };
  static constexpr size_t kClasses = 6;
  static Class ClassOf(const absl::Status& status);

  // The metrics of one target.
  struct OfTarget {
    std::array<prometheus::Counter*, kClasses> attempts;
    prometheus::Counter* cost = nullptr;
    prometheus::Counter* unpriced = nullptr;
    prometheus::Histogram* input_tokens = nullptr;
    prometheus::Histogram* output_tokens = nullptr;
    prometheus::Histogram* duration = nullptr;
    prometheus::Histogram* first_token = nullptr;
    prometheus::Histogram* per_token = nullptr;
  };

  prometheus::Registry registry_;
  std::vector<OfTarget> targets_;
  prometheus::Gauge& in_flight_;
  prometheus::Gauge& spool_bytes_;
  prometheus::Gauge& dropped_rows_;
  prometheus::Counter& skipped_events_;
  prometheus::Family<prometheus::Counter>& fallbacks_;
};

}  // namespace gateway::model_router

#endif  // GATEWAY_SERVICES_MODEL_ROUTER_METRICS_H_
