#include "common/process/drain.h"

namespace gateway::process {
namespace {

constexpr absl::Duration kPoll = absl::Milliseconds(20);

// Until nothing is active or the timeout. False if a signal cut it short.
bool WaitUntilIdle(Service& service, SignalWaiter& signals,
                   absl::Duration timeout) {
  for (absl::Duration waited; waited < timeout && service.Active() > 0;
       waited += kPoll) {
    if (signals.Wait(kPoll)) return false;
  }
  return true;
}

}  // namespace

void Drain(Service& service, Lifecycle& lifecycle, SignalWaiter& signals) {
  const ShutdownOptions times = service.Shutdown();
  lifecycle.Set(Phase::kDraining);
  service.AnnounceDrain();
  const bool hurry = times.pre_drain_delay > absl::ZeroDuration() &&
                     signals.Wait(times.pre_drain_delay).has_value();
  service.BeginDrain();
  if (!hurry) WaitUntilIdle(service, signals, times.drain_timeout);
  if (service.Active() > 0) service.CancelRemaining();
}

}  // namespace gateway::process
