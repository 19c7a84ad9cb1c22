#include "common/process/admin_pages.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <future>

#include "common/concurrency/spawn.h"
#include "tests/unit/common/process/fake_service.h"

namespace gateway::process {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

// Answers at once.
class FakeControl : public Control {
 public:
  Outcome Ask(Event::Kind kind) override {
    asked.push_back(kind);
    std::promise<absl::StatusOr<std::string>> promise;
    promise.set_value(answer);
    return promise.get_future();
  }
  std::vector<Event::Kind> asked;
  absl::StatusOr<std::string> answer = std::string("{}\n");
};

class AdminPagesTest : public testing::Test {
 protected:
  AdminPagesTest() {
    config::v1::Config config;
    config.add_keys()->set_id("team-a");
    config.mutable_keys(0)->set_sha256("5ec2e7");
    reloader_.emplace(config::Sources{}, config, nullptr, &lifecycle_);
    pages_.emplace(
        AdminPages::Parts{&service_, &*reloader_, &levels_, &control_});
  }

  Page Ask(const std::string& method, const std::string& target,
           http::Headers headers = {}) {
    http::Request request;
    request.method = method;
    request.target = target;
    request.headers = headers;
    request.headers.Add("host", "localhost:9901");
    Page page;
    boost::asio::io_context io;
    SpawnDetached(io.get_executor(), Take(*pages_, request, page));
    io.run();
    return page;
  }

  static Awaitable<void> Take(const AdminPages& pages,
                              const http::Request& request, Page& page) {
    page = co_await pages.Answer(request);
  }

  // Is asked for its peers: says so, and answers when it may.
  class SlowService final : public FakeService {
   public:
    std::vector<Peer> PeerStates() const override {
      asked.set_value();
      answer.get_future().wait();
      answered = true;
      return peers;
    }
    mutable std::promise<void> asked;
    mutable std::promise<void> answer;
    mutable std::atomic<bool> answered{false};
  };

