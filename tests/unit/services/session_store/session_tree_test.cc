#include "services/session_store/session_tree.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "common/status/error.h"
#include "tests/fakes/in_memory_session_repository.h"
#include "tests/support/fake_clock.h"

namespace gateway::session_store {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const Owner kAlice{"acme", "alice"};
const SessionName kSession{kAlice, "s1"};

model_router::v1::NewTurn MakeTurn(const std::string& question,
                                   const std::string& parent = "") {
  model_router::v1::NewTurn turn;
  turn.set_parent_turn_id(parent);
  turn.add_request_messages()->add_content()->mutable_text()->set_text(
      question);
  turn.add_answer_messages()->add_content()->mutable_text()->set_text("re: " +
                                                                      question);
  turn.set_answer_id("answer-to-" + question);
  turn.set_target("mock/m1");
  turn.set_token_count(7);
  return turn;
}

std::string QuestionOf(const model_router::v1::StoredTurn& turn) {
  return turn.request_messages(0).content(0).text().text();
}

std::vector<std::string> Questions(const Context& context) {
  std::vector<std::string> questions;
  for (const auto& turn : context.turns) questions.push_back(QuestionOf(turn));
  return questions;
}

class SessionTreeTest : public testing::Test {
 protected:
  SessionTreeTest() { Restart(); }

  // Leases are gone, what is stored stays.
  void Restart() {
    tree_ = std::make_unique<SessionTree>(options_, &repository_, &clock_);
  }

  void RestartWith(const SessionTreeOptions& options) {
    options_ = options;
    Restart();
  }

  BeginTurnParams Follow(const SessionName& name = kSession) {
    BeginTurnParams params;
    params.owner = name.owner;
    params.request_id = NewRequestId();
    params.session_id = name.session_id;
    params.create_if_absent = true;
    return params;
  }

  BeginTurnParams ForkAfter(const std::string& answer_id,
                            const Owner& owner = kAlice) {
    BeginTurnParams params;
    params.owner = owner;
    params.request_id = NewRequestId();
    params.previous_answer_id = answer_id;
    return params;
  }

  // What a turn does when it ends well.
  CommitTurnParams CommitOf(const BegunTurn& begun, const std::string& question,
                            const SessionName& name = kSession) {
    CommitTurnParams params;
    params.session = name;
    params.request_id = NewRequestId();
    params.lease_id = begun.lease_id;
    params.expected_head_turn_id = begun.context.last_turn_id;
    params.turn = MakeTurn(question, begun.context.last_turn_id);
    return params;
  }

  CommittedTurn Commit(const CommitTurnParams& params) {
    absl::StatusOr<CommittedTurn> committed = tree_->CommitTurn(params);
    EXPECT_TRUE(committed.ok()) << committed.status();
    return committed.ok() ? *committed : CommittedTurn();
  }

  BegunTurn Begin(const BeginTurnParams& params) {
    absl::StatusOr<BegunTurn> begun = tree_->BeginTurn(params);
    EXPECT_TRUE(begun.ok()) << begun.status();
    return begun.ok() ? *begun : BegunTurn();
  }

  CommittedTurn Say(const std::string& question,
                    const SessionName& name = kSession) {
    return Commit(CommitOf(Begin(Follow(name)), question, name));
  }

  Context Read(const SessionName& name = kSession) {
    absl::StatusOr<Context> context = tree_->ReadContext(name, 0);
    EXPECT_TRUE(context.ok()) << context.status();
    return context.ok() ? *context : Context();
  }

  std::string ReasonOfBegin(const BeginTurnParams& params) {
    return ReasonOf(tree_->BeginTurn(params).status());
  }

  std::string NewRequestId() { return "req_" + std::to_string(++request_ids_); }

