#ifndef GATEWAY_SERVICES_METRICS_COLLECTOR_PRIVACY_H_
#define GATEWAY_SERVICES_METRICS_COLLECTOR_PRIVACY_H_

#include <atomic>

#include "gateway/config/v1/config.pb.h"
#include "gateway/metrics_collector/v1/metrics_collector.pb.h"

namespace gateway::metrics_collector {

// What may be kept about people. Senders strip by the same config; this is the
// second look, for a sender whose config differs. Immutable.
class Privacy {
 public:
  // `covert`: no users, sessions, key ids or contents. Else contents are kept
  // as `contents` says; unspecified is off.
  Privacy(bool covert, config::v1::Contents contents)
      : covert_(covert), contents_(contents) {}

  void Set(bool covert, config::v1::Contents contents) {
    covert_.store(covert, std::memory_order_relaxed);
    contents_.store(contents, std::memory_order_relaxed);
  }

  void Strip(v1::UsageRow& row) const;
  void Strip(v1::RequestRecord& record) const;
  void Strip(v1::Beat& beat) const;

 private:
  std::atomic<bool> covert_;
  std::atomic<config::v1::Contents> contents_;
};

}  // namespace gateway::metrics_collector

#endif  // GATEWAY_SERVICES_METRICS_COLLECTOR_PRIVACY_H_
