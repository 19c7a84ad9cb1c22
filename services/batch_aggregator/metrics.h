#ifndef GATEWAY_SERVICES_BATCH_AGGREGATOR_METRICS_H_
#define GATEWAY_SERVICES_BATCH_AGGREGATOR_METRICS_H_

#include <absl/time/time.h>
#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <array>
#include <cstddef>
#include <vector>

#include "common/metrics/labelled.h"
#include "services/batch_aggregator/batch_tally.h"
#include "services/batch_aggregator/flush_window.h"

namespace gateway::batch_aggregator {

// Every metric of batch-aggregator. Thread-safe.
class Metrics {
 public:
  Metrics();

  void Flushed(FlushReason reason, size_t items);
  // How long an item was gathered for.
  void Waited(absl::Duration wait);
  void Ended(Outcome outcome, bool shared);
  // One sending of an item; its first, or another one after that failed.
  void Sent(bool again) {
    sendings_.Increment();
    if (again) retries_.Increment();
  }

  void SetWaiting(size_t items) {
    queue_depth_.Set(static_cast<double>(items));
  }
  void SetInFlight(size_t items) { in_flight_.Set(static_cast<double>(items)); }

  // What is read when the metrics are.
  void SetOpenBatches(int64_t batches) {
    open_batches_.Set(static_cast<double>(batches));
  }
  void SetWriteStopped(bool stopped) { write_stopped_.Set(stopped ? 1 : 0); }
  // Since the start.
  void SetDamages(int64_t damages) {
    metrics::SetTotal(damages_, static_cast<double>(damages));
  }

  std::vector<prometheus::MetricFamily> Collect() const {
    return registry_.Collect();
  }

 private:
  prometheus::Registry registry_;
  prometheus::Histogram& size_;
  prometheus::Histogram& wait_;
  prometheus::Gauge& queue_depth_;
  prometheus::Gauge& in_flight_;
  prometheus::Gauge& open_batches_;
  prometheus::Gauge& write_stopped_;
  prometheus::Counter& damages_;
  prometheus::Counter& sendings_;
  prometheus::Counter& retries_;
  std::array<prometheus::Counter*, 4> flushes_;
  std::array<prometheus::Counter*, 3> outcomes_;
  prometheus::Counter* shared_;
};

}  // namespace gateway::batch_aggregator

#endif  // GATEWAY_SERVICES_BATCH_AGGREGATOR_METRICS_H_
