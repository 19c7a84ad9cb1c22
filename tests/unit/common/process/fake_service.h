#ifndef GATEWAY_TESTS_UNIT_COMMON_PROCESS_FAKE_SERVICE_H_
#define GATEWAY_TESTS_UNIT_COMMON_PROCESS_FAKE_SERVICE_H_

#include <string>
#include <vector>

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
  void AnnounceDrain() override { steps.push_back("announce"); }
  void BeginDrain() override { steps.push_back("begin"); }
  size_t Active() const override {
    // One finishes at each look.
    return active == 0 ? 0 : active--;
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
  std::vector<std::string> steps;
};

}  // namespace gateway::process

#endif  // GATEWAY_TESTS_UNIT_COMMON_PROCESS_FAKE_SERVICE_H_
