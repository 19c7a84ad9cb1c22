#ifndef GATEWAY_COMMON_TELEMETRY_REPORTER_H_
#define GATEWAY_COMMON_TELEMETRY_REPORTER_H_

#include <absl/base/thread_annotations.h>
#include <absl/time/time.h>

#include <atomic>
#include <boost/intrusive/list.hpp>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>

#include "common/clients/metrics_collector.h"
#include "common/concurrency/awaitable.h"
#include "common/concurrency/mutex.h"
#include "common/time/clock.h"
#include "gateway/metrics_collector/v1/metrics_collector.pb.h"

// What a service tells metrics-collector about its requests. It may be lost,
// and what is lost is counted; nothing waits for it.
namespace gateway::telemetry {

struct ReporterOptions {
  // `ingress`, …
  std::string service;
  // Records held at once, those not yet acknowledged included.
  size_t queue_size = 10000;
  // Their bytes: contents may make a record large.
  size_t queue_bytes = 64 << 20;
  // A record waits no longer than this for others to go with it.
  absl::Duration flush_interval = absl::Milliseconds(100);
  // How often the collector hears of the open requests, and acknowledges what
  // it has.
  absl::Duration beat_interval = absl::Seconds(10);
  // Between two tries to reach the collector: doubles from the first to the
  // second.
  absl::Duration min_backoff = absl::Milliseconds(200);
  absl::Duration max_backoff = absl::Seconds(5);
  // Records in one message.
  size_t max_batch = 500;
  // Bytes in one message, far below what a receiver takes; one record may be
  // larger.
  size_t max_batch_bytes = 1 << 20;
};

// A request that is open, as long as this object is linked. Owned by whoever
// handles the request; what it points at stays unchanged while it is linked.
struct OpenEntry
    : boost::intrusive::list_base_hook<
          boost::intrusive::link_mode<boost::intrusive::safe_link>> {
  const std::string* request_id = nullptr;
  const common::v1::Account* account = nullptr;
  const std::string* model = nullptr;
  absl::Time start_time;
};

// A bounded queue and the flow that empties it. Thread-safe. Outlives the
// entries that are linked.
class Reporter {
 public:
  // `receiver` and `clock` outlive it.
  Reporter(TelemetryReceiver* receiver, Clock* clock, ReporterOptions options);
  ~Reporter();
  Reporter(const Reporter&) = delete;
  Reporter& operator=(const Reporter&) = delete;

  // Never waits: a record that finds the queue full is dropped and counted.
  void Add(metrics_collector::v1::RequestRecord record);

  void Open(OpenEntry& entry);
  // Idempotent.
  void Close(OpenEntry& entry);

  // Sends until Stop, reconnecting by itself; one flow. After Stop it sends
  // what is left and returns; cancelled, it returns at once, and what is left
  // counts as dropped.
  Awaitable<void> Run();
  void Stop() { stopping_.store(true, std::memory_order_relaxed); }

  // Records dropped so far.
  int64_t dropped() const { return dropped_.load(std::memory_order_relaxed); }
  const std::string& instance_id() const { return instance_id_; }

 private:
  class BeatSource;
  using RequestRecord = metrics_collector::v1::RequestRecord;
  using OpenList =
      boost::intrusive::list<OpenEntry,
                             boost::intrusive::constant_time_size<false>>;

  // Requests open and close on every io thread; a few lists keep them apart.
  struct Shard {
    Mutex mu;
    OpenList open ABSL_GUARDED_BY(mu);
  };
  static constexpr size_t kShards = 8;

  // A record that is kept, and its size: it is measured once.
  struct Held {
    RequestRecord record;
    size_t bytes;
  };

  Shard& ShardOf(const OpenEntry& entry);
  metrics_collector::v1::Beat MakeBeat();
  // Moves up to a batch from the queue to those sent, and adds copies of them.
  void TakeBatch(metrics_collector::v1::ReportRequest& request);
  // The collector has what was sent, or it may not have it.
  void Acknowledge();
  void PutBack();
  void DropAll();
  bool Empty() const;
  // So much is unacknowledged that the collector should be asked.
  bool WantsAcknowledgement() const;

  TelemetryReceiver* const receiver_;
  Clock* const clock_;
  const ReporterOptions options_;
  const std::string instance_id_;
  std::atomic<bool> stopping_ = false;
  std::atomic<int64_t> dropped_ = 0;
  Shard shards_[kShards];

  mutable Mutex mu_;
  std::deque<Held> queue_ ABSL_GUARDED_BY(mu_);
  // Of queue_ and sent_.
  size_t held_records_ ABSL_GUARDED_BY(mu_) = 0;
  size_t held_bytes_ ABSL_GUARDED_BY(mu_) = 0;

  // Not yet acknowledged. The flow's alone.
  std::deque<Held> sent_;
};

}  // namespace gateway::telemetry

#endif  // GATEWAY_COMMON_TELEMETRY_REPORTER_H_
