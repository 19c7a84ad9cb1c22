#ifndef GATEWAY_COMMON_PROCESS_OPS_PAGES_H_
#define GATEWAY_COMMON_PROCESS_OPS_PAGES_H_

#include <absl/strings/string_view.h>
#include <absl/time/time.h>

#include <string>

#include "common/process/lifecycle.h"
#include "common/process/service.h"

namespace gateway::process {

// What a page of the ops port answers.
struct OpsPage {
  int status = 200;
  std::string content_type = "application/json";
  std::string body;
};

// The read-only pages of the ops port: /livez /readyz /startupz /metrics
// /version. Thread-safe; never blocks and never calls a peer or a provider.
class OpsPages {
 public:
  // Both outlive it. `start` is when the process began.
  OpsPages(const Service* service, const Lifecycle* lifecycle,
           absl::Time start);

  // 404 for an unknown path, 405 for a method other than GET.
  OpsPage Get(absl::string_view method, absl::string_view path,
              absl::Time now) const;

 private:
  OpsPage Health(absl::Time now, bool (*healthy)(absl::string_view)) const;
  OpsPage Metrics() const;
  OpsPage Version() const;

  const Service* const service_;
  const Lifecycle* const lifecycle_;
  const absl::Time start_;
};

}  // namespace gateway::process

#endif  // GATEWAY_COMMON_PROCESS_OPS_PAGES_H_
