#ifndef GATEWAY_SERVICES_METRICS_COLLECTOR_OPEN_REQUESTS_H_
#define GATEWAY_SERVICES_METRICS_COLLECTOR_OPEN_REQUESTS_H_

#include <absl/time/time.h>

#include <map>
#include <string>
#include <vector>

#include "common/concurrency/mutex.h"
#include "gateway/metrics_collector/v1/metrics_collector.pb.h"

namespace gateway::metrics_collector {

// Who has requests open, by what its beats say. The requests of a sender that
// has gone silent are closed as lost, so that each has one terminal record.
// Thread-safe.
class OpenRequests {
 public:
  // A sender is silent after this.
  static constexpr absl::Duration kSilence = absl::Seconds(60);

  // Replaces what the sender said before.
  void Heard(const v1::Beat& beat, absl::Time now);

  // The sender has written this request's record.
  void Closed(const std::string& instance_id, const std::string& request_id);

  // What a silent sender left behind.
  struct Lost {
    std::string instance_id;
    std::vector<v1::RequestRecord> records;
  };
  // The senders that are silent at `now`.
  std::vector<Lost> FindLost(absl::Time now) const;

  // Their records are written. A sender that was heard again since is kept.
  void Forget(const std::string& instance_id, absl::Time now);

  size_t size() const;

 private:
  struct Sender {
    absl::Time heard;
    std::map<std::string, v1::OpenRequest> open;
  };

  mutable Mutex mu_;
  std::map<std::string, Sender> senders_ ABSL_GUARDED_BY(mu_);
};

}  // namespace gateway::metrics_collector

#endif  // GATEWAY_SERVICES_METRICS_COLLECTOR_OPEN_REQUESTS_H_
