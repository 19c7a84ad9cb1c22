#include "services/batch_aggregator/metrics.h"

namespace gateway::batch_aggregator {
namespace {

using Buckets = prometheus::Histogram::BucketBoundaries;

prometheus::Gauge& AddGauge(prometheus::Registry& registry, const char* name,
                            const char* help) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(registry).Add(
      {});
}

prometheus::Histogram& AddHistogram(prometheus::Registry& registry,
                                    const char* name, const char* help,
                                    const Buckets& buckets) {
  return prometheus::BuildHistogram()
      .Name(name)
      .Help(help)
      .Register(registry)
      .Add({}, buckets);
}

}  // namespace

Metrics::Metrics()
    : size_(AddHistogram(registry_, "agentgw_batch_size", "Items of a flush.",
                         {1, 2, 4, 8, 16, 32, 64, 128, 256, 1024, 4096})),
      wait_(AddHistogram(
          registry_, "agentgw_batch_wait_seconds",
          "How long items were gathered before their flush.",
          {.01, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200})),
      queue_depth_(AddGauge(registry_, "agentgw_batch_queue_depth",
                            "Items that wait for a flush.")),
      in_flight_(AddGauge(registry_, "agentgw_batch_items_in_flight",
                          "Sendings that run.")),
      open_batches_(AddGauge(registry_, "agentgw_batch_open",
                             "Batches that have not ended.")),
      write_stopped_(AddGauge(registry_, "agentgw_rocksdb_write_stopped",
                              "1 while RocksDB takes no writes.")),
      damages_(prometheus::BuildCounter()
                   .Name("agentgw_rocksdb_damages_total")
                   .Help("Times that something stored was met damaged.")
                   .Register(registry_)
                   .Add({})),
      sendings_(prometheus::BuildCounter()
                    .Name("agentgw_batch_sendings_total")
                    .Help("Calls to model-router, retries included.")
                    .Register(registry_)
                    .Add({})),
      retries_(prometheus::BuildCounter()
                   .Name("agentgw_batch_retries_total")
                   .Help("Calls to model-router after one that failed.")
                   .Register(registry_)
                   .Add({})) {
  auto& flushes = prometheus::BuildCounter()
                      .Name("agentgw_batch_flushes_total")
                      .Help("Flushes, by what made them due.")
                      .Register(registry_);
  flushes_ = {&flushes.Add({{"reason", "size"}}),
              &flushes.Add({{"reason", "wait"}}),
              &flushes.Add({{"reason", "drain"}}),
              &flushes.Add({{"reason", "resume"}})};
  auto& items = prometheus::BuildCounter()
                    .Name("agentgw_batch_items_total")
                    .Help("Items that have their result, by how they ended.")
                    .Register(registry_);
  outcomes_ = {&items.Add({{"outcome", "succeeded"}}),
               &items.Add({{"outcome", "failed"}}),
               &items.Add({{"outcome", "cancelled"}})};
  shared_ = &prometheus::BuildCounter()
                 .Name("agentgw_batch_shared_items_total")
                 .Help("Items answered by the sending of an equal one.")
                 .Register(registry_)
                 .Add({});
}

void Metrics::Flushed(FlushReason reason, size_t items) {
  flushes_[static_cast<size_t>(reason)]->Increment();
  size_.Observe(static_cast<double>(items));
}

void Metrics::Waited(absl::Duration wait) {
  wait_.Observe(absl::ToDoubleSeconds(wait));
}

void Metrics::Ended(Outcome outcome, bool shared) {
  outcomes_[static_cast<size_t>(outcome)]->Increment();
  if (shared) shared_->Increment();
}

}  // namespace gateway::batch_aggregator
