#include "common/process/ops_pages.h"

#include <boost/json.hpp>
#include <iterator>
#include <utility>

#include "common/metrics/export.h"
#include "common/metrics/process_metrics.h"
#include "common/process/version.h"

namespace gateway::process {
namespace {

namespace json = boost::json;

// `ok`, `starting`, `degraded`, `draining`, or `failed` if a part of the
// service cannot do its work.
absl::string_view StatusOf(Phase phase, const std::vector<Check>& checks) {
  if (phase == Phase::kStarting) return "starting";
  if (phase == Phase::kDraining) return "draining";
  absl::string_view status = "ok";
  for (const Check& check : checks) {
    if (check.state == Check::State::kFailed) return "failed";
    if (check.state == Check::State::kDegraded) status = "degraded";
  }
  return status;
}

bool IsAlive(absl::string_view) { return true; }

bool HasStarted(absl::string_view status) { return status != "starting"; }

bool IsReady(absl::string_view status) {
  return status == "ok" || status == "degraded";
}

prometheus::MetricFamily DrainingFamily(bool draining) {
  prometheus::MetricFamily family;
  family.name = "agentgw_draining";
  family.help = "1 while the process drains.";
  family.type = prometheus::MetricType::Gauge;
  family.metric.emplace_back().gauge.value = draining ? 1 : 0;
  return family;
}

}  // namespace

OpsPages::OpsPages(const Service* service, const Lifecycle* lifecycle,
                   absl::Time start)
    : service_(service), lifecycle_(lifecycle), start_(start) {}

OpsPage OpsPages::Get(absl::string_view method, absl::string_view path,
                      absl::Time now) const {
  if (method != "GET" && method != "HEAD") {
    return {405, "text/plain", "only GET\n"};
  }
  if (path == "/livez") return Health(now, IsAlive);
  if (path == "/readyz") return Health(now, IsReady);
  if (path == "/startupz") return Health(now, HasStarted);
  if (path == "/metrics") return Metrics();
  if (path == "/version") return Version();
  return {404, "text/plain", "/livez /readyz /startupz /metrics /version\n"};
}

OpsPage OpsPages::Health(absl::Time now,
                         bool (*healthy)(absl::string_view)) const {
  const std::vector<Check> checks = service_->Checks();
  const absl::string_view status = StatusOf(lifecycle_->phase(), checks);
  json::object by_name;
  for (const Check& check : checks) {
    by_name[check.name] =
        check.state == Check::State::kOk ? "ok" : check.reason;
  }
  json::object page{
      {"status", std::string(status)},
      {"service", service_->Name()},
      {"version", GetBuildInfo().version},
      {"uptime_s", absl::ToInt64Seconds(now - start_)},
      {"checks", std::move(by_name)},
  };
  return {healthy(status) ? 200 : 503, "application/json",
          json::serialize(page) + "\n"};
}

OpsPage OpsPages::Metrics() const {
  const BuildInfo& info = GetBuildInfo();
  metrics::Families families = service_->CollectMetrics();
  metrics::Families process =
      metrics::CollectProcess({info.version, info.revision, info.build_type});
  process.push_back(DrainingFamily(lifecycle_->phase() == Phase::kDraining));
  std::move(process.begin(), process.end(), std::back_inserter(families));
  return {200, metrics::kTextContentType, metrics::ToText(std::move(families))};
}

OpsPage OpsPages::Version() const {
  const BuildInfo& info = GetBuildInfo();
  json::object page{
      {"service", service_->Name()}, {"version", info.version},
      {"revision", info.revision},   {"build_type", info.build_type},
      {"libraries", info.libraries},
  };
  return {200, "application/json", json::serialize(page) + "\n"};
}

}  // namespace gateway::process
