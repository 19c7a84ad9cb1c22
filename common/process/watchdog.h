#ifndef GATEWAY_COMMON_PROCESS_WATCHDOG_H_
#define GATEWAY_COMMON_PROCESS_WATCHDOG_H_

#include <absl/time/time.h>

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/concurrency/io_pool.h"
#include "common/concurrency/mutex.h"
#include "common/process/service.h"

namespace gateway::process {

// A loop that runs what is posted to it.
struct WatchedLoop {
  std::string name;  // io-0
  std::function<void(std::function<void()>)> post;
};

// The io threads of a pool, which outlives the watchdog.
std::vector<WatchedLoop> LoopsOf(IoPool& io);

// Sees a worker loop that no longer comes round: an io thread that has not run
// what was posted to it, a thread that does not get done with a job.
// Thread-safe.
class Watchdog {
 public:
  explicit Watchdog(std::vector<WatchedLoop> loops,
                    absl::Duration limit = absl::Seconds(30));

  // Now and then, a few times within the limit. `busy`: threads at a job.
  void Look(absl::Time now, const std::vector<Busy>& busy);

  // The loops that were stuck at the last look.
  std::vector<std::string> Stuck() const;

 private:
  struct Beat {
    WatchedLoop loop;
    // Set by the loop itself, which may outlive the watchdog.
    std::shared_ptr<std::atomic<bool>> answered;
    absl::Time sent;
  };

  const absl::Duration limit_;
  mutable Mutex mu_;
  std::vector<Beat> beats_ ABSL_GUARDED_BY(mu_);
  std::vector<std::string> stuck_ ABSL_GUARDED_BY(mu_);
};

}  // namespace gateway::process

#endif  // GATEWAY_COMMON_PROCESS_WATCHDOG_H_
