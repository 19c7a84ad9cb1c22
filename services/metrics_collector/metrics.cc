#include "services/metrics_collector/metrics.h"

namespace gateway::metrics_collector {
namespace {

prometheus::Counter& Rows(prometheus::Registry& registry, const char* result) {
  return prometheus::BuildCounter()
      .Name("agentgw_ledger_rows_total")
      .Help("Usage rows received, by what became of them.")
      .Register(registry)
      .Add({{"result", result}});
}

prometheus::Counter& Records(prometheus::Registry& registry,
                             const char* result) {
  return prometheus::BuildCounter()
      .Name("agentgw_request_records_total")
      .Help("Request records: stored, failed to be, or closed as lost.")
      .Register(registry)
      .Add({{"result", result}});
}

prometheus::Gauge& Gauge(prometheus::Registry& registry, const char* name,
                         const char* help) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(registry).Add(
      {});
}

}  // namespace

Metrics::Metrics()
    : registry(std::make_shared<prometheus::Registry>()),
      rows_stored(Rows(*registry, "stored")),
      rows_duplicate(Rows(*registry, "duplicate")),
      rows_failed(Rows(*registry, "failed")),
      records_stored(Records(*registry, "stored")),
      records_failed(Records(*registry, "failed")),
      records_lost(Records(*registry, "lost")),
      rows_removed_for_size(
          prometheus::BuildCounter()
              .Name("agentgw_ledger_rows_removed_for_size_total")
              .Help("Usage rows deleted before their time, for room.")
              .Register(*registry)
              .Add({})),
      ledger_bytes(Gauge(*registry, "agentgw_ledger_bytes",
                         "Stored bytes of usage rows.")),
      request_log_bytes(Gauge(*registry, "agentgw_request_log_bytes",
                              "Stored bytes of the request log.")),
      open_requests(
          Gauge(*registry, "agentgw_open_requests",
                "Requests that senders have told of and not closed.")),
      write_stopped(Gauge(*registry, "agentgw_rocksdb_write_stopped",
                          "1 while RocksDB takes no writes.")),
      damages(prometheus::BuildCounter()
                  .Name("agentgw_rocksdb_damages_total")
                  .Help("Times that something stored was met damaged.")
                  .Register(*registry)
                  .Add({})) {}

}  // namespace gateway::metrics_collector
