#ifndef GATEWAY_SERVICES_MODEL_ROUTER_METRICS_H_
#define GATEWAY_SERVICES_MODEL_ROUTER_METRICS_H_

#include <absl/strings/string_view.h>
#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/concurrency/mutex.h"
#include "common/http/client.h"
#include "services/model_router/catalogue.h"
#include "services/model_router/route_observer.h"

namespace gateway::model_router {

// Every metric of model-router. Thread-safe.
class Metrics {
 public:
  Metrics();
  ~Metrics();

  // Who counts the attempts at the targets of a catalogue, which is needed here
  // only. What is counted is found by the target's index, without a lookup by
  // name. Several may count at a time; the metrics outlive them.
  std::unique_ptr<RouteObserver> Observe(const Catalogue& catalogue);

  // What the clients of a provider count in, whatever becomes of the config.
  std::shared_ptr<http::ClientStats> ClientsOf(const std::string& provider);

  // What is read when the metrics are.
  void SetSpool(int64_t bytes, int64_t dropped_rows);

  // Of providers' host names, since the start but for `pending`.
  struct Lookups {
    uint64_t all = 0;
    uint64_t failed = 0;
    uint64_t refused = 0;
    uint64_t stale = 0;
    size_t pending = 0;
  };
  void SetLookups(const Lookups& lookups);

  std::vector<prometheus::MetricFamily> Collect();

 private:
  class OfCatalogue;
  class OfClients;
  using Counters = prometheus::Family<prometheus::Counter>;
  using Histograms = prometheus::Family<prometheus::Histogram>;

  prometheus::Registry registry_;
  prometheus::Gauge& in_flight_;
  prometheus::Gauge& spool_bytes_;
  prometheus::Gauge& dropped_rows_;
  prometheus::Counter& skipped_events_;
  prometheus::Counter& lookups_;
  prometheus::Counter& failed_lookups_;
  prometheus::Counter& refused_lookups_;
  prometheus::Counter& stale_lookups_;
  prometheus::Gauge& pending_lookups_;
  Counters& fallbacks_;
  Counters& attempts_;
  Counters& cost_;
  Counters& unpriced_;
  Histograms& tokens_;
  Histograms& duration_;
  Histograms& first_token_;
  Histograms& per_token_;

  Mutex mu_;
  // By provider.
  std::map<std::string, std::unique_ptr<OfClients>> clients_
      ABSL_GUARDED_BY(mu_);
};

}  // namespace gateway::model_router

#endif  // GATEWAY_SERVICES_MODEL_ROUTER_METRICS_H_
