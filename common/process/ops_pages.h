#ifndef GATEWAY_COMMON_PROCESS_OPS_PAGES_H_
#define GATEWAY_COMMON_PROCESS_OPS_PAGES_H_

#include <absl/strings/string_view.h>
#include <absl/time/time.h>

#include <string>

#include "common/process/health.h"
#include "common/process/lifecycle.h"
#include "common/process/page_server.h"
#include "common/process/service.h"
#include "common/process/watchdog.h"

namespace gateway::process {

// The read-only pages of the ops port: /livez /readyz /startupz /metrics
// /version. Thread-safe; never blocks and never calls a peer or a provider.
class OpsPages {
 public:
  // All outlive it. `start` is when the process began.
  OpsPages(const Service* service, const Lifecycle* lifecycle,
           const Watchdog* watchdog, absl::Time start);

  Awaitable<Page> Answer(const http::Request& request) const;

  // 404 for an unknown path, 405 for a method other than GET.
  Page Get(absl::string_view method, absl::string_view path,
           absl::Time now) const;

 private:
  Page Probe(absl::Time now, bool Health::*healthy) const;
  Page Metrics() const;
  Page Version() const;

  const Service* const service_;
  const Lifecycle* const lifecycle_;
  const Watchdog* const watchdog_;
  const absl::Time start_;
};

}  // namespace gateway::process

#endif  // GATEWAY_COMMON_PROCESS_OPS_PAGES_H_
