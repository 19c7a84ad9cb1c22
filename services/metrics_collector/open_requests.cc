#include "services/metrics_collector/open_requests.h"

#include <google/protobuf/util/time_util.h>

namespace gateway::metrics_collector {
namespace {

v1::RequestRecord LostRecord(const v1::OpenRequest& open, absl::Time now) {
  v1::RequestRecord record;
  record.set_request_id(open.request_id());
  *record.mutable_account() = open.account();
  record.set_model(open.model());
  *record.mutable_start_time() = open.start_time();
  *record.mutable_end_time() =
      google::protobuf::util::TimeUtil::NanosecondsToTimestamp(
          absl::ToUnixNanos(now));
  record.set_outcome(v1::OUTCOME_UNKNOWN);
  record.set_error_class("gateway");
  record.set_reason("lost");
  return record;
}

}  // namespace

void OpenRequests::Heard(const v1::Beat& beat, absl::Time now) {
  Sender sender{.heard = now};
  for (const v1::OpenRequest& open : beat.open_requests()) {
    sender.open.emplace(open.request_id(), open);
  }
  MutexLock lock(mu_);
  senders_[beat.instance_id()] = std::move(sender);
}

void OpenRequests::Closed(const std::string& instance_id,
                          const std::string& request_id) {
  MutexLock lock(mu_);
  auto it = senders_.find(instance_id);
  if (it != senders_.end()) it->second.open.erase(request_id);
}

std::vector<OpenRequests::Lost> OpenRequests::FindLost(absl::Time now) const {
  std::vector<Lost> lost;
  MutexLock lock(mu_);
  for (const auto& [instance_id, sender] : senders_) {
    if (now - sender.heard < kSilence) continue;
    Lost& left = lost.emplace_back();
    left.instance_id = instance_id;
    for (const auto& [id, open] : sender.open) {
      left.records.push_back(LostRecord(open, now));
    }
  }
  return lost;
}

void OpenRequests::Forget(const std::string& instance_id, absl::Time now) {
  MutexLock lock(mu_);
  const auto it = senders_.find(instance_id);
  if (it != senders_.end() && now - it->second.heard >= kSilence) {
    senders_.erase(it);
  }
}

size_t OpenRequests::size() const {
  MutexLock lock(mu_);
  size_t open = 0;
  for (const auto& [id, sender] : senders_) open += sender.open.size();
  return open;
}

}  // namespace gateway::metrics_collector
