#include "common/process/reloader.h"

#include <absl/strings/str_cat.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "tests/unit/common/process/fake_service.h"

namespace gateway::process {
namespace {

using testing::HasSubstr;

class ReloaderTest : public testing::Test {
 protected:
  ReloaderTest()
      : file_(
            absl::StrCat(testing::TempDir(), "reloader_", getpid(), ".yaml")) {
    Write("");
    reloader_.emplace(
        config::Sources{.file = file_,
                        .environment = {{"GATEWAY__THREADS", "2"}},
                        .settings = {"log.level=error"}},
        Loaded(),
        [this](const config::v1::Config& config) {
          return config.threads() == 13
                     ? absl::InvalidArgumentError("threads: not 13")
                     : absl::OkStatus();
        },
        &lifecycle_);
  }

  config::v1::Config Loaded() {
    config::v1::Config config;
    config.set_threads(2);
    config.mutable_log()->set_level(config::v1::LOG_LEVEL_ERROR);
    return config;
  }

  void Write(const std::string& yaml) { std::ofstream(file_) << yaml; }

  const std::string file_;
  FakeService service_;
  Lifecycle lifecycle_;
  std::optional<Reloader> reloader_;
};

TEST_F(ReloaderTest, NothingChangedChangesNothing) {
  EXPECT_EQ(*reloader_->Reload(service_),
            "{\"applied\":[],\"restart_needed\":[]}\n");
  EXPECT_EQ(reloader_->running()->DebugString(), Loaded().DebugString());
}

TEST_F(ReloaderTest, AHotKeyReachesTheService) {
  Write("streaming: false\nlimits: {maxRequestsInFlight: 7}\n");
  EXPECT_EQ(*reloader_->Reload(service_),
            "{\"applied\":[\"streaming\",\"limits.maxRequestsInFlight\"],"
            "\"restart_needed\":[]}\n");
  ASSERT_EQ(service_.reloaded.size(), 1);
  EXPECT_FALSE(service_.reloaded[0].streaming());
  EXPECT_EQ(service_.reloaded[0].limits().max_requests_in_flight(), 7);
  // Flags and variables stand over the file, as at the start.
  EXPECT_EQ(service_.reloaded[0].threads(), 2);
  EXPECT_EQ(reloader_->running()->log().level(), config::v1::LOG_LEVEL_ERROR);
}

TEST_F(ReloaderTest, AKeyOfTheStartIsReportedAndNotApplied) {
  Write(
      "session: {ttl: 5m}\nlimits: {maxBodyBytes: 1MiB}\n"
      "sessionStore: {dataDir: /elsewhere}\nstreaming: false\n");
  EXPECT_EQ(*reloader_->Reload(service_),
            "{\"applied\":[\"streaming\"],\"restart_needed\":[\"session.ttl\","
            "\"limits.maxBodyBytes\",\"sessionStore.dataDir\"]}\n");
  const config::v1::Config& now = service_.reloaded.at(0);
  EXPECT_FALSE(now.streaming());
  EXPECT_FALSE(now.session().has_ttl());
  EXPECT_FALSE(now.limits().has_max_body_bytes());
  EXPECT_EQ(now.session_store().data_dir(), "");
  EXPECT_TRUE(lifecycle_.reload_ok());
}

TEST_F(ReloaderTest, ABadConfigLeavesTheLastGoodOne) {
  Write("streaming: perhaps\n");
  const absl::Status refused = reloader_->Reload(service_).status();
  EXPECT_THAT(std::string(refused.message()), HasSubstr(":1: streaming: "));
  EXPECT_TRUE(service_.reloaded.empty());
  EXPECT_FALSE(lifecycle_.reload_ok());
  EXPECT_FALSE(reloader_->running()->has_streaming());
  Write("streaming: false\n");
  EXPECT_TRUE(reloader_->Reload(service_).ok());
  EXPECT_TRUE(lifecycle_.reload_ok());
}

TEST_F(ReloaderTest, WhatTheCheckRefusesIsNotApplied) {
  reloader_.emplace(
      config::Sources{.settings = {"threads=13"}}, Loaded(),
      [](const config::v1::Config&) {
        return absl::InvalidArgumentError("threads: not 13");
      },
      &lifecycle_);
  EXPECT_EQ(reloader_->Reload(service_).status().message(), "threads: not 13");
  EXPECT_TRUE(service_.reloaded.empty());
}

TEST_F(ReloaderTest, WhatTheServiceRefusesIsNotInUse) {
  service_.reload = absl::InternalError("no");
  Write("streaming: false\n");
  EXPECT_FALSE(reloader_->Reload(service_).ok());
  EXPECT_FALSE(lifecycle_.reload_ok());
  EXPECT_FALSE(reloader_->running()->has_streaming());
}

TEST_F(ReloaderTest, ReadsTheConfigAndTheSecretsItNames) {
  EXPECT_THAT(reloader_->Files(), testing::ElementsAre(file_));
  Write("providers: {a: {baseUrl: 'http://a', key: {file: /secrets/a}}}\n");
  ASSERT_TRUE(reloader_->Reload(service_).ok());
  EXPECT_THAT(reloader_->Files(), testing::ElementsAre(file_, "/secrets/a"));
}

}  // namespace
}  // namespace gateway::process
