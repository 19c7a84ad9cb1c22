#include "common/process/ops_pages.h"

#include <absl/time/clock.h>

#include <boost/json.hpp>
#include <iterator>
#include <utility>

#include "common/metrics/export.h"
#include "common/metrics/process_metrics.h"
#include "common/process/version.h"

namespace gateway::process {
namespace {

namespace json = boost::json;

prometheus::MetricFamily Flag(const char* name, const char* help, bool set) {
  prometheus::MetricFamily family;
  family.name = name;
  family.help = help;
  family.type = prometheus::MetricType::Gauge;
  family.metric.emplace_back().gauge.value = set ? 1 : 0;
  return family;
}

}  // namespace

OpsPages::OpsPages(const Service* service, const Lifecycle* lifecycle,
                   const Watchdog* watchdog, absl::Time start)
    : service_(service),
      lifecycle_(lifecycle),
      watchdog_(watchdog),
      start_(start) {}

Awaitable<Page> OpsPages::Answer(const http::Request& request) const {
  co_return Get(request.method, request.path(), absl::Now());
}

Page OpsPages::Get(absl::string_view method, absl::string_view path,
                   absl::Time now) const {
  if (method != "GET" && method != "HEAD") {
    return {405, "text/plain", "only GET\n", "GET"};
  }
  if (path == "/livez") return Probe(now, &Health::live);
  if (path == "/readyz") return Probe(now, &Health::ready);
  if (path == "/startupz") return Probe(now, &Health::started);
  if (path == "/metrics") return Metrics();
  if (path == "/version") return Version();
  return {404, "text/plain", "/livez /readyz /startupz /metrics /version\n"};
}

Page OpsPages::Probe(absl::Time now, bool Health::*healthy) const {
  const std::vector<Check> checks = service_->Checks();
  const std::vector<std::string> stuck = watchdog_->Stuck();
  const Health health = HealthOf(lifecycle_->phase(), checks, stuck);
  json::object by_name;
  for (const Check& check : checks) {
    by_name[check.name] =
        check.state == Check::State::kOk ? "ok" : check.reason;
  }
  for (const std::string& loop : stuck) by_name[loop] = "stuck";
  json::object page{
      {"status", std::string(health.status)},
      {"service", service_->Name()},
      {"version", GetBuildInfo().version},
      {"uptime_s", absl::ToInt64Seconds(now - start_)},
      {"checks", std::move(by_name)},
  };
  return {health.*healthy ? 200 : 503, "application/json",
          json::serialize(page) + "\n"};
}

Page OpsPages::Metrics() const {
  const BuildInfo& info = GetBuildInfo();
  metrics::Families families = service_->CollectMetrics();
  metrics::Families process =
      metrics::CollectProcess({info.version, info.revision, info.build_type});
  process.push_back(Flag("agentgw_draining", "1 while the process drains.",
                         lifecycle_->phase() == Phase::kDraining));
  process.push_back(Flag("agentgw_config_last_reload_successful",
                         "1 if the config in use is the last one given.",
                         lifecycle_->reload_ok()));
  std::move(process.begin(), process.end(), std::back_inserter(families));
  return {200, metrics::kTextContentType, metrics::ToText(std::move(families))};
}

Page OpsPages::Version() const {
  const BuildInfo& info = GetBuildInfo();
  json::object page{
      {"service", service_->Name()}, {"version", info.version},
      {"revision", info.revision},   {"build_type", info.build_type},
      {"libraries", info.libraries},
  };
  return {200, "application/json", json::serialize(page) + "\n"};
}

}  // namespace gateway::process
