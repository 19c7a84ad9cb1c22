#include "common/metrics/lint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace gateway::metrics {
namespace {

using prometheus::MetricType;
using testing::ElementsAre;
using testing::IsEmpty;

prometheus::MetricFamily Family(
    std::string name, MetricType type,
    std::vector<prometheus::ClientMetric::Label> labels = {}) {
  prometheus::MetricFamily family;
  family.name = std::move(name);
  family.help = "Help.";
  family.type = type;
  family.metric.emplace_back().label = std::move(labels);
  return family;
}

TEST(LintTest, AcceptsTheNamesOfTheGateway) {
  EXPECT_THAT(Lint({Family("agentgw_requests_total", MetricType::Counter,
                           {{"protocol", "http"}, {"class", "caller"}}),
                    Family("agentgw_streams_active", MetricType::Gauge),
                    Family("agentgw_overhead_seconds", MetricType::Histogram),
                    Family("agentgw_usage_spool_bytes", MetricType::Gauge),
                    Family("gen_ai_client_token_usage", MetricType::Histogram),
                    Family("process_open_fds", MetricType::Gauge)}),
              IsEmpty());
}

TEST(LintTest, RefusesBadNames) {
  EXPECT_THAT(Lint({Family("requests_total", MetricType::Counter)}),
              ElementsAre("requests_total: not of agentgw_, gen_ai_ or "
                          "process_"));
  EXPECT_THAT(Lint({Family("agentgw_Requests_total", MetricType::Counter)}),
              ElementsAre("agentgw_Requests_total: not snake case"));
  EXPECT_THAT(Lint({Family("agentgw_requests", MetricType::Counter)}),
              ElementsAre("agentgw_requests: a counter ends in _total"));
  EXPECT_THAT(Lint({Family("agentgw_active_total", MetricType::Gauge)}),
              ElementsAre("agentgw_active_total: only a counter ends in "
                          "_total"));
  EXPECT_THAT(Lint({Family("agentgw_wait_ms", MetricType::Histogram)}),
              ElementsAre("agentgw_wait_ms: units are seconds and bytes, not "
                          "_ms"));
}

TEST(LintTest, RefusesOpenLabels) {
  for (const char* label : {"session_id", "user", "key", "request_id"}) {
    EXPECT_THAT(Lint({Family("agentgw_x", MetricType::Gauge, {{label, "v"}})}),
                ElementsAre(std::string("agentgw_x: label ") + label +
                            " has no closed set of values"));
  }
}

TEST(LintTest, RefusesWhatStandsTwiceOrHasNoHelp) {
  const auto twice = Family("agentgw_x", MetricType::Gauge, {{"a", "1"}});
  EXPECT_THAT(Lint({twice, twice}), ElementsAre("agentgw_x: stands twice"));
  auto series = twice;
  series.metric.push_back(series.metric[0]);
  EXPECT_THAT(Lint({series}), ElementsAre("agentgw_x: a series stands twice"));
  auto mute = twice;
  mute.help.clear();
  EXPECT_THAT(Lint({mute}), ElementsAre("agentgw_x: no help"));
}

}  // namespace
}  // namespace gateway::metrics
