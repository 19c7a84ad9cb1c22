#include "common/process/events.h"

#include <absl/time/clock.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

namespace gateway::process {
namespace {

// A file is written in several steps; it is read once they have ended.
constexpr absl::Duration kSettle = absl::Milliseconds(100);

sigset_t Signals() {
  sigset_t set;
  sigemptyset(&set);
  for (int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&set, signal);
  return set;
}

int BlockSignals() {
  const sigset_t set = Signals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  signal(SIGPIPE, SIG_IGN);
  return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

int Milliseconds(absl::Duration duration) {
  if (duration == absl::InfiniteDuration()) return -1;
  return static_cast<int>(std::clamp<int64_t>(
      absl::ToInt64Milliseconds(absl::Ceil(duration, absl::Milliseconds(1))), 0,
      1'000'000'000));
}

}  // namespace

ProcessEvents::ProcessEvents()
    : signals_(BlockSignals()), wake_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {}

ProcessEvents::~ProcessEvents() {
  close(signals_);
  close(wake_);
  MutexLock lock(mu_);
  for (const Event& request : requests_) {
    request.Answer(absl::UnavailableError("the process ends"));
  }
}

void ProcessEvents::Watch(const std::vector<std::string>& files) {
  auto next = std::make_unique<ConfigWatch>(files);
  // With both at work nothing falls between them.
  if (watch_ != nullptr && watch_->TakeChange()) changed_ = absl::Now();
  watch_ = std::move(next);
}

Control::Outcome ProcessEvents::Ask(Event::Kind kind) {
  Event event{kind, "admin",
              std::make_shared<std::promise<absl::StatusOr<std::string>>>()};
  Outcome outcome = event.reply->get_future();
  {
    MutexLock lock(mu_);
    requests_.push_back(std::move(event));
  }
  const uint64_t one = 1;
  (void)!write(wake_, &one, sizeof(one));
  return outcome;
}

std::optional<Event> ProcessEvents::TakeSignal() {
  signalfd_siginfo info;
  if (read(signals_, &info, sizeof(info)) != sizeof(info)) return std::nullopt;
  switch (info.ssi_signo) {
    case SIGHUP:
      return Event{Event::Kind::kReload, "SIGHUP", nullptr};
    case SIGINT:
      return Event{Event::Kind::kStop, "SIGINT", nullptr};
    default:
      return Event{Event::Kind::kStop, "SIGTERM", nullptr};
  }
}

std::optional<Event> ProcessEvents::TakeRequest() {
  uint64_t count;
  (void)!read(wake_, &count, sizeof(count));
  MutexLock lock(mu_);
  if (requests_.empty()) return std::nullopt;
  Event event = std::move(requests_.front());
  requests_.pop_front();
  return event;
}

std::optional<Event> ProcessEvents::Wait(absl::Duration timeout) {
  const absl::Time end = absl::Now() + timeout;
  while (true) {
    if (std::optional<Event> event = TakeSignal()) return event;
    if (std::optional<Event> event = TakeRequest()) return event;
    absl::Time now = absl::Now();
    if (changed_ && now >= *changed_ + kSettle) {
      changed_.reset();
      return Event{Event::Kind::kReload, "file", nullptr};
    }
    if (now >= end) return std::nullopt;
    const absl::Time until =
        changed_ ? std::min(end, *changed_ + kSettle) : end;
    pollfd waits[] = {{signals_, POLLIN, 0},
                      {wake_, POLLIN, 0},
                      {watch_ ? watch_->fd() : -1, POLLIN, 0}};
    // EINTR is as good as an early end.
    (void)poll(waits, 3, Milliseconds(until - now));
    if (watch_ && watch_->TakeChange()) changed_ = absl::Now();
  }
}

}  // namespace gateway::process
