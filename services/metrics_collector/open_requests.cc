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

std::vector<OpenRequests::Lost> OpenRequests::TakeLost(absl::Time now) {
  std::vector<Lost> lost;
  MutexLock lock(mu_);
  for (auto it = senders_.begin(); it != senders_.end();) {
    if (now - it->second.heard < kSilence) {
      ++it;
      continue;
    }
    Lost& left = lost.emplace_back();
    left.instance_id = it->first;
    for (const auto& [id, open] : it->second.open) {
      left.records.push_back(LostRecord(open, now));
    }
    it = senders_.erase(it);
  }
  return lost;
}

size_t OpenRequests::size() const {
  MutexLock lock(mu_);
  size_t open = 0;
  for (const auto& [id, sender] : senders_) open += sender.open.size();
  return open;
}

}  // namespace gateway::metrics_collector
