#include "common/process/config_watch.h"

#include <absl/strings/str_cat.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace gateway::process {
namespace {

namespace fs = std::filesystem;

class ConfigWatchTest : public testing::Test {
 protected:
  ConfigWatchTest()
      : folder_(fs::path(testing::TempDir()) /
                absl::StrCat("config_watch_", getpid())) {
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  ~ConfigWatchTest() override { fs::remove_all(folder_); }

  void Write(const std::string& name) {
    std::ofstream(folder_ / name) << "streaming: true\n";
  }

  const fs::path folder_;
};

TEST_F(ConfigWatchTest, SeesAFileWrittenAndReplaced) {
  Write("gateway.yaml");
  ConfigWatch watch({folder_ / "gateway.yaml"});
  EXPECT_FALSE(watch.TakeChange());
  Write("gateway.yaml");
  EXPECT_TRUE(watch.TakeChange());
  EXPECT_FALSE(watch.TakeChange());
  for (int i = 0; i < 2; ++i) {
    Write("new");
    EXPECT_FALSE(watch.TakeChange());
    fs::rename(folder_ / "new", folder_ / "gateway.yaml");
    EXPECT_TRUE(watch.TakeChange()) << i;
  }
}

TEST_F(ConfigWatchTest, OtherFilesOfTheFolderAreNotItsOwn) {
  Write("gateway.yaml");
  ConfigWatch watch({folder_ / "gateway.yaml"});
  Write("other.yaml");
  EXPECT_FALSE(watch.TakeChange());
}

// What the kubelet does: gateway.yaml -> ..data/gateway.yaml, and ..data, a
// link to a folder of the day, is renamed over.
TEST_F(ConfigWatchTest, SeesTheSwapOfAVolume) {
  const auto publish = [&](const std::string& day) {
    fs::create_directory(folder_ / day);
    Write(day + "/gateway.yaml");
    fs::create_symlink(day, folder_ / "..data_tmp");
    fs::rename(folder_ / "..data_tmp", folder_ / "..data");
  };
  publish("..1");
  fs::create_symlink("..data/gateway.yaml", folder_ / "gateway.yaml");
  ConfigWatch watch({folder_ / "gateway.yaml"});
  publish("..2");
  EXPECT_TRUE(watch.TakeChange());
  publish("..3");
  EXPECT_TRUE(watch.TakeChange());
}

TEST_F(ConfigWatchTest, WhatIsNotThereNeverChanges) {
  ConfigWatch watch({folder_ / "nowhere/gateway.yaml"});
  EXPECT_FALSE(watch.TakeChange());
}

}  // namespace
}  // namespace gateway::process
