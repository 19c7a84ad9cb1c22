#include "services/batch_aggregator/result_watch.h"

#include <utility>

namespace gateway::batch_aggregator {

ResultWatch::Registration::Registration(ResultWatch* watch, uint64_t batch,
                                        boost::intrusive_ptr<Waiter> waiter)
    : watch_(watch), batch_(batch), waiter_(std::move(waiter)) {
  MutexLock lock(watch_->mu_);
  watch_->waiters_[batch_].insert(waiter_.get());
}

ResultWatch::Registration::~Registration() {
  MutexLock lock(watch_->mu_);
  const auto of_batch = watch_->waiters_.find(batch_);
  of_batch->second.erase(waiter_.get());
  if (of_batch->second.empty()) watch_->waiters_.erase(of_batch);
}

void ResultWatch::Notify(uint64_t batch) {
  MutexLock lock(mu_);
  const auto of_batch = waiters_.find(batch);
  if (of_batch == waiters_.end()) return;
  for (Waiter* waiter : of_batch->second) waiter->Wake();
}

void ResultWatch::Close() {
  MutexLock lock(mu_);
  closed_ = true;
  for (const auto& [batch, waiters] : waiters_) {
    for (Waiter* waiter : waiters) waiter->Wake();
  }
}

bool ResultWatch::closed() const {
  MutexLock lock(mu_);
  return closed_;
}

}  // namespace gateway::batch_aggregator
