#include "services/model_router/usage_delivery.h"

#include <algorithm>
#include <utility>

#include "common/concurrency/spawn.h"

namespace gateway::model_router {

UsageDelivery::UsageDelivery(UsageSpool* spool, UsageRecorder* recorder,
                             Clock* clock, Options options)
    : spool_(spool), recorder_(recorder), clock_(clock), options_(options) {}

Awaitable<void> UsageDelivery::Run() {
  absl::Duration backoff = options_.min_backoff;
  bool cancelled = co_await IsCancelled();
  while (!cancelled) {
    const Step step = co_await DeliverBatch(absl::InfiniteFuture());
    switch (step) {
      case Step::kDelivered:
        backoff = options_.min_backoff;
        if (spool_->waiting_rows() >=
            static_cast<int64_t>(options_.batch_rows)) {
          break;
        }
        [[fallthrough]];
      case Step::kIdle:
        co_await clock_->SleepFor(options_.interval);
        break;
      case Step::kFailed:
        co_await clock_->SleepFor(backoff);
        backoff = std::min(backoff * 2, options_.max_backoff);
        break;
    }
    cancelled = co_await IsCancelled();
  }
}

Awaitable<void> UsageDelivery::Flush(absl::Time deadline) {
  bool cancelled = co_await IsCancelled();
  while (clock_->Now() < deadline && !cancelled) {
    const Step step = co_await DeliverBatch(deadline);
    if (step == Step::kIdle) co_return;
    if (step == Step::kFailed) {
      co_await clock_->SleepUntil(
          std::min(deadline, clock_->Now() + options_.interval));
    }
    cancelled = co_await IsCancelled();
  }
}

Awaitable<UsageDelivery::Step> UsageDelivery::DeliverBatch(
    absl::Time deadline) {
  std::vector<UsageRow> rows = spool_->Read(options_.batch_rows);
  if (rows.empty()) co_return Step::kIdle;
  const size_t count = rows.size();
  // Copied only if it has to be told apart which row is the trouble.
  const absl::Status sent = co_await Send(std::move(rows), deadline);
  if (sent.ok()) {
    spool_->Delivered(count);
    co_return Step::kDelivered;
  }
  if (absl::IsInvalidArgument(sent) || absl::IsDataLoss(sent)) {
    co_return co_await DeliverSingly(spool_->Read(options_.batch_rows),
                                     deadline);
  }
  co_return Step::kFailed;
}

Awaitable<UsageDelivery::Step> UsageDelivery::DeliverSingly(
    std::vector<UsageRow> rows, absl::Time deadline) {
  size_t stored = 0, refused = 0, damaged = 0;
  for (UsageRow& row : rows) {
    std::vector<UsageRow> one;
    one.push_back(std::move(row));
    const absl::Status sent = co_await Send(std::move(one), deadline);
    if (sent.ok()) {
      ++stored;
    } else if (absl::IsInvalidArgument(sent)) {
      ++refused;
    } else if (absl::IsDataLoss(sent)) {
      ++damaged;
    } else {
      break;
    }
  }
  // A ledger that is damaged for every row may yet be mended.
  if (damaged > 0 && stored == 0) co_return Step::kFailed;
  spool_->CountDropped(refused + damaged);
  const size_t done = stored + refused + damaged;
  spool_->Delivered(done);
  co_return done == rows.size() ? Step::kDelivered : Step::kFailed;
}

Awaitable<absl::Status> UsageDelivery::Send(std::vector<UsageRow> rows,
                                            absl::Time deadline) {
  metrics_collector::v1::RecordUsageRequest request;
  for (UsageRow& row : rows) *request.add_rows() = std::move(row);
  rpc::Call call;
  call.deadline = std::min(deadline, clock_->Now() + options_.call_timeout);
  const auto recorded = co_await recorder_->RecordUsage(call, request);
  co_return recorded.status();
}

}  // namespace gateway::model_router