  SessionTreeOptions options_;
  FakeClock clock_;
  InMemorySessionRepository repository_;
  std::unique_ptr<SessionTree> tree_;
  std::atomic<int> request_ids_ = 0;
};

TEST_F(SessionTreeTest, ANewSessionHasNoContext) {
  const BegunTurn begun = Begin(Follow());
  EXPECT_EQ(begun.session_id, "s1");
  EXPECT_FALSE(begun.lease_id.empty());
  EXPECT_THAT(begun.context.turns, IsEmpty());
  EXPECT_EQ(begun.context.turn_count, 0);
  EXPECT_EQ(begun.context.last_turn_id, "");
}

TEST_F(SessionTreeTest, TurnsComeBackOldestFirstAsTheyWereStored) {
  Say("one");
  clock_.Advance(absl::Seconds(1));
  const CommittedTurn two = Say("two");
  EXPECT_EQ(two.turn_count, 2);

  const BegunTurn begun = Begin(Follow());
  EXPECT_THAT(Questions(begun.context), ElementsAre("one", "two"));
  EXPECT_EQ(begun.context.turn_count, 2);
  EXPECT_EQ(begun.context.omitted_turns, 0);
  EXPECT_EQ(begun.context.last_turn_id, two.turn_id);
  EXPECT_EQ(begun.context.last_target, "mock/m1");
  const auto& turn = begun.context.turns[1];
  EXPECT_EQ(turn.turn_id(), two.turn_id);
  EXPECT_EQ(turn.parent_turn_id(), begun.context.turns[0].turn_id());
  EXPECT_EQ(turn.token_count(), 7);
  EXPECT_EQ(turn.answer_messages(0).content(0).text().text(), "re: two");
}

TEST_F(SessionTreeTest, AnAbsentSessionIsNotFoundUnlessItMayBeMade) {
  BeginTurnParams params = Follow();
  params.create_if_absent = false;
  EXPECT_EQ(ReasonOfBegin(params), reason::kSessionNotFound);
  EXPECT_TRUE(absl::IsNotFound(tree_->BeginTurn(params).status()));
  EXPECT_EQ(repository_.TotalSessionCount(), 0);
}

// --- Leases ----------------------------------------------------------------

TEST_F(SessionTreeTest, ASecondTurnOnALeasedHeadIsBusyAtOnce) {
  Begin(Follow());
  const absl::Status busy = tree_->BeginTurn(Follow()).status();
  EXPECT_TRUE(absl::IsAborted(busy));
  EXPECT_EQ(ReasonOf(busy), reason::kSessionBusy);
}

TEST_F(SessionTreeTest, TheRetryHintIsWhatRemainsOfTheLeaseCapped) {
  options_.max_busy_hint = absl::Seconds(12);
  Restart();
  Begin(Follow());
  const auto hint = [&] {
    return DetailOf(tree_->BeginTurn(Follow()).status())
        ->retry_delay()
        .seconds();
  };
  EXPECT_EQ(hint(), 12);
  clock_.Advance(absl::Seconds(20));
  EXPECT_EQ(hint(), 10);
  clock_.Advance(absl::Seconds(9));
  EXPECT_EQ(hint(), 1);
}

TEST_F(SessionTreeTest, TheSameCallOnceMoreGetsItsLeaseBack) {
  const BeginTurnParams params = Follow();
  const BegunTurn first = Begin(params);
  EXPECT_EQ(Begin(params).lease_id, first.lease_id);
}

TEST_F(SessionTreeTest, ACommitFreesTheHead) {
  Say("one");
  EXPECT_FALSE(Begin(Follow()).lease_id.empty());
}

TEST_F(SessionTreeTest, AnAbandonedTurnFreesTheHeadAndStoresNothing) {
  const BegunTurn begun = Begin(Follow());
  EXPECT_TRUE(tree_->AbandonTurn(kSession, begun.lease_id).ok());
  EXPECT_TRUE(tree_->AbandonTurn(kSession, begun.lease_id).ok());
  EXPECT_THAT(Begin(Follow()).context.turns, IsEmpty());
}

TEST_F(SessionTreeTest, AbandoningFreesOnlyItsOwnLease) {
  const BegunTurn first = Begin(Follow());
  EXPECT_TRUE(tree_->AbandonTurn(kSession, first.lease_id).ok());
  Begin(Follow());
  EXPECT_TRUE(tree_->AbandonTurn(kSession, first.lease_id).ok());
  EXPECT_EQ(ReasonOfBegin(Follow()), reason::kSessionBusy);
}

TEST_F(SessionTreeTest, AbandoningWhatIsAbsentIsOk) {
  EXPECT_TRUE(tree_->AbandonTurn(kSession, "lease_x").ok());
}

TEST_F(SessionTreeTest, ALeaseRunsOutAfterItsTimeout) {
  Begin(Follow());
  clock_.Advance(absl::Seconds(30) - absl::Microseconds(1));
  EXPECT_EQ(ReasonOfBegin(Follow()), reason::kSessionBusy);
  clock_.Advance(absl::Microseconds(1));
  Begin(Follow());
}

TEST_F(SessionTreeTest, RenewingHoldsTheHead) {
  const BegunTurn begun = Begin(Follow());
  for (int i = 0; i < 10; ++i) {
    clock_.Advance(absl::Seconds(20));
    ASSERT_TRUE(tree_->RenewLease(kSession, begun.lease_id).ok());
    EXPECT_EQ(ReasonOfBegin(Follow()), reason::kSessionBusy);
  }
  Commit(CommitOf(begun, "late"));
}

TEST_F(SessionTreeTest, ALeaseThatAnotherTookIsLost) {
  const BegunTurn first = Begin(Follow());
  clock_.Advance(absl::Seconds(31));
  Begin(Follow());
  const absl::Status lost = tree_->RenewLease(kSession, first.lease_id);
  EXPECT_TRUE(absl::IsAborted(lost));
  EXPECT_EQ(ReasonOf(lost), reason::kLeaseLost);
}

TEST_F(SessionTreeTest, ALeaseThatMerelyRanOutIsRenewed) {
  const BegunTurn begun = Begin(Follow());
  clock_.Advance(absl::Seconds(31));
  EXPECT_TRUE(tree_->RenewLease(kSession, begun.lease_id).ok());
  EXPECT_EQ(ReasonOfBegin(Follow()), reason::kSessionBusy);
}

TEST_F(SessionTreeTest, ALeaseThatRanOutBeforeTheHeadMovedIsLost) {
  const BegunTurn begun = Begin(Follow());
  clock_.Advance(absl::Seconds(31));
  Say("meanwhile");
  EXPECT_EQ(ReasonOf(tree_->RenewLease(kSession, begun.lease_id)),
            reason::kLeaseLost);
}

TEST_F(SessionTreeTest, ARestartFreesLeasesAndTheirHoldersRenew) {
  const BegunTurn begun = Begin(Follow());
  Restart();
  EXPECT_TRUE(tree_->RenewLease(kSession, begun.lease_id).ok());
  EXPECT_EQ(ReasonOfBegin(Follow()), reason::kSessionBusy);
}

TEST_F(SessionTreeTest, NoLeaseIdIsInvalid) {
  Begin(Follow());
  EXPECT_TRUE(absl::IsInvalidArgument(tree_->RenewLease(kSession, "x")));
  EXPECT_TRUE(
      absl::IsInvalidArgument(tree_->RenewLease(kSession, "lease_1_2_3_4")));
}

TEST_F(SessionTreeTest, OfRacingTurnsExactlyOneGetsTheHead) {
  Say("one");
  for (int round = 0; round < 20; ++round) {
    std::atomic<int> won = 0;
    std::atomic<int> busy = 0;
    std::vector<std::thread> racers;
    for (int i = 0; i < 8; ++i) {
      racers.emplace_back([&, params = Follow()] {
        const absl::StatusOr<BegunTurn> begun = tree_->BeginTurn(params);
        if (begun.ok()) {
          ++won;
        } else if (ReasonOf(begun.status()) == reason::kSessionBusy) {
          ++busy;
        }
      });
    }
    for (std::thread& racer : racers) racer.join();
    EXPECT_EQ(won, 1);
    EXPECT_EQ(busy, 7);
    clock_.Advance(absl::Minutes(1));
  }
}

// --- Commits ---------------------------------------------------------------

TEST_F(SessionTreeTest, ACommitIsIdempotentByItsRequest) {
  const CommitTurnParams params = CommitOf(Begin(Follow()), "one");
  const CommittedTurn first = Commit(params);
  Say("two");
  const CommittedTurn again = Commit(params);
  EXPECT_EQ(again.turn_id, first.turn_id);
  EXPECT_EQ(again.turn_count, first.turn_count);
  EXPECT_THAT(Questions(Read()), ElementsAre("one", "two"));
}

TEST_F(SessionTreeTest, ACommitIsIdempotentAcrossARestart) {
  const CommitTurnParams params = CommitOf(Begin(Follow()), "one");
  const CommittedTurn first = Commit(params);
  Restart();
  EXPECT_EQ(Commit(params).turn_id, first.turn_id);
  EXPECT_EQ(repository_.StoredTurns(), 1u);
}

TEST_F(SessionTreeTest, AfterALostLeaseACommitSucceedsIfTheHeadHasNotMoved) {
  Say("one");
  const BegunTurn begun = Begin(Follow());
  clock_.Advance(absl::Seconds(31));
  Commit(CommitOf(begun, "two"));
  EXPECT_THAT(Questions(Read()), ElementsAre("one", "two"));
}

TEST_F(SessionTreeTest, AfterALostLeaseACommitFailsIfTheHeadHasMoved) {
  Say("one");
  const BegunTurn begun = Begin(Follow());
  clock_.Advance(absl::Seconds(31));
  Say("meanwhile");
  const absl::Status failed =
      tree_->CommitTurn(CommitOf(begun, "two")).status();
  EXPECT_TRUE(absl::IsAborted(failed));
  EXPECT_EQ(ReasonOf(failed), reason::kSessionNotSaved);
  EXPECT_FALSE(IsRetryable(failed));
  EXPECT_THAT(Questions(Read()), ElementsAre("one", "meanwhile"));
}

TEST_F(SessionTreeTest, AfterARestartACommitSucceedsIfTheHeadHasNotMoved) {
  const BegunTurn begun = Begin(Follow());
  Restart();
  Commit(CommitOf(begun, "one"));
}

TEST_F(SessionTreeTest, AfterARestartACommitFailsIfTheHeadHasMoved) {
  const BegunTurn begun = Begin(Follow());
  Restart();
  Say("meanwhile");
  EXPECT_EQ(ReasonOf(tree_->CommitTurn(CommitOf(begun, "one")).status()),
            reason::kSessionNotSaved);
}

TEST_F(SessionTreeTest, OfTwoTurnsOnTheSameHeadTheFirstToCommitWins) {
  Say("one");
  const BegunTurn late = Begin(Follow());
  clock_.Advance(absl::Seconds(31));
  const BegunTurn early = Begin(Follow());
  Commit(CommitOf(late, "late"));
  // Its lease went with the head it was on.
  EXPECT_EQ(ReasonOf(tree_->RenewLease(kSession, early.lease_id)),
            reason::kLeaseLost);
  EXPECT_EQ(ReasonOf(tree_->CommitTurn(CommitOf(early, "early")).status()),
            reason::kSessionNotSaved);
  EXPECT_THAT(Questions(Read()), ElementsAre("one", "late"));
}

TEST_F(SessionTreeTest, ACommitToAnAbsentSessionIsNotFound) {
  const BegunTurn begun = Begin(Follow());
  ASSERT_TRUE(tree_->DeleteSession(kSession).ok());
  EXPECT_TRUE(
      absl::IsNotFound(tree_->CommitTurn(CommitOf(begun, "one")).status()));
}

TEST_F(SessionTreeTest, ACommitNeverEntersAnotherLifeOfTheName) {
  const BegunTurn begun = Begin(Follow());
  ASSERT_TRUE(tree_->DeleteSession(kSession).ok());
  ASSERT_TRUE(tree_->CreateSession(kAlice, "s1").ok());
  EXPECT_EQ(ReasonOf(tree_->CommitTurn(CommitOf(begun, "one")).status()),
            reason::kSessionNotSaved);
  EXPECT_THAT(Read().turns, IsEmpty());
}

TEST_F(SessionTreeTest, ACommitUnderAnUnknownParentIsNotSaved) {
  CommitTurnParams params = CommitOf(Begin(Follow()), "one");
  params.turn.set_parent_turn_id("turn_nonsense");
  EXPECT_EQ(ReasonOf(tree_->CommitTurn(params).status()),
            reason::kSessionNotSaved);
}

TEST_F(SessionTreeTest, AFullHistoryThatDiffersBecomesANewBranch) {
  Say("one");
  const CommittedTurn two = Say("two");
  const BegunTurn begun = Begin(Follow());
  CommitTurnParams params = CommitOf(begun, "two, rephrased");
  params.turn.set_parent_turn_id(begun.context.turns[0].turn_id());
  const CommittedTurn other = Commit(params);
  EXPECT_EQ(other.turn_count, 2);
  EXPECT_NE(other.turn_id, two.turn_id);
  EXPECT_THAT(Questions(Read()), ElementsAre("one", "two, rephrased"));
}

TEST_F(SessionTreeTest, ABranchWithoutParentStartsOver) {
  Say("one");
  CommitTurnParams params = CommitOf(Begin(Follow()), "fresh");
  params.turn.set_parent_turn_id("");
  EXPECT_EQ(Commit(params).turn_count, 1);
  EXPECT_THAT(Questions(Read()), ElementsAre("fresh"));
}

// --- Forks -----------------------------------------------------------------

TEST_F(SessionTreeTest, AnAnswerIdNamesAnyTurnAndForks) {
  const CommittedTurn one = Say("one");
  Say("two");
  const BegunTurn fork = Begin(ForkAfter("answer-to-one"));
  EXPECT_EQ(fork.session_id, "s1");
  EXPECT_EQ(fork.lease_id, "");
  EXPECT_EQ(fork.context.last_turn_id, one.turn_id);
  EXPECT_EQ(fork.context.turn_count, 1);
  EXPECT_THAT(Questions(fork.context), ElementsAre("one"));

  Commit(CommitOf(fork, "other"));
  EXPECT_THAT(Questions(Begin(ForkAfter("answer-to-two")).context),
              ElementsAre("one", "two"));
  // The newest committed turn is the head.
  EXPECT_THAT(Questions(Read()), ElementsAre("one", "other"));
}

TEST_F(SessionTreeTest, ForksNeverWait) {
  Say("one");
  Begin(Follow());
  Begin(ForkAfter("answer-to-one"));
  const BegunTurn fork = Begin(ForkAfter("answer-to-one"));
  Commit(CommitOf(fork, "fork"));
}

TEST_F(SessionTreeTest, AForkDoesNotTakeTheHeadFromAHeldLease) {
  Say("one");
  const BegunTurn holder = Begin(Follow());
  Commit(CommitOf(Begin(ForkAfter("answer-to-one")), "fork"));
  EXPECT_EQ(ReasonOfBegin(Follow()), reason::kSessionBusy);
  Commit(CommitOf(holder, "two"));
  EXPECT_THAT(Questions(Read()), ElementsAre("one", "two"));
}

TEST_F(SessionTreeTest, ForkingFromWhatIsNotThereIsInvalid) {
  const absl::Status failed =
      tree_->BeginTurn(ForkAfter("answer-to-nothing")).status();
  EXPECT_TRUE(absl::IsInvalidArgument(failed));
  EXPECT_EQ(ReasonOf(failed), reason::kPreviousResponseNotFound);
}

TEST_F(SessionTreeTest, AnAnswerOfADeletedSessionIsNotThere) {
  Say("one");
  ASSERT_TRUE(tree_->DeleteSession(kSession).ok());
  EXPECT_EQ(ReasonOfBegin(ForkAfter("answer-to-one")),
            reason::kPreviousResponseNotFound);
  ASSERT_TRUE(tree_->CreateSession(kAlice, "s1").ok());
  EXPECT_EQ(ReasonOfBegin(ForkAfter("answer-to-one")),
            reason::kPreviousResponseNotFound);
}

// --- Expected turns --------------------------------------------------------

TEST_F(SessionTreeTest, TheExpectedNumberOfTurnsIsChecked) {
  Say("one");
  BeginTurnParams params = Follow();
  params.expected_turn_count = 2;
  const absl::Status mismatch = tree_->BeginTurn(params).status();
  EXPECT_TRUE(absl::IsAborted(mismatch));
  EXPECT_EQ(ReasonOf(mismatch), reason::kSessionTurnMismatch);
  // And nothing is held.
  params.expected_turn_count = 1;
  Begin(params);
}

TEST_F(SessionTreeTest, ANewSessionHasZeroTurnsToExpect) {
  BeginTurnParams params = Follow();
  params.expected_turn_count = 1;
  EXPECT_EQ(ReasonOfBegin(params), reason::kSessionTurnMismatch);
  EXPECT_EQ(repository_.TotalSessionCount(), 0);
  params.expected_turn_count = 0;
  Begin(params);
}

TEST_F(SessionTreeTest, TheExpectedNumberIsOfTheBranchThatForks) {
  Say("one");
  Say("two");
  BeginTurnParams params = ForkAfter("answer-to-one");
  params.expected_turn_count = 2;
  EXPECT_EQ(ReasonOfBegin(params), reason::kSessionTurnMismatch);
  params.expected_turn_count = 1;
  Begin(params);
}

// --- Context ---------------------------------------------------------------

TEST_F(SessionTreeTest, AContextHoldsWholeTurnsNewestFirst) {
  Say("one");
  Say("two");
  Say("three");
  int64_t two_newest = 0;
  for (const auto& turn : Read().turns) {
    if (QuestionOf(turn) != "one") {
      two_newest += static_cast<int64_t>(turn.ByteSizeLong());
    }
  }
  BeginTurnParams params = Follow();
  params.max_context_bytes = two_newest;
  BegunTurn begun = Begin(params);
  EXPECT_THAT(Questions(begun.context), ElementsAre("two", "three"));
  EXPECT_EQ(begun.context.omitted_turns, 1);
  EXPECT_EQ(begun.context.turn_count, 3);

  params.max_context_bytes = two_newest - 1;
  begun = Begin(params);
  EXPECT_THAT(Questions(begun.context), ElementsAre("three"));

  params.max_context_bytes = 1;
  begun = Begin(params);
  EXPECT_THAT(Questions(begun.context), IsEmpty());
  EXPECT_EQ(begun.context.omitted_turns, 3);
  EXPECT_EQ(begun.context.last_target, "mock/m1");
}

TEST_F(SessionTreeTest, TheStoresOwnBoundHoldsWhateverIsAskedFor) {
  options_.max_context_bytes = 1;
  Restart();
  Say("one");
  BeginTurnParams params = Follow();
  params.max_context_bytes = 1 << 20;
  EXPECT_THAT(Begin(params).context.turns, IsEmpty());
}

TEST_F(SessionTreeTest, TheSystemTextUsedLastIsKept) {
  CommitTurnParams params = CommitOf(Begin(Follow()), "one");
  params.turn.set_system_text("be brief");
  Commit(params);
  EXPECT_EQ(Read().system_text, "be brief");
  Say("without any");
  EXPECT_EQ(Read().system_text, "be brief");
  params = CommitOf(Begin(Follow()), "three");
  params.turn.set_system_text("be long");
  Commit(params);
  EXPECT_EQ(Read().system_text, "be long");
}

TEST_F(SessionTreeTest, TheSystemTextCountsAsStoredAndAsContext) {
  Say("one");
  const int64_t turn = tree_->GetSession(kSession)->record.stored_bytes;
  CommitTurnParams params = CommitOf(Begin(Follow()), "two");
  params.turn.set_system_text(std::string(1000, 'x'));
  Commit(params);
  const int64_t with_text = tree_->GetSession(kSession)->record.stored_bytes;
  EXPECT_GE(with_text, 2 * turn + 1000);
  // It names its parent, and so is longer than the first.
  const int64_t later_turn = with_text - turn - 1000;
  // It takes the place of the one before.
  params = CommitOf(Begin(Follow()), "two");
  params.turn.set_system_text(std::string(10, 'x'));
  Commit(params);
  EXPECT_LT(tree_->GetSession(kSession)->record.stored_bytes, with_text);

  params = CommitOf(Begin(Follow()), "two");
  params.turn.set_system_text(std::string(1000, 'x'));
  Commit(params);
  options_.max_context_bytes = 1000 + later_turn;
  Restart();
  EXPECT_EQ(Read().turns.size(), 1u);
  EXPECT_EQ(Read().system_text.size(), 1000u);
  options_.max_context_bytes = 999;
  Restart();
  EXPECT_THAT(Read().turns, IsEmpty());
  EXPECT_EQ(Read().omitted_turns, 4);

  options_.max_bytes = 1000 + 2 * later_turn;
  options_.max_context_bytes = 1 << 20;
  Restart();
  Say("six");
  EXPECT_THAT(Questions(Read()), ElementsAre("two", "six"));
}

// --- What is damaged -------------------------------------------------------

TEST_F(SessionTreeTest, ADamagedSessionSaysSoAndCanBeDeleted) {
  const SessionName other{kAlice, "other"};
  Say("one");
  Say("one", other);
  repository_.Damage(kSession);
  const absl::Status damaged = tree_->BeginTurn(Follow()).status();
  EXPECT_TRUE(absl::IsDataLoss(damaged)) << damaged;
  EXPECT_EQ(ReasonOf(damaged), reason::kDataLoss);
  EXPECT_TRUE(absl::IsDataLoss(tree_->GetSession(kSession).status()));
  EXPECT_TRUE(absl::IsDataLoss(tree_->ReadContext(kSession, 0).status()));
  EXPECT_EQ(tree_->ListSessions(kAlice, "", 10)->size(), 1u);
  EXPECT_THAT(Questions(Read(other)), ElementsAre("one"));

  ASSERT_TRUE(tree_->DeleteSession(kSession).ok());
  EXPECT_TRUE(absl::IsNotFound(tree_->GetSession(kSession).status()));
  Say("again");
  EXPECT_THAT(Questions(Read()), ElementsAre("again"));
}

TEST_F(SessionTreeTest, CleaningPassesADamagedSessionAndRemovesItALifetimeOn) {
  const SessionName other{kAlice, "other"};
  Say("one");
  clock_.Advance(absl::Seconds(1));
  Say("one", other);
  repository_.Damage(kSession);
  clock_.Advance(options_.ttl);
  EXPECT_EQ(*tree_->RemoveExpired("acme", 10), 2u);
  EXPECT_EQ(repository_.SessionCount("acme"), 1);
  EXPECT_TRUE(absl::IsDataLoss(tree_->GetSession(kSession).status()));
  EXPECT_EQ(*tree_->RemoveExpired("acme", 10), 0u);
  clock_.Advance(options_.ttl);
  EXPECT_EQ(*tree_->RemoveExpired("acme", 10), 1u);
  EXPECT_EQ(repository_.SessionCount("acme"), 0);
}

TEST_F(SessionTreeTest, ReadingTheContextTakesNoLease) {
  Say("one");
  Begin(Follow());
  EXPECT_THAT(Questions(Read()), ElementsAre("one"));
  EXPECT_TRUE(
      absl::IsNotFound(tree_->ReadContext({kAlice, "nothing"}, 0).status()));
}

// --- Lifetime --------------------------------------------------------------

TEST_F(SessionTreeTest, ASessionIsAbsentOnceItsLifetimeIsOver) {
  Say("one");
  clock_.Advance(absl::Hours(24) - absl::Microseconds(1));
  EXPECT_TRUE(tree_->GetSession(kSession).ok());
  clock_.Advance(absl::Microseconds(1));
  EXPECT_TRUE(absl::IsNotFound(tree_->GetSession(kSession).status()));
  EXPECT_TRUE(absl::IsNotFound(tree_->ReadContext(kSession, 0).status()));
  EXPECT_TRUE(absl::IsNotFound(tree_->ListTurns(kSession, "", 10).status()));
  EXPECT_TRUE(tree_->ListSessions(kAlice, "", 10)->empty());
  EXPECT_EQ(ReasonOfBegin(ForkAfter("answer-to-one")),
            reason::kPreviousResponseNotFound);
  BeginTurnParams params = Follow();
  params.create_if_absent = false;
  EXPECT_EQ(ReasonOfBegin(params), reason::kSessionNotFound);
}

TEST_F(SessionTreeTest, AnExpiredNameStartsEmptyWithoutAnyCleaning) {
  Say("one");
  clock_.Advance(absl::Hours(24));
  EXPECT_THAT(Begin(Follow()).context.turns, IsEmpty());
  EXPECT_EQ(repository_.SessionCount("acme"), 1);
}

TEST_F(SessionTreeTest, EachUseExtendsTheLifetime) {
  Say("one");
  const auto uses = std::vector<std::function<void()>>{
      [&] { Read(); },
      [&] { Begin(ForkAfter("answer-to-one")); },
      [&] { Say("more"); },
  };
  for (const auto& use : uses) {
    clock_.Advance(absl::Hours(23));
    use();
  }
  clock_.Advance(absl::Hours(23));
  EXPECT_TRUE(tree_->GetSession(kSession).ok());
}

TEST_F(SessionTreeTest, LookingIsNotUsing) {
  Say("one");
  const absl::Time expiry = tree_->GetSession(kSession)->record.expire_time;
  clock_.Advance(absl::Hours(1));
  ASSERT_TRUE(tree_->ListTurns(kSession, "", 10).ok());
  ASSERT_TRUE(tree_->ListSessions(kAlice, "", 10).ok());
  EXPECT_EQ(tree_->GetSession(kSession)->record.expire_time, expiry);
  EXPECT_EQ(expiry, clock_.Now() + absl::Hours(23));
}

TEST_F(SessionTreeTest, ATurnThatRunsKeepsItsSession) {
  options_.ttl = absl::Seconds(1);
  Restart();
  const BegunTurn begun = Begin(Follow());
  clock_.Advance(absl::Seconds(20));
  ASSERT_TRUE(tree_->RemoveExpired("acme", 10).ok());
  EXPECT_EQ(tree_->ListSessions(kAlice, "", 10)->size(), 1u);
  ASSERT_TRUE(tree_->RenewLease(kSession, begun.lease_id).ok());
  clock_.Advance(absl::Seconds(20));
  Commit(CommitOf(begun, "one"));
  clock_.Advance(absl::Seconds(1));
  EXPECT_TRUE(absl::IsNotFound(tree_->GetSession(kSession).status()));
}

TEST_F(SessionTreeTest, CleaningRemovesWhatHasExpiredAndNothingElse) {
  Say("one");
  Say("other", {kAlice, "s2"});
  clock_.Advance(absl::Hours(23));
  Read();
  clock_.Advance(absl::Hours(1));
  EXPECT_EQ(*tree_->RemoveExpired("acme", 10), 2u);
  EXPECT_EQ(repository_.SessionCount("acme"), 1);
  EXPECT_THAT(Questions(Read()), ElementsAre("one"));
  // The one that was used since is not looked at again before its time.
  EXPECT_EQ(*tree_->RemoveExpired("acme", 10), 0u);
  clock_.Advance(absl::Hours(24));
  EXPECT_EQ(*tree_->RemoveExpired("acme", 10), 1u);
  EXPECT_EQ(repository_.SessionCount("acme"), 0);
  EXPECT_FALSE(*repository_.CollectGarbage(100));
  EXPECT_EQ(repository_.StoredTurns(), 0u);
}

TEST_F(SessionTreeTest, CleaningLooksAtNoMoreThanItIsTold) {
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(tree_->CreateSession(kAlice, "").ok());
  }
  clock_.Advance(absl::Hours(24));
  EXPECT_EQ(*tree_->RemoveExpired("acme", 3), 3u);
  EXPECT_EQ(repository_.SessionCount("acme"), 2);
}

