#ifndef GATEWAY_SERVICES_METRICS_COLLECTOR_METRICS_H_
#define GATEWAY_SERVICES_METRICS_COLLECTOR_METRICS_H_

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/registry.h>

#include <memory>

#include "common/metrics/labelled.h"

namespace gateway::metrics_collector {

// Every series of this service. The handles live as long as this does.
struct Metrics {
  Metrics();

  const std::shared_ptr<prometheus::Registry> registry;

  // agentgw_ledger_rows_total{result}
  prometheus::Counter& rows_stored;
  prometheus::Counter& rows_duplicate;
  prometheus::Counter& rows_failed;
  // agentgw_request_records_total{result}
  prometheus::Counter& records_stored;
  prometheus::Counter& records_failed;
  prometheus::Counter& records_lost;
  // agentgw_ledger_rows_removed_for_size_total
  prometheus::Counter& rows_removed_for_size;
  // agentgw_ledger_bytes, agentgw_request_log_bytes, agentgw_open_requests
  prometheus::Gauge& ledger_bytes;
  prometheus::Gauge& request_log_bytes;
  prometheus::Gauge& open_requests;
  // agentgw_rocksdb_write_stopped
  prometheus::Gauge& write_stopped;
  // agentgw_rocksdb_damages_total; see SetDamages
  prometheus::Counter& damages;

  // `count` since the start. Called by one thread.
  void SetDamages(int64_t count) const {
    metrics::SetTotal(damages, static_cast<double>(count));
  }
};

}  // namespace gateway::metrics_collector

#endif  // GATEWAY_SERVICES_METRICS_COLLECTOR_METRICS_H_
