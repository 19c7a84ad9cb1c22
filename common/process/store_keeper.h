#ifndef GATEWAY_COMMON_PROCESS_STORE_KEEPER_H_
#define GATEWAY_COMMON_PROCESS_STORE_KEEPER_H_

#include <absl/status/status.h>
#include <absl/time/time.h>

#include <atomic>
#include <functional>
#include <string>
#include <vector>

#include "common/concurrency/periodic_thread.h"
#include "common/process/service.h"

namespace gateway::process {

// Looks after the store of a service, on a thread of its own: has it opened
// again after a failed write, and shows its state in the checks. Start,
// BeginDrain and Stop are the main thread's; Checks is thread-safe.
class StoreKeeper {
 public:
  struct Options {
    // Of the thread.
    std::string name;
    absl::Duration interval = absl::Seconds(1);
    // Opens the store again if a write has failed. What comes of it shows in
    // `health`. May block.
    std::function<absl::Status()> repair;
    // OK if it can be written. Never blocks.
    std::function<absl::Status()> health;
    // What else is to be done at each round, if anything; soon over once
    // draining().
    std::function<void()> chore;
  };

  StoreKeeper() = default;
  // Stops.
  ~StoreKeeper() { Stop(); }

  // What the options call must outlive Stop.
  void Start(Options options);
  // A chore that runs long ends early from here on.
  void BeginDrain() { draining_.store(true); }
  bool draining() const { return draining_.load(); }
  // Waits for a round that runs. Idempotent.
  void Stop();

  // `database`; none before Start and after Stop.
  std::vector<Check> Checks() const;

 private:
  void Round();
  void Follow();

  Options options_;  // set in Start
  std::atomic<bool> running_{false};
  std::atomic<bool> draining_{false};
  bool healthy_ = true;  // the thread's
  PeriodicThread thread_;
};

}  // namespace gateway::process

#endif  // GATEWAY_COMMON_PROCESS_STORE_KEEPER_H_