TEST_F(SessionTreeTest, AShorterLifetimeHoldsFromTheNextUse) {
  Say("one");
  options_.ttl = absl::Minutes(1);
  Restart();
  Read();
  clock_.Advance(absl::Minutes(1));
  EXPECT_TRUE(absl::IsNotFound(tree_->GetSession(kSession).status()));
  EXPECT_EQ(*tree_->RemoveExpired("acme", 10), 1u);
}

// --- Bounds ----------------------------------------------------------------

TEST_F(SessionTreeTest, OverTheBoundOnTurnsTheOldestGo) {
  options_.max_turns = 2;
  Restart();
  Say("one");
  Say("two");
  const CommittedTurn three = Say("three");
  EXPECT_EQ(three.turn_count, 3);
  const Context context = Read();
  EXPECT_THAT(Questions(context), ElementsAre("two", "three"));
  EXPECT_EQ(context.turn_count, 3);
  EXPECT_EQ(context.omitted_turns, 1);
  EXPECT_EQ(ReasonOfBegin(ForkAfter("answer-to-one")),
            reason::kPreviousResponseNotFound);
  EXPECT_EQ(repository_.StoredTurns(), 2u);
}

TEST_F(SessionTreeTest, OverTheBoundOnBytesTheOldestGoButNeverTheNewest) {
  Say("one");
  const int64_t first = tree_->GetSession(kSession)->record.stored_bytes;
  Say("two");
  const int64_t second =
      tree_->GetSession(kSession)->record.stored_bytes - first;
  options_.max_bytes = 2 * second;
  Restart();
  EXPECT_THAT(Questions(Read()), ElementsAre("one", "two"));
  Say("six");
  EXPECT_THAT(Questions(Read()), ElementsAre("two", "six"));
  Say(std::string(1000, 'x'));
  EXPECT_EQ(Read().turns.size(), 1u);
  EXPECT_EQ(tree_->GetSession(kSession)->record.stored_turns, 1);
}

