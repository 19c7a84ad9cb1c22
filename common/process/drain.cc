#include "common/process/drain.h"

#include "common/log/log.h"

namespace gateway::process {
namespace {

constexpr absl::Duration kPoll = absl::Milliseconds(20);

constexpr char kDraining[] = "{\"status\":\"draining\"}\n";

// What has been asked of a drain so far.
class Wishes {
 public:
  explicit Wishes(const Event& cause)
      : signalled_(cause.kind == Event::Kind::kStop) {
    cause.Answer(kDraining);
  }

  // Waits for at most `timeout`, which an event may cut short.
  void Wait(EventSource& events, absl::Duration timeout, bool may_resume) {
    const std::optional<Event> event = events.Wait(timeout);
    if (!event) return;
    switch (event->kind) {
      case Event::Kind::kStop:
        hurry_ = signalled_;
        signalled_ = true;
        break;
      case Event::Kind::kDrain:
        event->Answer(kDraining);
        break;
      case Event::Kind::kReload:
        event->Answer(absl::FailedPreconditionError(
            "the process drains: it keeps its config"));
        break;
      case Event::Kind::kUndrain:
        resume_ = may_resume && !signalled_;
        event->Answer(resume_
                          ? absl::StatusOr<std::string>("{\"status\":\"ok\"}\n")
                          : absl::FailedPreconditionError(
                                "too late: new work is refused already, "
                                "or a signal ends the process"));
        break;
    }
  }

  bool hurry() const { return hurry_; }
  bool resume() const { return resume_; }

 private:
  bool signalled_;
  bool hurry_ = false;
  bool resume_ = false;
};

}  // namespace

DrainEnd Drain(Service& service, Lifecycle& lifecycle, EventSource& events,
               const Event& cause, const std::function<void()>& announce,
               const Clock* clock) {
  const ShutdownOptions times = service.Shutdown();
  const absl::Time refuse = clock->Now() + times.pre_drain_delay;
  const absl::Time end = refuse + times.drain_timeout;
  LOG_INFO("process", "draining",
           {{"cause", cause.source}, {"active", service.Active()}});
  lifecycle.Set(Phase::kDraining);
  announce();
  Wishes wishes(cause);
  while (clock->Now() < refuse && !wishes.hurry() && !wishes.resume()) {
    wishes.Wait(events, refuse - clock->Now(), /*may_resume=*/true);
  }
  if (wishes.resume()) {
    lifecycle.Set(Phase::kServing);
    announce();
    LOG_INFO("process", "the drain was taken back");
    return DrainEnd::kResumed;
  }
  service.BeginDrain();
  while (clock->Now() < end && !wishes.hurry() && service.Active() > 0) {
    wishes.Wait(events, std::min(kPoll, end - clock->Now()),
                /*may_resume=*/false);
  }
  if (const size_t left = service.Active(); left > 0) {
    LOG_WARNING("process", "ending what is left", {{"active", left}});
    service.CancelRemaining();
  }
  while (clock->Now() < end && !wishes.hurry() && service.Undelivered() > 0) {
    wishes.Wait(events, std::min(kPoll, end - clock->Now()),
                /*may_resume=*/false);
  }
  return DrainEnd::kEmpty;
}

}  // namespace gateway::process