  FakeService service_;
  Lifecycle lifecycle_;
  LogLevels levels_{log::Level::kInfo};
  FakeControl control_;
  std::optional<Reloader> reloader_;
  std::optional<AdminPages> pages_;
};

TEST_F(AdminPagesTest, DumpsTheConfigWithoutWhatIsSensitive) {
  const Page page = Ask("GET", "/config_dump");
  EXPECT_EQ(page.status, 200);
  EXPECT_THAT(page.body,
              AllOf(HasSubstr("keys:\n- id: team-a\n"),
                    HasSubstr("sha256: \"<redacted>\"\n"),
                    HasSubstr("  ttl: 24h\n"), Not(HasSubstr("5ec2e7"))));
}

TEST_F(AdminPagesTest, TellsPeersSessionsAndMemory) {
  service_.peers = {{"model-router", "dns:///model-router:50051", "ok"},
                    {"metrics-collector", "in process", ""}};
  EXPECT_EQ(Ask("GET", "/peers").body,
            "{\"peers\":[{\"name\":\"model-router\",\"target\":"
            "\"dns:///model-router:50051\",\"state\":\"ok\"},"
            "{\"name\":\"metrics-collector\",\"target\":\"in process\","
            "\"state\":\"not asked\"}]}\n");
  EXPECT_EQ(Ask("GET", "/sessions/stats").status, 404);
  service_.statistics = {{"sessions", 7}};
  EXPECT_EQ(Ask("GET", "/sessions/stats").body, "{\"sessions\":7}\n");
  EXPECT_THAT(Ask("GET", "/memory").body, HasSubstr("\"rss\":"));
}

TEST_F(AdminPagesTest, AServiceThatStopsIsNotAsked) {
  service_.peers = {{"model-router", "in process", "ok"}};
  service_.statistics = {{"sessions", 7}};
  pages_->ServiceStops();
  for (const char* path : {"/peers", "/sessions/stats"}) {
    const Page page = Ask("GET", path);
    EXPECT_EQ(page.status, 503) << path;
    EXPECT_EQ(page.body, "{\"error\":\"the service stops\"}\n");
  }
  for (const char* path : {"/config_dump", "/logging", "/memory"}) {
    EXPECT_EQ(Ask("GET", path).status, 200) << path;
  }
}

TEST_F(AdminPagesTest, AServiceStopsOnlyAfterAPageThatAsksIt) {
  SlowService slow;
  pages_.emplace(AdminPages::Parts{&slow, &*reloader_, &levels_, &control_});
  auto page =
      std::async(std::launch::async, [&] { return Ask("GET", "/peers"); });
  slow.asked.get_future().wait();
  auto stops = std::async(std::launch::async, [&] {
    pages_->ServiceStops();
    return slow.answered.load();
  });
  EXPECT_EQ(stops.wait_for(std::chrono::milliseconds(50)),
            std::future_status::timeout);
  slow.answer.set_value();
  EXPECT_TRUE(stops.get());
  EXPECT_EQ(page.get().status, 200);
}

TEST_F(AdminPagesTest, SetsTheLogsLevel) {
  EXPECT_EQ(Ask("POST", "/logging?level=debug").status, 200);
  EXPECT_TRUE(log::Enabled(log::Level::kDebug, "x"));
  EXPECT_THAT(Ask("GET", "/logging").body, HasSubstr("\"level\":\"debug\""));
  EXPECT_EQ(Ask("POST", "/logging?level=error&module=router&for=10m").status,
            200);
  EXPECT_FALSE(log::Enabled(log::Level::kInfo, "router"));
  levels_.Expire(absl::Now() + absl::Minutes(11));
  EXPECT_TRUE(log::Enabled(log::Level::kInfo, "router"));
  levels_.Override("", log::Level::kInfo, absl::InfinitePast());
  levels_.Expire(absl::Now());
}

TEST_F(AdminPagesTest, ABadQueryIs400AndChangesNothing) {
  const std::string before = levels_.Describe();
  for (const char* query : {"", "?level=loud", "?level=debug&level=info",
                            "?level=debug&nothing=1", "?level=debug&for=soon",
                            "?level=debug&for=0", "?level=debug&module="}) {
    EXPECT_EQ(Ask("POST", std::string("/logging") + query).status, 400)
        << query;
  }
  EXPECT_EQ(Ask("GET", "/logging?level=debug").status, 400);
  EXPECT_EQ(Ask("POST", "/drain?now=1").status, 400);
  EXPECT_EQ(levels_.Describe(), before);
  EXPECT_THAT(control_.asked, IsEmpty());
}

TEST_F(AdminPagesTest, AsksTheMainThread) {
  using Kind = Event::Kind;
  for (const char* path : {"/drain", "/undrain", "/reload"}) {
    EXPECT_EQ(Ask("POST", path).status, 200) << path;
  }
  EXPECT_THAT(control_.asked,
              ElementsAre(Kind::kDrain, Kind::kUndrain, Kind::kReload));
  control_.answer = absl::FailedPreconditionError("too late");
  EXPECT_EQ(Ask("POST", "/undrain").status, 409);
  control_.answer = absl::InvalidArgumentError("f.yaml:1: streaming: \"x\"");
  const Page refused = Ask("POST", "/reload");
  EXPECT_EQ(refused.status, 422);
  EXPECT_EQ(refused.body, "{\"error\":\"f.yaml:1: streaming: \\\"x\\\"\"}\n");
  control_.answer = absl::UnavailableError("the process ends");
  EXPECT_EQ(Ask("POST", "/drain").status, 503);
}

TEST_F(AdminPagesTest, GetChangesNothingAndAWrongMethodIs405) {
  for (const char* path : {"/drain", "/undrain", "/reload"}) {
    const Page page = Ask("GET", path);
    EXPECT_EQ(page.status, 405) << path;
    EXPECT_EQ(page.allow, "POST") << path;
  }
  for (const char* path :
       {"/config_dump", "/peers", "/memory", "/sessions/stats"}) {
    const Page page = Ask("POST", path);
    EXPECT_EQ(page.status, 405) << path;
    EXPECT_EQ(page.allow, "GET") << path;
  }
  EXPECT_EQ(Ask("DELETE", "/logging").allow, "GET, POST");
  EXPECT_EQ(Ask("GET", "/nothing").status, 404);
  EXPECT_EQ(Ask("POST", "/nothing").status, 404);
  EXPECT_THAT(control_.asked, IsEmpty());
}

TEST_F(AdminPagesTest, ABrowserIsRefused) {
  const http::Headers origin{{"origin", "https://example.org"}};
  EXPECT_EQ(Ask("POST", "/drain", origin).status, 403);
  const http::Headers rebound{{"host", "example.org"}};
  EXPECT_EQ(Ask("GET", "/config_dump", rebound).status, 403);
  const http::Headers forwarded{{"host", "127.0.0.1:19901"}};
  EXPECT_EQ(Ask("GET", "/config_dump", forwarded).status, 200);
  EXPECT_THAT(control_.asked, IsEmpty());
}

}  // namespace
}  // namespace gateway::process
