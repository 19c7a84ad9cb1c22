#include "common/metrics/export.h"

#include <gtest/gtest.h>
#include <prometheus/registry.h>

#include "common/metrics/labelled.h"

namespace gateway::metrics {
namespace {

Families OneCounter(double value) {
  prometheus::Registry registry;
  CounterFamily(registry, "agentgw_retries_total", "Retries.")
      .Add({{"protocol", "http"}})
      .Increment(value);
  return registry.Collect();
}

TEST(ExportTest, MergesFamiliesAndTellsServicesApart) {
  Families all = OneCounter(1);
  AddLabel("service", "ingress", all);
  Families more = OneCounter(2);
  AddLabel("service", "model-router", more);
  all.insert(all.end(), more.begin(), more.end());
  EXPECT_EQ(ToText(all),
            "# HELP agentgw_retries_total Retries.\n"
            "# TYPE agentgw_retries_total counter\n"
            "agentgw_retries_total{protocol=\"http\",service=\"ingress\"} 1\n"
            "agentgw_retries_total{protocol=\"http\",service=\"model-router\"}"
            " 2\n");
}

TEST(ExportTest, KeepsALabelThatIsThere) {
  Families families = OneCounter(1);
  AddLabel("protocol", "grpc", families);
  ASSERT_EQ(families[0].metric[0].label.size(), 1u);
  EXPECT_EQ(families[0].metric[0].label[0].value, "http");
}

TEST(ExportTest, SortsByName) {
  prometheus::Registry registry;
  GaugeFamily(registry, "agentgw_b", "B.").Add({});
  GaugeFamily(registry, "agentgw_a", "A.").Add({});
  const Families merged = Merge(registry.Collect());
  ASSERT_EQ(merged.size(), 2u);
  EXPECT_EQ(merged[0].name, "agentgw_a");
}

}  // namespace
}  // namespace gateway::metrics
