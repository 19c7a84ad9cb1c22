#include "services/session_store/session_cleaner.h"

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <optional>
#include <string>
#include <thread>

#include "common/concurrency/spawn.h"
#include "common/status/error.h"
#include "tests/fakes/in_memory_session_repository.h"
#include "tests/support/fake_clock.h"

namespace gateway::session_store {
namespace {

Awaitable<void> SweepOnce(SessionCleaner& cleaner,
                          std::optional<absl::Status>& result) {
  result = co_await cleaner.Sweep();
}

class SessionCleanerTest : public testing::Test {
 protected:
  absl::Status Sweep() {
    boost::asio::io_context io;
    std::optional<absl::Status> result;
    SpawnDetached(io.get_executor(), SweepOnce(cleaner_, result));
    io.run();
    return *result;
  }

  void Create(const std::string& tenant, int sessions) {
    for (int i = 0; i < sessions; ++i) {
      ASSERT_TRUE(tree_.CreateSession({tenant, ""}, "").ok());
    }
  }

  void AddTurns(const SessionName& name, int turns) {
    for (int i = 0; i < turns; ++i) {
      CommitTurnParams params;
      params.session = name;
      params.request_id = std::to_string(i);
      ASSERT_TRUE(tree_.CommitTurn(params).ok());
    }
  }

  FakeClock clock_;
  InMemorySessionRepository repository_;
  SessionTree tree_{SessionTreeOptions(), &repository_, &clock_};
  Metrics metrics_;
  BoundedExecutor executor_{{.name = "test", .threads = 1}};
  SessionCleaner cleaner_{{.interval = absl::Minutes(1), .step = 8},
                          &tree_,
                          &repository_,
                          &executor_,
                          &clock_,
                          &metrics_};
};

TEST_F(SessionCleanerTest, ASweepRemovesAllThatHasExpiredInManySteps) {
  Create("a", 30);
  Create("b", 30);
  ASSERT_TRUE(tree_.CreateSession({"a", ""}, "long").ok());
  AddTurns({{"a", ""}, "long"}, 30);
  clock_.Advance(absl::Hours(24));
  Create("b", 1);
  ASSERT_TRUE(Sweep().ok());
  EXPECT_EQ(repository_.SessionCount("a"), 0);
  EXPECT_EQ(repository_.SessionCount("b"), 1);
  EXPECT_EQ(repository_.StoredTurns(), 0u);
}

TEST_F(SessionCleanerTest, ASweepEndsThoughNothingIsDue) {
  for (int i = 0; i < 20; ++i) Create(std::to_string(i), 1);
  ASSERT_TRUE(Sweep().ok());
  EXPECT_EQ(repository_.TotalSessionCount(), 20);
}

TEST_F(SessionCleanerTest, ASweepPassesWhatIsDamaged) {
  for (int i = 0; i < 20; ++i) {
    const SessionName name{{"a", ""}, std::to_string(i)};
    ASSERT_TRUE(tree_.CreateSession(name.owner, name.session_id).ok());
    repository_.Damage(name);
  }
  Create("a", 10);
  Create("b", 10);
  clock_.Advance(absl::Hours(24));
  ASSERT_TRUE(Sweep().ok());
  EXPECT_EQ(repository_.SessionCount("a"), 20);
  EXPECT_EQ(repository_.SessionCount("b"), 0);
  clock_.Advance(absl::Hours(24));
  ASSERT_TRUE(Sweep().ok());
  EXPECT_EQ(repository_.SessionCount("a"), 0);
}

TEST_F(SessionCleanerTest, ASweepThatFailsSaysSo) {
  Create("a", 1);
  clock_.Advance(absl::Hours(24));
  repository_.FailWith(MakeError(reason::kSessionUnavailable, "disk"));
  EXPECT_TRUE(absl::IsUnavailable(Sweep()));
}

TEST_F(SessionCleanerTest, RunsAtOnceAndAfterEachIntervalUntilCancelled) {
  Create("a", 1);
  boost::asio::io_context io;
  boost::asio::cancellation_signal cancel;
  bool ended = false;
  Spawn(io.get_executor(), cleaner_.Run(), cancel.slot(),
        [&] { ended = true; });
  std::thread thread([&io] { io.run(); });
  ASSERT_TRUE(clock_.AwaitSleepers(1));
  EXPECT_EQ(repository_.SessionCount("a"), 1);
  EXPECT_EQ(clock_.NextWakeup(), clock_.Now() + absl::Minutes(1));

  clock_.Advance(absl::Hours(24));
  ASSERT_TRUE(clock_.AwaitSleepers(1));
  EXPECT_EQ(repository_.SessionCount("a"), 0);

  boost::asio::post(
      io, [&] { cancel.emit(boost::asio::cancellation_type::terminal); });
  thread.join();
  EXPECT_TRUE(ended);
}

}  // namespace
}  // namespace gateway::session_store
