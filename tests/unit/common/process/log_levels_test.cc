#include "common/process/log_levels.h"

#include <gtest/gtest.h>

namespace gateway::process {
namespace {

using log::Enabled;
using log::Level;

const absl::Time kStart = absl::FromUnixSeconds(1000);

TEST(LogLevelsTest, AnOverrideEndsInTime) {
  LogLevels levels(Level::kInfo);
  EXPECT_FALSE(Enabled(Level::kDebug, "router"));
  levels.Override("", Level::kDebug, kStart + absl::Minutes(10));
  EXPECT_TRUE(Enabled(Level::kDebug, "router"));
  levels.Expire(kStart + absl::Minutes(9));
  EXPECT_TRUE(Enabled(Level::kDebug, "router"));
  levels.Expire(kStart + absl::Minutes(10));
  EXPECT_FALSE(Enabled(Level::kDebug, "router"));
  EXPECT_TRUE(Enabled(Level::kInfo, "router"));
}

TEST(LogLevelsTest, OneModuleIsSetAlone) {
  LogLevels levels(Level::kWarning);
  levels.Override("router", Level::kDebug, kStart);
  EXPECT_TRUE(Enabled(Level::kDebug, "router"));
  EXPECT_FALSE(Enabled(Level::kInfo, "session"));
  levels.Expire(kStart);
  EXPECT_FALSE(Enabled(Level::kInfo, "router"));
}

TEST(LogLevelsTest, AReloadStaysBelowAnOverride) {
  LogLevels levels(Level::kInfo);
  levels.Override("", Level::kError, kStart);
  levels.SetConfigured(Level::kDebug);
  EXPECT_FALSE(Enabled(Level::kInfo, "x"));
  levels.Expire(kStart);
  EXPECT_TRUE(Enabled(Level::kDebug, "x"));
  levels.SetConfigured(Level::kInfo);
  EXPECT_FALSE(Enabled(Level::kDebug, "x"));
}

TEST(LogLevelsTest, TellsWhatIsSet) {
  LogLevels levels(Level::kInfo);
  EXPECT_EQ(levels.Describe(),
            "{\"configured\":\"info\",\"level\":\"info\",\"modules\":{}}\n");
  levels.Override("router", Level::kDebug, kStart);
  EXPECT_EQ(levels.Describe(),
            "{\"configured\":\"info\",\"level\":\"info\",\"modules\":{"
            "\"router\":{\"level\":\"debug\",\"until\":"
            "\"1970-01-01T00:16:40+00:00\"}}}\n");
  levels.Expire(kStart);
}

}  // namespace
}  // namespace gateway::process
