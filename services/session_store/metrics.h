#ifndef GATEWAY_SERVICES_SESSION_STORE_METRICS_H_
#define GATEWAY_SERVICES_SESSION_STORE_METRICS_H_

#include <absl/status/status.h>
#include <absl/strings/string_view.h>
#include <absl/time/time.h>
#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <array>
#include <memory>

#include "common/metrics/labelled.h"

namespace gateway::session_store {

// What the service does, as the label `op` names it.
enum class Operation {
  kCreateSession,
  kGetSession,
  kListSessions,
  kListTurns,
  kDeleteSession,
  kBeginTurn,
  kRenewLease,
  kCommitTurn,
  kAbandonTurn,
  kReadContext,
  // One sweep for expired sessions.
  kClean,
};
inline constexpr int kOperations = 11;
absl::string_view OperationName(Operation operation);

// Every metric of session-store. Thread-safe.
class Metrics {
 public:
  Metrics();

  // An operation has ended. The label `result` is `ok` or the error's reason,
  // from the closed list of docs/errors.md; anything else is `other`.
  void Ended(Operation operation, const absl::Status& status,
             absl::Duration duration);

  // What is read when the metrics are.
  void SetSessions(int64_t sessions) {
    sessions_active_.Set(static_cast<double>(sessions));
  }
  void SetWriteStopped(bool stopped) { write_stopped_.Set(stopped ? 1 : 0); }
  // Since the start.
  void SetDamages(int64_t damages) {
    metrics::SetTotal(damages_, static_cast<double>(damages));
  }

  std::vector<prometheus::MetricFamily> Collect() const {
    return registry_.Collect();
  }

 private:
  prometheus::Registry registry_;
  prometheus::Gauge& sessions_active_;
  prometheus::Gauge& write_stopped_;
  prometheus::Counter& damages_;
  prometheus::Family<prometheus::Counter>& operations_;
  std::array<prometheus::Histogram*, kOperations> durations_;
  // The counter of success, which most are.
  std::array<prometheus::Counter*, kOperations> ok_;
};

}  // namespace gateway::session_store

#endif  // GATEWAY_SERVICES_SESSION_STORE_METRICS_H_
