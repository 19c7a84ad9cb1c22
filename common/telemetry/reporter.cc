#include "common/telemetry/reporter.h"

#include <absl/random/random.h>
#include <absl/strings/str_format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "common/concurrency/spawn.h"
#include "common/time/timestamp.h"

namespace gateway::telemetry {
namespace {

using metrics_collector::v1::Beat;
using metrics_collector::v1::ReportRequest;
using metrics_collector::v1::ReportResponse;

std::string NewInstanceId() {
  absl::BitGen random;
  return absl::StrFormat("%016x%016x", absl::Uniform<uint64_t>(random),
                         absl::Uniform<uint64_t>(random));
}

}  // namespace

// One stream: a beat, then records until the next beat is due. Its end is what
// makes the collector acknowledge.
class Reporter::BeatSource final : public rpc::Source<ReportRequest> {
 public:
  explicit BeatSource(Reporter& reporter)
      : reporter_(reporter),
        end_(reporter.clock_->Now() + reporter.options_.beat_interval) {}

  Awaitable<absl::StatusOr<std::optional<ReportRequest>>> Read() override {
    ReportRequest request;
    if (!std::exchange(begun_, true)) {
      *request.mutable_beat() = reporter_.MakeBeat();
      co_return std::move(request);
    }
    Clock& clock = *reporter_.clock_;
    while (true) {
      if (clock.Now() >= end_ || reporter_.WantsAcknowledgement()) {
        co_return std::nullopt;
      }
      reporter_.TakeBatch(request);
      if (request.records_size() > 0) co_return std::move(request);
      if (reporter_.stopping_.load()) co_return std::nullopt;
      co_await clock.SleepUntil(
          std::min(end_, clock.Now() + reporter_.options_.flush_interval));
      const bool cancelled = co_await IsCancelled();
      if (cancelled) co_return absl::CancelledError();
    }
  }

 private:
  Reporter& reporter_;
  const absl::Time end_;
  bool begun_ = false;
};

Reporter::Reporter(TelemetryReceiver* receiver, Clock* clock,
                   ReporterOptions options)
    : receiver_(receiver),
      clock_(clock),
      options_(std::move(options)),
      instance_id_(NewInstanceId()) {}

Reporter::~Reporter() = default;

void Reporter::Add(RequestRecord record) {
  const size_t bytes = record.ByteSizeLong();
  MutexLock lock(mu_);
  if (held_records_ >= options_.queue_size ||
      held_bytes_ + bytes > options_.queue_bytes) {
    dropped_.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  ++held_records_;
  held_bytes_ += bytes;
  queue_.push_back({std::move(record), bytes});
}

Reporter::Shard& Reporter::ShardOf(const OpenEntry& entry) {
  // Objects of this kind are far larger than a cache line apart.
  return shards_[(reinterpret_cast<uintptr_t>(&entry) >> 8) % kShards];
}

void Reporter::Open(OpenEntry& entry) {
  Shard& shard = ShardOf(entry);
  MutexLock lock(shard.mu);
  shard.open.push_back(entry);
}

void Reporter::Close(OpenEntry& entry) {
  if (!entry.is_linked()) return;
  Shard& shard = ShardOf(entry);
  MutexLock lock(shard.mu);
  shard.open.erase(shard.open.iterator_to(entry));
}

Beat Reporter::MakeBeat() {
  Beat beat;
  beat.set_service(options_.service);
  beat.set_instance_id(instance_id_);
  for (Shard& shard : shards_) {
    MutexLock lock(shard.mu);
    for (const OpenEntry& entry : shard.open) {
      auto& open = *beat.add_open_requests();
      open.set_request_id(*entry.request_id);
      *open.mutable_account() = *entry.account;
      open.set_model(*entry.model);
      SetTimestamp(entry.start_time, *open.mutable_start_time());
    }
  }
  beat.set_dropped_records(dropped());
  return beat;
}

void Reporter::TakeBatch(ReportRequest& request) {
  const size_t first = sent_.size();
  {
    size_t bytes = 0;
    MutexLock lock(mu_);
    while (!queue_.empty() && sent_.size() - first < options_.max_batch) {
      bytes += queue_.front().bytes;
      if (sent_.size() > first && bytes > options_.max_batch_bytes) break;
      sent_.push_back(std::move(queue_.front()));
      queue_.pop_front();
    }
  }
  // Copied while requests go on adding theirs.
  for (size_t i = first; i < sent_.size(); ++i) {
    *request.add_records() = sent_[i].record;
  }
}

void Reporter::Acknowledge() {
  MutexLock lock(mu_);
  held_records_ -= sent_.size();
  for (const Held& held : sent_) held_bytes_ -= held.bytes;
  sent_.clear();
}

void Reporter::PutBack() {
  MutexLock lock(mu_);
  queue_.insert(queue_.begin(), std::make_move_iterator(sent_.begin()),
                std::make_move_iterator(sent_.end()));
  sent_.clear();
}

void Reporter::DropAll() {
  MutexLock lock(mu_);
  dropped_.fetch_add(static_cast<int64_t>(held_records_),
                     std::memory_order_relaxed);
  queue_.clear();
  sent_.clear();
  held_records_ = 0;
  held_bytes_ = 0;
}

bool Reporter::Empty() const {
  MutexLock lock(mu_);
  return held_records_ == 0;
}

bool Reporter::WantsAcknowledgement() const {
  return sent_.size() > options_.queue_size / 2;
}

Awaitable<void> Reporter::Run() {
  absl::Duration backoff = options_.min_backoff;
  while (true) {
    BeatSource source(*this);
    rpc::Call call;
    // Beyond a beat's end: the collector may need a moment to acknowledge.
    call.deadline = clock_->Now() + 2 * options_.beat_interval;
    const absl::StatusOr<ReportResponse> reported =
        co_await receiver_->Report(call, source);
    if (reported.ok()) {
      Acknowledge();
      backoff = options_.min_backoff;
    } else {
      // What it had already it will know again by the request ids.
      PutBack();
    }
    bool cancelled = co_await IsCancelled();
    if (cancelled) break;
    if (stopping_.load() && (Empty() || !reported.ok())) break;
    if (reported.ok()) continue;
    co_await clock_->SleepFor(backoff);
    cancelled = co_await IsCancelled();
    if (cancelled) break;
    backoff = std::min(2 * backoff, options_.max_backoff);
  }
  DropAll();
}

}  // namespace gateway::telemetry
