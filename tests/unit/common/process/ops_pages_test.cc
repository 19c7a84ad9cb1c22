#include "common/process/ops_pages.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "common/process/version.h"
#include "tests/unit/common/process/fake_service.h"

namespace gateway::process {
namespace {

using testing::HasSubstr;

const absl::Time kStart = absl::FromUnixSeconds(1000);

class OpsPagesTest : public testing::Test {
 protected:
  Page Get(const char* path) {
    return pages_.Get("GET", path, kStart + absl::Seconds(7));
  }

  std::string StatusText() {
    return boost::json::parse(Get("/readyz").body)
        .at("status")
        .as_string()
        .c_str();
  }

  FakeService service_;
  Lifecycle lifecycle_;
  Watchdog watchdog_{{}};
  OpsPages pages_{&service_, &lifecycle_, &watchdog_, kStart};
};

TEST_F(OpsPagesTest, WhileStartingOnlyLivenessIsGood) {
  EXPECT_EQ(Get("/livez").status, 200);
  EXPECT_EQ(Get("/readyz").status, 503);
  EXPECT_EQ(Get("/startupz").status, 503);
  EXPECT_EQ(StatusText(), "starting");
}

TEST_F(OpsPagesTest, WhileServingAllAreGood) {
  lifecycle_.Set(Phase::kServing);
  for (const char* path : {"/livez", "/readyz", "/startupz"}) {
    EXPECT_EQ(Get(path).status, 200) << path;
  }
  EXPECT_EQ(StatusText(), "ok");
}

TEST_F(OpsPagesTest, WhileDrainingReadinessIsGone) {
  lifecycle_.Set(Phase::kDraining);
  EXPECT_EQ(Get("/livez").status, 200);
  EXPECT_EQ(Get("/readyz").status, 503);
  EXPECT_EQ(Get("/startupz").status, 200);
  EXPECT_EQ(StatusText(), "draining");
}

TEST_F(OpsPagesTest, AFailedPartCostsReadinessADegradedOneDoesNot) {
  lifecycle_.Set(Phase::kServing);
  service_.checks = {{.name = "database"},
                     {.name = "peer",
                      .state = Check::State::kDegraded,
                      .reason = "no answer"}};
  EXPECT_EQ(Get("/readyz").status, 200);
  EXPECT_EQ(StatusText(), "degraded");
  service_.checks[0].state = Check::State::kFailed;
  service_.checks[0].reason = "disk full";
  EXPECT_EQ(Get("/readyz").status, 503);
  EXPECT_EQ(Get("/livez").status, 200);
  EXPECT_EQ(Get("/startupz").status, 200);
}

TEST_F(OpsPagesTest, AStuckLoopCostsLivenessAlone) {
  lifecycle_.Set(Phase::kServing);
  watchdog_.Look(kStart, {{"disk-1", absl::Seconds(30)}});
  EXPECT_EQ(Get("/livez").status, 503);
  EXPECT_EQ(Get("/readyz").status, 200);
  const auto page = boost::json::parse(Get("/livez").body).as_object();
  EXPECT_EQ(page.at("status"), "degraded");
  EXPECT_EQ(page.at("checks").at("disk-1"), "stuck");
  // Also while it drains.
  lifecycle_.Set(Phase::kDraining);
  EXPECT_EQ(Get("/livez").status, 503);
  watchdog_.Look(kStart, {});
  EXPECT_EQ(Get("/livez").status, 200);
}

TEST_F(OpsPagesTest, ThePageOfAProbeIsThis) {
  lifecycle_.Set(Phase::kServing);
  service_.checks = {{.name = "database"}};
  EXPECT_EQ(Get("/readyz").body,
            "{\"status\":\"ok\",\"service\":\"fake\",\"version\":\"" +
                GetBuildInfo().version +
                "\",\"uptime_s\":7,\"checks\":{\"database\":\"ok\"}}\n");
}

TEST_F(OpsPagesTest, TellsNameVersionUptimeAndChecks) {
  lifecycle_.Set(Phase::kServing);
  service_.checks = {{.name = "database"},
                     {.name = "peer",
                      .state = Check::State::kDegraded,
                      .reason = "no \"answer\""}};
  const auto page = boost::json::parse(Get("/readyz").body).as_object();
  EXPECT_EQ(page.at("service"), "fake");
  EXPECT_EQ(page.at("uptime_s"), 7);
  EXPECT_FALSE(page.at("version").as_string().empty());
  EXPECT_EQ(page.at("checks").at("database"), "ok");
  EXPECT_EQ(page.at("checks").at("peer"), "no \"answer\"");
}

TEST_F(OpsPagesTest, MergesMetricFamiliesOfOneName) {
  prometheus::MetricFamily family;
  family.name = "agentgw_things_total";
  family.help = "Things.";
  family.type = prometheus::MetricType::Counter;
  family.metric.resize(1);
  family.metric[0].label = {{"service", "a"}};
  service_.families.push_back(family);
  family.metric[0].label = {{"service", "b"}};
  service_.families.push_back(family);
  const Page page = Get("/metrics");
  EXPECT_THAT(page.body, HasSubstr("# HELP agentgw_things_total Things.\n"
                                   "# TYPE agentgw_things_total counter\n"
                                   "agentgw_things_total{service=\"a\"} 0\n"
                                   "agentgw_things_total{service=\"b\"} 0\n"));
  EXPECT_THAT(page.content_type, HasSubstr("version=0.0.4"));
}

TEST_F(OpsPagesTest, ShowsTheSeriesOfTheProcess) {
  EXPECT_THAT(Get("/metrics").body, HasSubstr("agentgw_build_info{"));
  EXPECT_THAT(Get("/metrics").body, HasSubstr("process_open_fds"));
  EXPECT_THAT(Get("/metrics").body, HasSubstr("agentgw_draining 0"));
  lifecycle_.Set(Phase::kDraining);
  EXPECT_THAT(Get("/metrics").body, HasSubstr("agentgw_draining 1"));
  EXPECT_THAT(Get("/metrics").body,
              HasSubstr("agentgw_config_last_reload_successful 1"));
  lifecycle_.SetReloadOk(false);
  EXPECT_THAT(Get("/metrics").body,
              HasSubstr("agentgw_config_last_reload_successful 0"));
}

TEST_F(OpsPagesTest, RefusesOtherPathsAndMethods) {
  EXPECT_EQ(Get("/nothing").status, 404);
  EXPECT_EQ(pages_.Get("POST", "/readyz", kStart).status, 405);
  EXPECT_EQ(pages_.Get("POST", "/readyz", kStart).allow, "GET");
  EXPECT_THAT(Get("/version").body, HasSubstr("\"revision\""));
}

}  // namespace
}  // namespace gateway::process
