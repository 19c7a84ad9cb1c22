#include "common/process/local_http.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "common/process/page_server.h"

namespace gateway::process {
namespace {

std::unique_ptr<PageServer> Serve(Page page) {
  auto server = PageServer::Start(
      "test", {"127.0.0.1", 0},
      [page](const http::Request&) -> Awaitable<Page> { co_return page; });
  EXPECT_TRUE(server.ok()) << server.status();
  return server.ok() ? *std::move(server) : nullptr;
}

TEST(LocalHttpTest, ReadinessIsTheStatusOfThePage) {
  const auto ready = Serve({.body = "{}"});
  // A wildcard address is asked on loopback.
  EXPECT_TRUE(AskReadiness({"0.0.0.0", ready->port()}).ok());
  const auto starting = Serve({.status = 503, .body = "\"starting\""});
  const absl::Status said = AskReadiness({"127.0.0.1", starting->port()});
  EXPECT_EQ(said.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(said.message()), testing::HasSubstr("\"starting\""));
}

TEST(LocalHttpTest, SaysThatNobodyListens) {
  const uint16_t port = Serve({})->port();
  EXPECT_THAT(std::string(AskReadiness({"127.0.0.1", port}).message()),
              testing::HasSubstr("nothing listens"));
  EXPECT_EQ(AskDrain({"127.0.0.1", port}, absl::Seconds(1)).code(),
            absl::StatusCode::kUnavailable);
}

TEST(LocalHttpTest, WaitsForTheEndOfWhatDrains) {
  auto server = Serve({.body = "{}"});
  const Address admin{"127.0.0.1", server->port()};
  EXPECT_EQ(AskDrain(admin, absl::Milliseconds(50)).code(),
            absl::StatusCode::kDeadlineExceeded);
  std::jthread ending([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    server.reset();
  });
  EXPECT_TRUE(AskDrain(admin, absl::Seconds(20)).ok());
}

TEST(LocalHttpTest, TellsThatADrainIsRefused) {
  const auto server = Serve({.status = 409, .body = "no"});
  EXPECT_THAT(
      std::string(
          AskDrain({"127.0.0.1", server->port()}, absl::Seconds(1)).message()),
      testing::HasSubstr("refused: no"));
}

TEST(PageServerTest, RefusesATakenAddress) {
  const auto first = Serve({});
  EXPECT_EQ(PageServer::Start("test", {"127.0.0.1", first->port()}, nullptr)
                .status()
                .code(),
            absl::StatusCode::kUnavailable);
}

}  // namespace
}  // namespace gateway::process
