#ifndef GATEWAY_COMMON_PROCESS_ADMIN_PAGES_H_
#define GATEWAY_COMMON_PROCESS_ADMIN_PAGES_H_

#include <absl/strings/string_view.h>

#include <functional>
#include <string>

#include "common/concurrency/mutex.h"
#include "common/process/events.h"
#include "common/process/log_levels.h"
#include "common/process/page_server.h"
#include "common/process/reloader.h"
#include "common/process/service.h"

namespace gateway::process {

// The pages of the admin port:
//
//   GET /config_dump      the config in use, without what is sensitive, as YAML
//   GET /peers            whom the service calls, and whether they answer
//   GET /sessions/stats   what the store of sessions holds; 404 where there is
//                         none. Both 503 while the service stops
//   GET /logging          the levels
//   GET /memory           bytes, by who counts them
//   POST /logging?level=debug[&module=router][&for=10m]
//   POST /drain           as SIGTERM does
//   POST /undrain         409 once new work is refused
//   POST /reload          as SIGHUP does; 422 if the config is refused
//
// Nothing is changed by GET. A browser is refused: its pages could otherwise
// reach this port on its user's machine.
class AdminPages {
 public:
  struct Parts {
    const Service* service = nullptr;
    const Reloader* reloader = nullptr;
    LogLevels* levels = nullptr;
    Control* control = nullptr;
  };

  // All of them outlive it.
  explicit AdminPages(Parts parts) : parts_(parts) {}

  Awaitable<Page> Answer(const http::Request& request) const;

  // The service is not asked any more: what it alone knows is 503. Waits for a
  // page that asks it now. Before its Stop.
  void ServiceStops();

 private:
  Page AskService(absl::string_view path) const;
  Page Get(absl::string_view path) const;
  Page SetLogging(absl::string_view query) const;
  Awaitable<Page> Ask(Event::Kind kind) const;

  const Parts parts_;
  mutable Mutex mu_;
  bool service_stops_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace gateway::process

#endif  // GATEWAY_COMMON_PROCESS_ADMIN_PAGES_H_
