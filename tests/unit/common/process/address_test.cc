#include "common/process/address.h"

#include <gtest/gtest.h>

namespace gateway::process {
namespace {

TEST(AddressTest, ReadsHostAndPort) {
  auto v4 = ParseAddress("127.0.0.1:8080");
  ASSERT_TRUE(v4.ok());
  EXPECT_EQ(v4->host, "127.0.0.1");
  EXPECT_EQ(v4->port, 8080);
  EXPECT_EQ(v4->ToString(), "127.0.0.1:8080");
  auto v6 = ParseAddress("[::1]:0");
  ASSERT_TRUE(v6.ok());
  EXPECT_EQ(v6->host, "::1");
  EXPECT_EQ(v6->ToString(), "[::1]:0");
}

TEST(AddressTest, RefusesWhatIsNoAddress) {
  for (const char* bad : {"", "host", ":80", "host:", "host:65536", "host:-1",
                          "::1:80", "host:80x"}) {
    EXPECT_FALSE(ParseAddress(bad).ok()) << bad;
  }
}

TEST(AddressTest, KnowsLoopback) {
  for (const char* loopback :
       {"127.0.0.1:1", "127.8.9.1:1", "[::1]:1", "localhost:1"}) {
    EXPECT_TRUE(ParseAddress(loopback)->IsLoopback()) << loopback;
  }
  for (const char* open : {"0.0.0.0:1", "[::]:1", "10.0.0.1:1", "host:1"}) {
    EXPECT_FALSE(ParseAddress(open)->IsLoopback()) << open;
  }
}

}  // namespace
}  // namespace gateway::process
