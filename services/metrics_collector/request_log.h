#ifndef GATEWAY_SERVICES_METRICS_COLLECTOR_REQUEST_LOG_H_
#define GATEWAY_SERVICES_METRICS_COLLECTOR_REQUEST_LOG_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/strings/string_view.h>
#include <absl/time/time.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "gateway/metrics_collector/v1/metrics_collector.pb.h"

namespace gateway::metrics_collector {

// Which records a scan sees, and from where.
struct RequestScan {
  absl::Time start = absl::InfinitePast();  // included
  absl::Time end = absl::InfiniteFuture();  // excluded
  // From the position after this one. Empty: from the newest.
  std::string after;
};

// What limits the log, at the time of a sweep.
struct RequestLogLimits {
  // Records, and contents, that began before are deleted.
  absl::Time records_before;
  absl::Time contents_before;
  // Over it the oldest records go.
  int64_t max_bytes = 0;
};

// The terminal records of requests, kept by start time and request id: a
// record that comes again, or comes late for a request closed as lost, takes
// the place of the first. Thread-safe; calls block on the disk.
class RequestLog {
 public:
  // A record as a scan comes by it; reads only what it is asked for.
  class Entry {
   public:
    virtual ~Entry() = default;
    virtual std::string Position() const = 0;
    virtual absl::string_view request_id() const = 0;
    // Without contents. What is damaged, as below, is logged and counted:
    // DATA_LOSS `data_loss`.
    virtual absl::StatusOr<v1::RequestRecord> Record() const = 0;
    // None if they are damaged.
    virtual absl::Status AddContents(v1::RequestRecord& record) const = 0;
  };
  // Gets each record, newest first; false or an error ends the scan.
  using Visitor = std::function<absl::StatusOr<bool>(const Entry& entry)>;

  virtual ~RequestLog() = default;

  // Survives the process, not a loss of power. UNAVAILABLE
  // `storage_unavailable`.
  virtual absl::Status Append(std::vector<v1::RequestRecord> records) = 0;

  // INVALID_ARGUMENT for an `after` that no scan has given out; the visitor's
  // error.
  virtual absl::Status Scan(const RequestScan& scan,
                            const Visitor& visit) const = 0;

  virtual absl::Status Sweep(const RequestLogLimits& limits) = 0;

  // Stored bytes, overwritten records counted twice until they are swept.
  virtual int64_t StoredBytes() const = 0;

  // After the store was opened again: forgets what is known of it.
  virtual absl::Status Reload() = 0;

  // The last beat of each sender, so that requests open at a restart of this
  // service are not forgotten.
  virtual absl::Status SaveBeat(const v1::Beat& beat) = 0;
  virtual absl::Status ForgetBeat(const std::string& instance_id) = 0;
  virtual absl::StatusOr<std::vector<v1::Beat>> LoadBeats() const = 0;
};

}  // namespace gateway::metrics_collector

#endif  // GATEWAY_SERVICES_METRICS_COLLECTOR_REQUEST_LOG_H_
