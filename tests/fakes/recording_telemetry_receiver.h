#ifndef GATEWAY_TESTS_FAKES_RECORDING_TELEMETRY_RECEIVER_H_
#define GATEWAY_TESTS_FAKES_RECORDING_TELEMETRY_RECEIVER_H_

#include <mutex>
#include <vector>

#include "common/clients/metrics_collector.h"

namespace gateway {

// Keeps what is reported to it. Thread-safe.
class RecordingTelemetryReceiver final : public TelemetryReceiver {
 public:
  // Calls fail with UNAVAILABLE, also one that is under way: it has then
  // received the messages that it acknowledges never.
  void SetAway(bool away);

  std::vector<metrics_collector::v1::RequestRecord> records() const;
  std::vector<metrics_collector::v1::Beat> beats() const;
  int calls() const;

  Awaitable<absl::StatusOr<metrics_collector::v1::ReportResponse>> Report(
      rpc::Call& call,
      rpc::Source<metrics_collector::v1::ReportRequest>& source) override;

 private:
  mutable std::mutex mu_;
  bool away_ = false;
  int calls_ = 0;
  std::vector<metrics_collector::v1::RequestRecord> records_;
  std::vector<metrics_collector::v1::Beat> beats_;
};

}  // namespace gateway

#endif  // GATEWAY_TESTS_FAKES_RECORDING_TELEMETRY_RECEIVER_H_
