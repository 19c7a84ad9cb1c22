#ifndef GATEWAY_TESTS_UNIT_COMMON_PROCESS_FAKE_SERVICE_H_
#define GATEWAY_TESTS_UNIT_COMMON_PROCESS_FAKE_SERVICE_H_

#include <string>
#include <vector>

#include "common/concurrency/mutex.h"
#include "common/process/service.h"

namespace gateway::process {

// Notes what is asked of it.
class FakeService : public Service {
 public:
  std::string Name() const override { return "fake"; }
  absl::Status Start() override { return absl::OkStatus(); }
  std::vector<Check> Checks() const override { return checks; }
  std::vector<prometheus::MetricFamily> CollectMetrics() const override {
    return families;
  }
  ShutdownOptions Shutdown() const override { return shutdown; }
  void SetHealth(bool ready, bool live) override {
    MutexLock lock(mu);
    health = {ready, live};
  }
  std::vector<Busy> BusyLoops() const override { return busy; }
  std::vector<Peer> PeerStates() const override { return peers; }
  std::vector<std::pair<std::string, int64_t>> Statistics() const override {
    return statistics;
  }
  absl::Status Reload(const config::v1::Config& config) override {
    if (reload.ok()) reloaded.push_back(config);
    return reload;
  }
  void BeginDrain() override { steps.push_back("begin"); }
  size_t Active() const override {
    // One finishes at each look.
    return active == 0 ? 0 : active--;
  }
  size_t Undelivered() const override {
    return undelivered == 0 ? 0 : undelivered--;
  }
  void CancelRemaining() override {
    steps.push_back("cancel");
    active = 0;
  }
  void Stop() override { steps.push_back("stop"); }

  std::vector<Check> checks;
  std::vector<prometheus::MetricFamily> families;
  ShutdownOptions shutdown{absl::Seconds(10), absl::Seconds(300)};
  mutable size_t active = 0;
  mutable size_t undelivered = 0;
  std::vector<std::string> steps;
  std::vector<Busy> busy;
  std::vector<Peer> peers;
  std::vector<std::pair<std::string, int64_t>> statistics;
  // What Reload says, and what it was given.
  absl::Status reload;
  std::vector<config::v1::Config> reloaded;

  Mutex mu;
  std::pair<bool, bool> health ABSL_GUARDED_BY(mu);  // ready, live
};

}  // namespace gateway::process

#endif  // GATEWAY_TESTS_UNIT_COMMON_PROCESS_FAKE_SERVICE_H_
