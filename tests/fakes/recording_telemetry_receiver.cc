#include "tests/fakes/recording_telemetry_receiver.h"

#include <utility>

namespace gateway {

void RecordingTelemetryReceiver::SetAway(bool away) {
  std::lock_guard lock(mu_);
  away_ = away;
}

std::vector<metrics_collector::v1::RequestRecord>
RecordingTelemetryReceiver::records() const {
  std::lock_guard lock(mu_);
  return records_;
}

std::vector<metrics_collector::v1::Beat> RecordingTelemetryReceiver::beats()
    const {
  std::lock_guard lock(mu_);
  return beats_;
}

int RecordingTelemetryReceiver::calls() const {
  std::lock_guard lock(mu_);
  return calls_;
}

Awaitable<absl::StatusOr<metrics_collector::v1::ReportResponse>>
RecordingTelemetryReceiver::Report(
    rpc::Call&, rpc::Source<metrics_collector::v1::ReportRequest>& source) {
  {
    std::lock_guard lock(mu_);
    ++calls_;
    if (away_) co_return absl::UnavailableError("scripted");
  }
  metrics_collector::v1::ReportResponse response;
  while (true) {
    auto request = co_await source.Read();
    if (!request.ok()) co_return request.status();
    std::lock_guard lock(mu_);
    if (away_) co_return absl::UnavailableError("scripted");
    if (!request->has_value()) co_return response;
    if ((*request)->has_beat()) beats_.push_back((*request)->beat());
    for (auto& record : *(*request)->mutable_records()) {
      records_.push_back(std::move(record));
      response.set_records_stored(response.records_stored() + 1);
    }
  }
}

}  // namespace gateway
