#ifndef GATEWAY_SERVICES_BATCH_AGGREGATOR_RESULT_WATCH_H_
#define GATEWAY_SERVICES_BATCH_AGGREGATOR_RESULT_WATCH_H_

#include <absl/container/flat_hash_map.h>
#include <absl/container/flat_hash_set.h>

#include <boost/intrusive_ptr.hpp>
#include <cstdint>

#include "common/concurrency/mutex.h"
#include "common/rpc/wakeup.h"

namespace gateway::batch_aggregator {

// Wakes those who wait for results of a batch. Thread-safe.
class ResultWatch {
 public:
  // A flow that waits, on its own io thread. It looks at the results after it
  // was made and after each Wait, and so misses none.
  class Waiter final : public rpc::Wakeup {
   public:
    using Wakeup::Wakeup;
  };

  // While it lives, `waiter` is woken for the batch.
  class Registration {
   public:
    Registration(ResultWatch* watch, uint64_t batch,
                 boost::intrusive_ptr<Waiter> waiter);
    ~Registration();
    Registration(const Registration&) = delete;
    Registration& operator=(const Registration&) = delete;

   private:
    ResultWatch* const watch_;
    const uint64_t batch_;
    const boost::intrusive_ptr<Waiter> waiter_;
  };

  // The batch has more results.
  void Notify(uint64_t batch);

  // There will be no more: wakes all, for good.
  void Close();
  bool closed() const;

 private:
  mutable Mutex mu_;
  bool closed_ ABSL_GUARDED_BY(mu_) = false;
  absl::flat_hash_map<uint64_t, absl::flat_hash_set<Waiter*>> waiters_
      ABSL_GUARDED_BY(mu_);
};

}  // namespace gateway::batch_aggregator

#endif  // GATEWAY_SERVICES_BATCH_AGGREGATOR_RESULT_WATCH_H_
