#include "services/batch_aggregator/batch_tally.h"

#include "common/status/error.h"
#include "common/time/timestamp.h"
#include "common/usage/usage_sum.h"

namespace gateway::batch_aggregator {

Outcome OutcomeOf(const v1::ItemResult& result) {
  if (!result.has_error()) return Outcome::kSucceeded;
  const bool cancelled =
      result.error().code() == static_cast<int>(absl::StatusCode::kCancelled);
  return cancelled ? Outcome::kCancelled : Outcome::kFailed;
}

v1::ItemResult FailedResult(const std::string& custom_id,
                            const absl::Status& error) {
  v1::ItemResult result;
  result.set_custom_id(custom_id);
  result.mutable_error()->set_code(static_cast<int>(error.code()));
  result.mutable_error()->set_message(std::string(error.message()));
  *result.mutable_error()->mutable_detail() = DetailOrDefault(error);
  return result;
}

int64_t Answered(const stored::v1::Batch& batch) {
  return batch.succeeded_items() + batch.failed_items() +
         batch.cancelled_items();
}

bool HasEnded(const stored::v1::Batch& batch) {
  return batch.state() == v1::BATCH_STATE_SUCCEEDED ||
         batch.state() == v1::BATCH_STATE_CANCELLED;
}

bool HasExpired(const stored::v1::Batch& batch, absl::Time now) {
  return HasEnded(batch) && batch.expire_time_us() <= absl::ToUnixMicros(now);
}

void AddResult(const v1::ItemResult& result, absl::Time now,
               absl::Duration retention, stored::v1::Batch& batch) {
  switch (OutcomeOf(result)) {
    case Outcome::kSucceeded:
      batch.set_succeeded_items(batch.succeeded_items() + 1);
      break;
    case Outcome::kFailed:
      batch.set_failed_items(batch.failed_items() + 1);
      break;
    case Outcome::kCancelled:
      batch.set_cancelled_items(batch.cancelled_items() + 1);
      break;
  }
  if (result.has_usage()) {
    AddUsage(result.usage(), *batch.mutable_usage());
    if (result.cost().priced()) {
      batch.set_pico_usd(batch.pico_usd() + result.cost().pico_usd());
    } else {
      batch.set_unpriced_items(batch.unpriced_items() + 1);
    }
  }
  if (Answered(batch) < batch.total_items()) return;
  batch.set_state(batch.state() == v1::BATCH_STATE_CANCELLING
                      ? v1::BATCH_STATE_CANCELLED
                      : v1::BATCH_STATE_SUCCEEDED);
  batch.set_end_time_us(absl::ToUnixMicros(now));
  batch.set_expire_time_us(absl::ToUnixMicros(now + retention));
}

bool BeginCancel(stored::v1::Batch& batch) {
  if (batch.state() != v1::BATCH_STATE_RUNNING) return false;
  batch.set_state(v1::BATCH_STATE_CANCELLING);
  return true;
}

v1::Batch Describe(const stored::v1::Batch& batch) {
  v1::Batch described;
  described.set_batch_id(batch.batch_id());
  described.set_state(batch.state());
  SetTimestamp(absl::FromUnixMicros(batch.create_time_us()),
               *described.mutable_create_time());
  if (HasEnded(batch)) {
    SetTimestamp(absl::FromUnixMicros(batch.end_time_us()),
                 *described.mutable_end_time());
    SetTimestamp(absl::FromUnixMicros(batch.expire_time_us()),
                 *described.mutable_expire_time());
  }
  described.set_total_items(batch.total_items());
  described.set_succeeded_items(batch.succeeded_items());
  described.set_failed_items(batch.failed_items());
  described.set_cancelled_items(batch.cancelled_items());
  *described.mutable_metadata() = batch.metadata();
  *described.mutable_usage() = batch.usage();
  const bool priced = batch.has_usage() && batch.unpriced_items() == 0;
  described.mutable_cost()->set_priced(priced);
  if (priced) described.mutable_cost()->set_pico_usd(batch.pico_usd());
  return described;
}

}  // namespace gateway::batch_aggregator
