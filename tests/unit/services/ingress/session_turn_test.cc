#include "services/ingress/session_turn.h"

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <chrono>

#include "common/status/error.h"
#include "tests/fakes/memory_session_store.h"
#include "tests/support/fake_clock.h"
#include "tests/support/run_flow.h"

namespace gateway::ingress {
namespace {

using model_router::v1::SESSION_MODE_NEW;

class SessionTurnTest : public ::testing::Test {
 protected:
  SessionTurnTest() {
    access_.store = &store_;
    access_.clock = &clock_;
    context_.set_request_id("req_1");
    context_.mutable_account()->set_tenant("t");
    wish_.session_id = "s";
  }

  Awaitable<absl::Status> BeginOf(SessionTurn& turn) {
    return turn.Begin(wish_, SESSION_MODE_NEW, conversation_);
  }
  // The store answers nothing; the limits are short, and of real time.
  void Hang() {
    store_.SetHanging(true);
    access_.clock = RealClock();
    access_.options.begin_timeout = absl::Milliseconds(300);
    access_.options.begin_timeout_while_away = absl::Milliseconds(5);
  }
  void RunToEnd(TestFlow<absl::Status>& flow) {
    io_.restart();
    while (!flow.done() && io_.run_one_for(std::chrono::seconds(10)) > 0) {
    }
    ASSERT_TRUE(flow.done());
  }
  absl::Status Begin(SessionTurn& turn) {
    TestFlow<absl::Status> flow(io_, BeginOf(turn));
    EXPECT_TRUE(flow.done());
    return flow.result();
  }
  absl::Status Commit(SessionTurn& turn) {
    TestFlow<absl::Status> flow(io_, turn.Commit({}));
    for (int i = 0; i < 1000 && !flow.done(); ++i) {
      clock_.Advance(absl::Milliseconds(100));
      flow.Poll();
    }
    EXPECT_TRUE(flow.done());
    return flow.result();
  }
  void Abandon(SessionTurn& turn) {
    VoidTestFlow flow(io_, turn.Abandon());
    EXPECT_TRUE(flow.done());
  }

