#include "services/batch_aggregator/config.h"

#include <absl/strings/str_cat.h>

#include "common/time/duration.h"

namespace gateway::batch_aggregator {
namespace {

template <class Target>
void ReadCount(bool is_set, int64_t value, const char* key, int64_t most,
               Target& count, process::Faults& faults) {
  if (!is_set) return;
  count = static_cast<Target>(value);
  if (value < 1 || value > most) {
    faults.Add(key, absl::StrCat("1 to ", most));
  }
}

void ReadDuration(bool is_set, const google::protobuf::Duration& value,
                  const char* key, absl::Duration least,
                  absl::Duration& duration, process::Faults& faults) {
  if (!is_set) return;
  duration = ToDuration(value);
  if (duration < least) {
    faults.Add(key, absl::StrCat(absl::FormatDuration(least), " or more"));
  }
}

}  // namespace

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
  ReadCount(batch.has_size(), batch.size(), "batch.size", 10'000,
            dispatcher.window.size, faults);
  ReadDuration(batch.has_wait(), batch.wait(), "batch.wait",
               absl::ZeroDuration(), dispatcher.window.wait, faults);
  ReadCount(batch.has_concurrency(), batch.concurrency(), "batch.concurrency",
            10'000, dispatcher.concurrency, faults);
  ReadCount(batch.has_max_attempts(), batch.max_attempts(), "batch.maxAttempts",
            100, dispatcher.retry.max_attempts, faults);
  ReadDuration(batch.has_item_timeout(), batch.item_timeout(),
               "batch.itemTimeout", absl::Seconds(1), dispatcher.item_timeout,
               faults);
  ReadCount(batch.has_max_items(), batch.max_items(), "batch.maxItems",
            1'000'000, options.batches.limits.max_items, faults);
  ReadCount(batch.has_max_bytes(), batch.max_bytes(), "batch.maxBytes",
            int64_t{16} << 30, options.batches.limits.max_bytes, faults);
  ReadCount(batch.has_max_open_batches(), batch.max_open_batches(),
            "batch.maxOpenBatches", 100'000, options.batches.max_open_batches,
            faults);
  ReadDuration(batch.has_retention(), batch.retention(), "batch.retention",
               absl::Seconds(1), options.retention, faults);
  absl::Status status = faults.ToStatus();
  if (!status.ok()) return status;
  return options;
}

}  // namespace gateway::batch_aggregator