TEST_F(SessionTreeTest, ALowerBoundHoldsFromTheNextCommit) {
  for (int i = 0; i < 50; ++i) Say(std::to_string(i));
  options_.max_turns = 3;
  Restart();
  Say("last");
  EXPECT_THAT(Questions(Read()), ElementsAre("48", "49", "last"));
  EXPECT_EQ(repository_.StoredTurns(), 3u);
  EXPECT_EQ(tree_->GetSession(kSession)->record.stored_turns, 3);
}

TEST_F(SessionTreeTest, OverTheBoundOnSessionsANewOneIsRefused) {
  options_.max_sessions = 2;
  Restart();
  ASSERT_TRUE(tree_->CreateSession(kAlice, "a").ok());
  ASSERT_TRUE(tree_->CreateSession({"acme", "bob"}, "b").ok());
  const absl::Status refused = tree_->CreateSession(kAlice, "c").status();
  EXPECT_TRUE(absl::IsResourceExhausted(refused));
  EXPECT_EQ(ReasonOf(refused), reason::kSessionLimit);
  EXPECT_EQ(ReasonOfBegin(Follow()), reason::kSessionLimit);
  // Those that exist, and other tenants, go on.
  ASSERT_TRUE(tree_->CreateSession(kAlice, "a").ok());
  Begin(Follow({kAlice, "a"}));
  ASSERT_TRUE(tree_->CreateSession({"other", ""}, "c").ok());
  // A deleted one makes room.
  ASSERT_TRUE(tree_->DeleteSession({kAlice, "a"}).ok());
  Begin(Follow());
}