  boost::asio::io_context io_;
  FakeClock clock_;
  MemorySessionStore store_;
  SessionAccess access_;
  common::v1::CallContext context_;
  SessionWish wish_;
  model_router::v1::SessionContext conversation_;
};

TEST_F(SessionTurnTest, ATurnIsBegunAndCommitted) {
  SessionTurn turn(access_, context_, io_.get_executor());
  ASSERT_TRUE(Begin(turn).ok());
  EXPECT_EQ(turn.session_id(), "s");
  EXPECT_EQ(turn.turn_count(), 0);
  EXPECT_TRUE(store_.leased("t", "", "s"));
  ASSERT_TRUE(Commit(turn).ok());
  EXPECT_EQ(store_.turns("t", "", "s"), 1);
  EXPECT_FALSE(store_.leased("t", "", "s"));

  SessionTurn second(access_, context_, io_.get_executor());
  ASSERT_TRUE(Begin(second).ok());
  EXPECT_EQ(second.turn_count(), 1);
  EXPECT_EQ(conversation_.turns_size(), 1);
  EXPECT_EQ(conversation_.mode(), SESSION_MODE_NEW);
  Abandon(second);
}

TEST_F(SessionTurnTest, AbandoningFreesTheLeaseAndStoresNothing) {
  SessionTurn turn(access_, context_, io_.get_executor());
  ASSERT_TRUE(Begin(turn).ok());
  Abandon(turn);
  EXPECT_FALSE(store_.leased("t", "", "s"));
  EXPECT_EQ(store_.turns("t", "", "s"), 0);
}

TEST_F(SessionTurnTest, AbandoningAlsoWorksInACancelledFlow) {
  SessionTurn turn(access_, context_, io_.get_executor());
  ASSERT_TRUE(Begin(turn).ok());
  const auto wait_then_abandon = [&]() -> Awaitable<bool> {
    co_await clock_.SleepFor(absl::Hours(1));
    co_await turn.Abandon();
    co_return true;
  };
  TestFlow<bool> flow(io_, wait_then_abandon());
  flow.Cancel();
  ASSERT_TRUE(flow.done());
  EXPECT_FALSE(store_.leased("t", "", "s"));
}

TEST_F(SessionTurnTest, TheLeaseIsRenewedWhileTheTurnRuns) {
  SessionTurn turn(access_, context_, io_.get_executor());
  ASSERT_TRUE(Begin(turn).ok());
  for (int i = 1; i <= 3; ++i) {
    io_.restart();
    io_.poll();
    clock_.Advance(absl::Seconds(10));
    io_.poll();
    EXPECT_EQ(store_.calls("RenewLease"), i);
  }
  Abandon(turn);
  clock_.Advance(absl::Seconds(60));
  io_.restart();
  io_.poll();
  EXPECT_EQ(store_.calls("RenewLease"), 3);
}

TEST_F(SessionTurnTest, ALostLeaseIsNotRenewedButATroubledStoreIsAskedAgain) {
  SessionTurn turn(access_, context_, io_.get_executor());
  ASSERT_TRUE(Begin(turn).ok());
  const auto step = [&] {
    io_.restart();
    io_.poll();
    clock_.Advance(absl::Seconds(10));
    io_.poll();
  };
  store_.Fail("RenewLease", absl::UnavailableError("down"));
  step();
  store_.Fail("RenewLease", MakeError(reason::kLeaseLost, "lost"));
  step();
  EXPECT_EQ(store_.calls("RenewLease"), 2);
  step();
  EXPECT_EQ(store_.calls("RenewLease"), 2);
  EXPECT_TRUE(Commit(turn).ok());
}

TEST_F(SessionTurnTest, TheStoresOwnErrorsPass) {
  SessionTurn first(access_, context_, io_.get_executor());
  ASSERT_TRUE(Begin(first).ok());
  SessionTurn second(access_, context_, io_.get_executor());
  const absl::Status busy = Begin(second);
  EXPECT_EQ(busy.code(), absl::StatusCode::kAborted);
  EXPECT_EQ(ReasonOf(busy), reason::kSessionBusy);
  EXPECT_TRUE(DetailOf(busy)->has_retry_delay());
  Abandon(second);
  EXPECT_TRUE(store_.leased("t", "", "s"));
  Abandon(first);
}

TEST_F(SessionTurnTest, AStoreThatIsAwayIsUnavailable) {
  store_.Fail("BeginTurn", absl::UnavailableError("connection refused"));
  SessionTurn turn(access_, context_, io_.get_executor());
  const absl::Status away = Begin(turn);
  EXPECT_EQ(ReasonOf(away), reason::kSessionUnavailable);
  EXPECT_EQ(away.code(), absl::StatusCode::kUnavailable);
  EXPECT_TRUE(DetailOf(away)->has_retry_delay());
  EXPECT_TRUE(access_.away);
}

TEST_F(SessionTurnTest, NobodyWaitsForAStoreThatIsAway) {
  EXPECT_LT(SessionOptions().begin_timeout_while_away, absl::Milliseconds(100));
  Hang();
  access_.away = true;
  SessionTurn turn(access_, context_, io_.get_executor());
  const absl::Time start = RealClock()->Now();
  TestFlow<absl::Status> brief(io_, BeginOf(turn));
  EXPECT_LT(store_.begin_deadlines()[0] - start,
            access_.options.begin_timeout / 2);
  // Meanwhile it was seen.
  access_.away = false;
  RunToEnd(brief);
  EXPECT_EQ(ReasonOf(brief.result()), reason::kSessionUnavailable);
  EXPECT_FALSE(access_.away);
}

TEST_F(SessionTurnTest, AStoreThatIsAwayIsLookedForUntilItAnswers) {
  VoidTestFlow watching(io_, WatchForStore(access_));
  const auto look = [&] {
    clock_.Advance(access_.options.look_interval);
    watching.Poll();
  };
  look();
  EXPECT_EQ(store_.calls("GetSession"), 0);
  access_.away = true;
  for (const absl::Status& silent :
       {absl::UnavailableError("refused"),
        static_cast<absl::Status>(DeadlineExceeded())}) {
    store_.Fail("GetSession", silent);
    look();
    EXPECT_TRUE(access_.away) << silent;
  }
  store_.Fail("GetSession", Overloaded("full"));
  look();
  EXPECT_FALSE(access_.away);
  EXPECT_EQ(store_.calls("GetSession"), 3);
  watching.Cancel();
  EXPECT_TRUE(watching.done());
}

TEST_F(SessionTurnTest, TheStoreIsBackWithItsFirstAnswer) {
  access_.away = true;
  wish_.expected_turn_count = 7;
  SessionTurn refused(access_, context_, io_.get_executor());
  EXPECT_EQ(ReasonOf(Begin(refused)), reason::kSessionTurnMismatch);
  EXPECT_FALSE(access_.away);
}

TEST_F(SessionTurnTest, AStoreThatSaysWhyItCannotIsNotAway) {
  for (const char* why :
       {reason::kOverloaded, reason::kStorageUnavailable, reason::kDraining}) {
    store_.Fail("BeginTurn", MakeError(why, "not now"));
    SessionTurn turn(access_, context_, io_.get_executor());
    EXPECT_EQ(ReasonOf(Begin(turn)), reason::kSessionUnavailable);
    EXPECT_FALSE(access_.away) << why;
  }
  store_.Fail("BeginTurn", DeadlineExceeded());
  SessionTurn turn(access_, context_, io_.get_executor());
  EXPECT_FALSE(Begin(turn).ok());
  EXPECT_TRUE(access_.away);
}

TEST_F(SessionTurnTest, NothingIsAbandonedBehindACommit) {
  SessionTurn turn(access_, context_, io_.get_executor());
  ASSERT_TRUE(Begin(turn).ok());
  ASSERT_TRUE(Commit(turn).ok());
  Abandon(turn);
  EXPECT_EQ(store_.calls("AbandonTurn"), 0);

  SessionTurn unsaved(access_, context_, io_.get_executor());
  ASSERT_TRUE(Begin(unsaved).ok());
  store_.Fail("CommitTurn", MakeError(reason::kInvalidRequest, "no"));
  EXPECT_FALSE(Commit(unsaved).ok());
  Abandon(unsaved);
  EXPECT_EQ(store_.calls("AbandonTurn"), 1);
}

TEST_F(SessionTurnTest, ACommitIsTriedAgainWhileTheStoreIsUnavailable) {
  SessionTurn turn(access_, context_, io_.get_executor());
  ASSERT_TRUE(Begin(turn).ok());
  store_.Fail("CommitTurn", absl::UnavailableError("restarting"));
  TestFlow<absl::Status> flow(io_, turn.Commit({}));
  EXPECT_FALSE(flow.done());
  store_.Fail("CommitTurn", absl::OkStatus());
  clock_.Advance(absl::Milliseconds(100));
  flow.Poll();
  ASSERT_TRUE(flow.done());
  EXPECT_TRUE(flow.result().ok());
  EXPECT_EQ(store_.turns("t", "", "s"), 1);
}

TEST_F(SessionTurnTest, AFailedCommitIsNotToBeRetried) {
  SessionTurn turn(access_, context_, io_.get_executor());
  ASSERT_TRUE(Begin(turn).ok());
  store_.Fail("CommitTurn", absl::UnavailableError("gone"));
  const absl::Status failed = Commit(turn);
  EXPECT_EQ(failed.code(), absl::StatusCode::kInternal);
  EXPECT_EQ(ReasonOf(failed), reason::kSessionNotSaved);
  EXPECT_FALSE(IsRetryable(failed));
  Abandon(turn);
}

TEST_F(SessionTurnTest, AMovedHeadIsNotTriedAgain) {
  SessionTurn turn(access_, context_, io_.get_executor());
  ASSERT_TRUE(Begin(turn).ok());
  store_.Fail("CommitTurn", MakeError(reason::kLeaseLost, "moved"));
  EXPECT_EQ(ReasonOf(Commit(turn)), reason::kSessionNotSaved);
  EXPECT_EQ(store_.calls("CommitTurn"), 1);
  Abandon(turn);
}

}  // namespace
}  // namespace gateway::ingress
