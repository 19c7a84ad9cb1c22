#include "common/metrics/labelled.h"

#include <gtest/gtest.h>

#include <string>

#include "absl/strings/match.h"
#include "common/metrics/export.h"

namespace gateway::metrics {
namespace {

TEST(LabelledTest, ShowsEveryValueFromTheStart) {
  prometheus::Registry registry;
  auto& family = CounterFamily(registry, "agentgw_requests_total", "Requests.");
  const Labelled<prometheus::Counter> counters(
      family, "class", {"policy", "caller"}, {{"protocol", "http"}});
  counters.For("caller").Increment();
  counters.For("made up by a client").Increment(2);
  counters.For("").Increment();
  const std::string text = ToText(registry.Collect());
  for (const char* series : {"{class=\"policy\",protocol=\"http\"} 0\n",
                             "{class=\"other\",protocol=\"http\"} 3\n",
                             "{class=\"caller\",protocol=\"http\"} 1\n"}) {
    EXPECT_TRUE(absl::StrContains(text, series)) << series << text;
  }
}

TEST(LabelledTest, TakesHistogramBucketsAndAValueNamedOther) {
  prometheus::Registry registry;
  auto& family =
      HistogramFamily(registry, "agentgw_overhead_seconds", "Overhead.");
  const Labelled<prometheus::Histogram> histograms(
      family, "protocol", {"http", "other", "http"}, {}, OverheadBuckets());
  histograms.For("http").Observe(0.001);
  EXPECT_EQ(registry.Collect()[0].metric.size(), 2u);
  EXPECT_EQ(&histograms.For("other"), &histograms.For("x"));
}

}  // namespace
}  // namespace gateway::metrics
