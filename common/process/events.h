#ifndef GATEWAY_COMMON_PROCESS_EVENTS_H_
#define GATEWAY_COMMON_PROCESS_EVENTS_H_

#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include <deque>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/concurrency/mutex.h"
#include "common/process/config_watch.h"

namespace gateway::process {

// What the main thread of a process waits for.
struct Event {
  enum class Kind {
    kStop,    // SIGTERM or SIGINT
    kReload,  // SIGHUP, a change of the config file, or the admin port
    kDrain,   // the admin port
    kUndrain  // the admin port
  };
  Kind kind = Kind::kStop;
  // For the log: `SIGTERM`, `file`, `admin`.
  std::string source;
  // Whoever waits for the outcome; null if nobody does.
  std::shared_ptr<std::promise<absl::StatusOr<std::string>>> reply;

  // What came of it, as JSON, or why nothing did.
  void Answer(absl::StatusOr<std::string> outcome) const {
    if (reply != nullptr) reply->set_value(std::move(outcome));
  }
};

class EventSource {
 public:
  virtual ~EventSource() = default;
  // Waits for the next event for at most `timeout` (forever if infinite);
  // nullopt if none came.
  virtual std::optional<Event> Wait(absl::Duration timeout) = 0;
};

// Where other threads ask something of the main thread. Thread-safe.
class Control {
 public:
  virtual ~Control() = default;
  using Outcome = std::future<absl::StatusOr<std::string>>;
  virtual Outcome Ask(Event::Kind kind) = 0;
};

// Signals, changes of the config and requests as events, so that nothing runs
// in a signal handler. Blocks the signals for the calling thread and all that
// it starts later: construct it before any other thread exists. Ignores
// SIGPIPE: a broken connection is an error of a write.
class ProcessEvents : public EventSource, public Control {
 public:
  ProcessEvents();
  ~ProcessEvents() override;

  // Changes of these files are events from here on, in place of those named
  // before. A change that was seen already still becomes one.
  void Watch(const std::vector<std::string>& files);

  std::optional<Event> Wait(absl::Duration timeout) override;

  // UNAVAILABLE if the process ends before it is looked at.
  Outcome Ask(Event::Kind kind) override;

 private:
  std::optional<Event> TakeSignal();
  std::optional<Event> TakeRequest();

  const int signals_;  // a signalfd
  const int wake_;     // an eventfd
  // Of the main thread.
  std::unique_ptr<ConfigWatch> watch_;
  std::optional<absl::Time> changed_;

  Mutex mu_;
  std::deque<Event> requests_ ABSL_GUARDED_BY(mu_);
};

}  // namespace gateway::process

#endif  // GATEWAY_COMMON_PROCESS_EVENTS_H_