TEST_F(SessionTreeTest, WhatHasExpiredMakesRoomWithoutAnyCleaning) {
  options_.max_sessions = 200;
  Restart();
  for (int i = 0; i < 200; ++i) {
    ASSERT_TRUE(tree_->CreateSession(kAlice, std::to_string(i)).ok());
  }
  clock_.Advance(absl::Hours(23));
  // All but one are used.
  for (int i = 0; i < 199; ++i) Read({kAlice, std::to_string(i)});
  EXPECT_EQ(ReasonOfBegin(Follow()), reason::kSessionLimit);
  clock_.Advance(absl::Hours(1));
  Begin(Follow());
  EXPECT_EQ(ReasonOfBegin(Follow({kAlice, "s2"})), reason::kSessionLimit);
}

TEST_F(SessionTreeTest, RacingCreationsNeverPassTheBound) {
  options_.max_sessions = 10;
  Restart();
  std::vector<std::thread> racers;
  for (int i = 0; i < 4; ++i) {
    racers.emplace_back([&, i] {
      for (int j = 0; j < 10; ++j) {
        const std::string id = std::to_string(i) + "-" + std::to_string(j);
        (void)tree_->CreateSession(kAlice, id);
      }
    });
  }
  for (std::thread& racer : racers) racer.join();
  EXPECT_EQ(repository_.SessionCount("acme"), 10);
}

