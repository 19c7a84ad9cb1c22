#include "services/batch_aggregator/config.h"

namespace gateway::batch_aggregator {

using process::ReadCount;
using process::ReadDuration;

absl::StatusOr<Options> ReadOptions(const config::v1::Config& config) {
  process::Faults faults;
  Options options;
  auto service = process::ReadServiceOptions(config, "batch-aggregator");
  faults.Add(service.status());
  if (service.ok()) options.service = *std::move(service);
  options.model_router_target = process::TargetOf(config, "model-router");
  options.session_store_target = process::TargetOf(config, "session-store");

  const config::v1::Batch& batch = config.batch();
  DispatcherOptions& dispatcher = options.dispatcher;
  ReadCount(batch.has_size(), batch.size(), "batch.size",
            dispatcher.window.size, faults, 10'000);
  ReadDuration(batch.has_wait(), batch.wait(), "batch.wait",
               dispatcher.window.wait, faults, absl::ZeroDuration());
  ReadCount(batch.has_concurrency(), batch.concurrency(), "batch.concurrency",
            dispatcher.concurrency, faults, 10'000);
  ReadCount(batch.has_max_attempts(), batch.max_attempts(), "batch.maxAttempts",
            dispatcher.retry.max_attempts, faults, 100);
  ReadDuration(batch.has_item_timeout(), batch.item_timeout(),
               "batch.itemTimeout", dispatcher.item_timeout, faults);
  ReadCount(batch.has_max_items(), batch.max_items(), "batch.maxItems",
            options.batches.limits.max_items, faults, 1'000'000);
  ReadCount(batch.has_max_bytes(), batch.max_bytes(), "batch.maxBytes",
            options.batches.limits.max_bytes, faults, int64_t{16} << 30);
  ReadCount(batch.has_max_open_batches(), batch.max_open_batches(),
            "batch.maxOpenBatches", options.batches.max_open_batches, faults,
            100'000);
  ReadDuration(batch.has_retention(), batch.retention(), "batch.retention",
               options.retention, faults);
  absl::Status status = faults.ToStatus();
  if (!status.ok()) return status;
  return options;
}

}  // namespace gateway::batch_aggregator
