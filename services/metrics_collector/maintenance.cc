#include "services/metrics_collector/maintenance.h"

#include "common/status/macros.h"

namespace gateway::metrics_collector {

Maintenance::Maintenance(UsageLedger* ledger, RequestLog* log,
                         OpenRequests* open, Metrics* metrics,
                         Retention retention)
    : ledger_(ledger),
      log_(log),
      open_(open),
      metrics_(metrics),
      retention_(retention) {}

absl::Status Maintenance::Resume(absl::Time now) {
  ASSIGN_OR_RETURN(const std::vector<v1::Beat> beats, log_->LoadBeats());
  // They have until now + kSilence to be heard again.
  for (const v1::Beat& beat : beats) open_->Heard(beat, now);
  metrics_->open_requests.Set(open_->size());
  return absl::OkStatus();
}

absl::Status Maintenance::CloseLost(absl::Time now) {
  // One that cannot be written is found again by the next round.
  for (const OpenRequests::Lost& lost : open_->FindLost(now)) {
    if (!lost.records.empty()) {
      RETURN_IF_ERROR(log_->Append(lost.records));
      metrics_->records_lost.Increment(lost.records.size());
    }
    RETURN_IF_ERROR(log_->ForgetBeat(lost.instance_id));
    open_->Forget(lost.instance_id, now);
  }
  metrics_->open_requests.Set(open_->size());
  return absl::OkStatus();
}

absl::Status Maintenance::Sweep(absl::Time now) {
  // Each is tried, whatever becomes of the other.
  const absl::StatusOr<int64_t> removed =
      ledger_->Sweep({.rows_before = now - retention_.usage,
                      .max_bytes = retention_.usage_bytes});
  if (removed.ok()) metrics_->rows_removed_for_size.Increment(*removed);
  metrics_->ledger_bytes.Set(ledger_->StoredBytes());
  absl::Status swept = removed.status();
  swept.Update(log_->Sweep({
      .records_before = now - retention_.requests,
      .contents_before = now - retention_.contents,
      .max_bytes = retention_.request_log_bytes,
  }));
  metrics_->request_log_bytes.Set(log_->StoredBytes());
  return swept;
}

}  // namespace gateway::metrics_collector