// --- Listing and deleting --------------------------------------------------

TEST_F(SessionTreeTest, CreatingWhatExistsReturnsItAsItIs) {
  const CommittedTurn one = Say("one");
  clock_.Advance(absl::Seconds(5));
  const SessionView view = *tree_->CreateSession(kAlice, "s1");
  EXPECT_EQ(MakeTurnId(view.record.life, view.record.head), one.turn_id);
}

TEST_F(SessionTreeTest, MadeNamesAreUnique) {
  const SessionView a = *tree_->CreateSession(kAlice, "");
  const SessionView b = *tree_->CreateSession(kAlice, "");
  EXPECT_FALSE(a.session_id.empty());
  EXPECT_NE(a.session_id, b.session_id);
}

TEST_F(SessionTreeTest, SessionsAreListedByIdInPages) {
  for (const char* id : {"b", "a", "aa", "c"}) {
    ASSERT_TRUE(tree_->CreateSession(kAlice, id).ok());
  }
  const auto ids = [&](const std::string& after, size_t limit) {
    std::vector<std::string> ids;
    const auto views = *tree_->ListSessions(kAlice, after, limit);
    for (const SessionView& view : views) ids.push_back(view.session_id);
    return ids;
  };
  EXPECT_THAT(ids("", 3), ElementsAre("a", "aa", "b"));
  EXPECT_THAT(ids("b", 3), ElementsAre("c"));
}

