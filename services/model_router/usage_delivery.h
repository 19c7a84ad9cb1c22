#ifndef GATEWAY_SERVICES_MODEL_ROUTER_USAGE_DELIVERY_H_
#define GATEWAY_SERVICES_MODEL_ROUTER_USAGE_DELIVERY_H_

#include <absl/status/status.h>
#include <absl/time/time.h>

#include <vector>

#include "common/clients/metrics_collector.h"
#include "common/concurrency/awaitable.h"
#include "common/time/clock.h"
#include "services/model_router/usage_spool.h"

namespace gateway::model_router {

// Brings the spool's rows to the ledger, in batches and in order. A row leaves
// the spool once the ledger has it; one that is sent twice is dropped there.
// What it is given outlives it. One flow at a time: Run, or Flush after Run has
// ended.
class UsageDelivery {
 public:
  struct Options {
    // Between two looks at the spool.
    absl::Duration interval = absl::Milliseconds(200);
    // 1 to 1000.
    size_t batch_rows = 500;
    absl::Duration call_timeout = absl::Seconds(10);
    // After a failure; doubled with each further one.
    absl::Duration min_backoff = absl::Milliseconds(500);
    absl::Duration max_backoff = absl::Seconds(10);
  };

  UsageDelivery(UsageSpool* spool, UsageRecorder* recorder, Clock* clock,
                Options options);
  UsageDelivery(UsageSpool* spool, UsageRecorder* recorder, Clock* clock)
      : UsageDelivery(spool, recorder, clock, Options()) {}

  // Until it is cancelled.
  Awaitable<void> Run();

  // Until the spool is empty or `deadline` has come.
  Awaitable<void> Flush(absl::Time deadline);

 private:
  // What became of one batch.
  enum class Step { kIdle, kDelivered, kFailed };

  Awaitable<Step> DeliverBatch(absl::Time deadline);
  // Rows one by one, so that one that the ledger refuses, or whose place in it
  // is damaged, takes no other along.
  Awaitable<Step> DeliverSingly(std::vector<UsageRow> rows,
                                absl::Time deadline);
  Awaitable<absl::Status> Send(std::vector<UsageRow> rows, absl::Time deadline);

  UsageSpool* const spool_;
  UsageRecorder* const recorder_;
  Clock* const clock_;
  const Options options_;
};

}  // namespace gateway::model_router

#endif  // GATEWAY_SERVICES_MODEL_ROUTER_USAGE_DELIVERY_H_