TEST_F(SessionTreeTest, APageIsFullThoughExpiredSessionsLieBetween) {
  for (const char* id : {"a", "b", "c", "d"}) {
    ASSERT_TRUE(tree_->CreateSession(kAlice, id).ok());
  }
  clock_.Advance(absl::Hours(23));
  Read({kAlice, "b"});
  Read({kAlice, "d"});
  clock_.Advance(absl::Hours(1));
  const auto page = *tree_->ListSessions(kAlice, "", 2);
  ASSERT_EQ(page.size(), 2u);
  EXPECT_EQ(page[0].session_id, "b");
  EXPECT_EQ(page[1].session_id, "d");
}

TEST_F(SessionTreeTest, TurnsOfAllBranchesAreListedByCommit) {
  Say("one");
  const CommittedTurn two = Say("two");
  Commit(CommitOf(Begin(ForkAfter("answer-to-one")), "fork"));
  const auto questions = [&](absl::string_view after, size_t limit) {
    std::vector<std::string> questions;
    const auto turns = *tree_->ListTurns(kSession, after, limit);
    for (const TurnRecord& turn : turns) {
      questions.push_back(QuestionOf(turn.turn));
    }
    return questions;
  };
  EXPECT_THAT(questions("", 10), ElementsAre("one", "two", "fork"));
  EXPECT_THAT(questions("", 2), ElementsAre("one", "two"));
  EXPECT_THAT(questions(two.turn_id, 10), ElementsAre("fork"));
  EXPECT_TRUE(absl::IsInvalidArgument(
      tree_->ListTurns(kSession, "turn_0_1", 10).status()));
}

TEST_F(SessionTreeTest, DeletingIsIdempotentAndFreesTheHead) {
  Begin(Follow());
  EXPECT_TRUE(tree_->DeleteSession(kSession).ok());
  EXPECT_TRUE(tree_->DeleteSession(kSession).ok());
  EXPECT_TRUE(absl::IsNotFound(tree_->GetSession(kSession).status()));
  Begin(Follow());
}

// --- Owners ----------------------------------------------------------------

TEST_F(SessionTreeTest, NobodySeesWhatIsNotTheirs) {
  Say("secret");
  const Owner strangers[] = {
      {"acme", ""}, {"acme", "bob"}, {"evil", "alice"}, {"", "acmealice"}};
  for (const Owner& stranger : strangers) {
    SCOPED_TRACE(stranger.tenant + "/" + stranger.user);
    const SessionName name{stranger, "s1"};
    EXPECT_TRUE(absl::IsNotFound(tree_->GetSession(name).status()));
    EXPECT_TRUE(absl::IsNotFound(tree_->ReadContext(name, 0).status()));
    EXPECT_TRUE(tree_->ListSessions(stranger, "", 10)->empty());
    EXPECT_EQ(ReasonOfBegin(ForkAfter("answer-to-secret", stranger)),
              reason::kPreviousResponseNotFound);
    EXPECT_TRUE(tree_->DeleteSession(name).ok());
    EXPECT_THAT(Begin(Follow(name)).context.turns, IsEmpty());
  }
  EXPECT_THAT(Questions(Read()), ElementsAre("secret"));
}

TEST_F(SessionTreeTest, ATurnOfAnotherSessionIsNoParent) {
  const CommittedTurn mine = Say("mine");
  const SessionName other{{"evil", "alice"}, "s1"};
  CommitTurnParams params = CommitOf(Begin(Follow(other)), "steal", other);
  params.turn.set_parent_turn_id(mine.turn_id);
  EXPECT_EQ(ReasonOf(tree_->CommitTurn(params).status()),
            reason::kSessionNotSaved);
}

// --- A store that fails ----------------------------------------------------

TEST_F(SessionTreeTest, ABeginThatCannotBeWrittenTakesNoLease) {
  Say("one");
  repository_.FailWith(MakeError(reason::kSessionUnavailable, "disk"));
  EXPECT_EQ(ReasonOfBegin(Follow()), reason::kSessionUnavailable);
  repository_.FailWith(absl::OkStatus());
  Begin(Follow());
}

TEST_F(SessionTreeTest, ACommitThatCannotBeWrittenKeepsTheLease) {
  const BegunTurn begun = Begin(Follow());
  repository_.FailWith(MakeError(reason::kSessionUnavailable, "disk"));
  const CommitTurnParams params = CommitOf(begun, "one");
  EXPECT_TRUE(absl::IsUnavailable(tree_->CommitTurn(params).status()));
  repository_.FailWith(absl::OkStatus());
  EXPECT_EQ(ReasonOfBegin(Follow()), reason::kSessionBusy);
  Commit(params);
}

}  // namespace
}  // namespace gateway::session_store
