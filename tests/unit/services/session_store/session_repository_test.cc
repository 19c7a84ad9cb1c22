// What every session repository must do, over the fake and the real one.

#include "services/session_store/session_repository.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "services/session_store/rocksdb_session_repository.h"
#include "tests/fakes/in_memory_session_repository.h"

namespace gateway::session_store {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

const absl::Time kNow = absl::FromUnixSeconds(1'800'000'000);

struct Kind {
  std::string name;
  std::function<std::unique_ptr<SessionRepository>(const std::string& path)>
      make;
};

class SessionRepositoryTest : public testing::TestWithParam<Kind> {
 protected:
  SessionRepositoryTest() {
    std::string pattern = testing::TempDir() + "sessions_XXXXXX";
    path_ = mkdtemp(pattern.data());
    repository_ = GetParam().make(path_);
  }
  ~SessionRepositoryTest() override {
    repository_.reset();
    std::filesystem::remove_all(path_);
  }

  SessionRecord Create(const SessionName& name, uint64_t life,
                       absl::Time expire_time = kNow + absl::Hours(1)) {
    SessionRecord record;
    record.life = life;
    record.create_time = kNow;
    record.last_use_time = kNow;
    record.expire_time = expire_time;
    EXPECT_TRUE(repository_->CreateSession(name, record).ok());
    return record;
  }

  TurnRecord MakeTurn(uint64_t number, uint64_t parent, int64_t depth) {
    TurnRecord turn;
    turn.number = number;
    turn.parent = parent;
    turn.depth = depth;
    turn.commit_time = kNow + absl::Seconds(number);
    turn.request_id = "req-" + std::to_string(number);
    turn.answer_id = "answer-" + std::to_string(number);
    turn.target = "mock/" + std::to_string(number);
    turn.turn.set_turn_id("t" + std::to_string(number));
    turn.turn.set_token_count(5);
    turn.bytes = 100;
    return turn;
  }

  void Add(const SessionName& name, SessionRecord& record,
           const TurnRecord& turn, const std::vector<TurnRecord>& dropped = {},
           const std::string* system_text = nullptr) {
    record.head = turn.number;
    record.next_turn = turn.number + 1;
    EXPECT_TRUE(
        repository_->AddTurn(name, record, turn, dropped, system_text).ok());
  }

  // What has been removed is gone for good.
  void CollectAll() {
    for (int i = 0; i < 1000; ++i) {
      if (!*repository_->CollectGarbage(10)) return;
    }
    FAIL() << "the garbage never ends";
  }

  std::vector<std::string> BranchIds(uint64_t life, uint64_t number,
                                     int64_t max_bytes = 1 << 20) {
    std::vector<std::string> ids;
    const auto branch = repository_->ReadBranch("t", life, number, max_bytes);
    EXPECT_TRUE(branch.ok()) << branch.status();
    for (const auto& turn : branch->turns) ids.push_back(turn.turn_id());
    return ids;
  }

  std::vector<uint64_t> TurnNumbers(const std::string& tenant, uint64_t life,
                                    uint64_t first = 0, size_t limit = 100) {
    std::vector<uint64_t> numbers;
    const auto turns = repository_->ListTurns(tenant, life, first, limit);
    EXPECT_TRUE(turns.ok()) << turns.status();
    for (const TurnRecord& turn : *turns) numbers.push_back(turn.number);
    return numbers;
  }

  std::vector<std::string> Ids(const Owner& owner,
                               const std::string& after = "",
                               size_t limit = 100) {
    std::vector<std::string> ids;
    const auto sessions = repository_->ListSessions(owner, after, limit);
    EXPECT_TRUE(sessions.ok()) << sessions.status();
    for (const auto& [id, record] : *sessions) ids.push_back(id);
    return ids;
  }

  const SessionName kName{{"t", "u"}, "s"};
  std::string path_;
  std::unique_ptr<SessionRepository> repository_;
};

INSTANTIATE_TEST_SUITE_P(
    All, SessionRepositoryTest,
    testing::Values(
        Kind{"InMemory",
             [](const std::string&) {
               return std::make_unique<InMemorySessionRepository>();
             }},
        Kind{"RocksDb",
             [](const std::string& path) -> std::unique_ptr<SessionRepository> {
               auto opened = RocksDbSessionRepository::Open({.path = path});
               EXPECT_TRUE(opened.ok()) << opened.status();
               return opened.ok() ? *std::move(opened) : nullptr;
             }}),
    [](const auto& info) { return info.param.name; });

TEST_P(SessionRepositoryTest, KeepsEveryFieldOfASession) {
  EXPECT_FALSE(repository_->FindSession(kName)->has_value());
  SessionRecord record = Create(kName, 7);
  EXPECT_EQ(record.due_time, record.expire_time);
  record.last_use_time = kNow + absl::Seconds(1);
  record.expire_time = kNow + absl::Hours(2);
  record.head = 3;
  record.head_depth = 4;
  record.next_turn = 5;
  record.oldest_turn = 2;
  record.stored_turns = 6;
  record.stored_bytes = 1000;
  record.system_text_bytes = 100;
  ASSERT_TRUE(repository_->UpdateSession(kName, record).ok());

  const SessionRecord found = **repository_->FindSession(kName);
  EXPECT_EQ(found.life, 7u);
  EXPECT_EQ(found.create_time, kNow);
  EXPECT_EQ(found.last_use_time, kNow + absl::Seconds(1));
  EXPECT_EQ(found.expire_time, kNow + absl::Hours(2));
  EXPECT_EQ(found.due_time, kNow + absl::Hours(1));
  EXPECT_EQ(found.head, 3u);
  EXPECT_EQ(found.head_depth, 4);
  EXPECT_EQ(found.next_turn, 5u);
  EXPECT_EQ(found.oldest_turn, 2u);
  EXPECT_EQ(found.stored_turns, 6);
  EXPECT_EQ(found.stored_bytes, 1000);
  EXPECT_EQ(found.system_text_bytes, 100);
}

TEST_P(SessionRepositoryTest, KeepsEveryFieldOfATurn) {
  SessionRecord record = Create(kName, 7);
  TurnRecord turn = MakeTurn(1, 0, 1);
  turn.turn.add_request_messages()->add_content()->mutable_text()->set_text(
      std::string("a\0b", 3));
  Add(kName, record, turn);
  const TurnRecord found = **repository_->FindTurn("t", 7, 1);
  EXPECT_EQ(found.number, 1u);
  EXPECT_EQ(found.parent, 0u);
  EXPECT_EQ(found.depth, 1);
  EXPECT_EQ(found.commit_time, turn.commit_time);
  EXPECT_EQ(found.request_id, "req-1");
  EXPECT_EQ(found.answer_id, "answer-1");
  EXPECT_EQ(found.target, "mock/1");
  EXPECT_EQ(found.bytes, 100);
  EXPECT_EQ(found.turn.SerializeAsString(), turn.turn.SerializeAsString());
  EXPECT_FALSE(repository_->FindTurn("t", 7, 2)->has_value());
  EXPECT_FALSE(repository_->FindTurn("t", 8, 1)->has_value());
  EXPECT_FALSE(repository_->FindTurn("other", 7, 1)->has_value());
}

TEST_P(SessionRepositoryTest, AddsATurnWithAllThatNamesIt) {
  SessionRecord record = Create(kName, 7);
  const std::string system_text = "be brief";
  Add(kName, record, MakeTurn(1, 0, 1), {}, &system_text);
  EXPECT_EQ((*repository_->FindSession(kName))->head, 1u);
  const TurnAlias alias = **repository_->FindAlias(kName.owner, "answer-1");
  EXPECT_EQ(alias.session_id, "s");
  EXPECT_EQ(alias.life, 7u);
  EXPECT_EQ(alias.number, 1u);
  EXPECT_EQ(**repository_->FindCommit("t", 7, "req-1"), 1u);
  EXPECT_FALSE(repository_->FindCommit("t", 8, "req-1")->has_value());
  EXPECT_EQ(*repository_->ReadSystemText("t", 7), "be brief");
  EXPECT_EQ(*repository_->ReadSystemText("t", 8), "");

  Add(kName, record, MakeTurn(2, 1, 2));
  EXPECT_EQ(*repository_->ReadSystemText("t", 7), "be brief");
}

TEST_P(SessionRepositoryTest, ReadsABranchThroughItsForks) {
  SessionRecord record = Create(kName, 7);
  Add(kName, record, MakeTurn(1, 0, 1));
  Add(kName, record, MakeTurn(2, 1, 2));
  Add(kName, record, MakeTurn(3, 1, 2));
  Add(kName, record, MakeTurn(4, 3, 3));
  Add(kName, record, MakeTurn(5, 0, 1));
  EXPECT_THAT(BranchIds(7, 4), ElementsAre("t1", "t3", "t4"));
  EXPECT_THAT(BranchIds(7, 2), ElementsAre("t1", "t2"));
  EXPECT_THAT(BranchIds(7, 5), ElementsAre("t5"));
  EXPECT_THAT(BranchIds(7, 6), IsEmpty());
  EXPECT_THAT(BranchIds(8, 1), IsEmpty());
  const Branch branch = *repository_->ReadBranch("t", 7, 4, 1 << 20);
  EXPECT_EQ(branch.depth, 3);
  EXPECT_EQ(branch.target, "mock/4");
}

TEST_P(SessionRepositoryTest, ReadsWholeTurnsWithinTheBytes) {
  SessionRecord record = Create(kName, 7);
  Add(kName, record, MakeTurn(1, 0, 1));
  Add(kName, record, MakeTurn(2, 1, 2));
  Add(kName, record, MakeTurn(3, 2, 3));
  EXPECT_THAT(BranchIds(7, 3, 300), ElementsAre("t1", "t2", "t3"));
  EXPECT_THAT(BranchIds(7, 3, 299), ElementsAre("t2", "t3"));
  EXPECT_THAT(BranchIds(7, 3, 100), ElementsAre("t3"));
  EXPECT_THAT(BranchIds(7, 3, 99), IsEmpty());
  EXPECT_EQ(repository_->ReadBranch("t", 7, 3, 99)->depth, 3);
}

TEST_P(SessionRepositoryTest, ABranchEndsWhereItsTurnsAreGone) {
  SessionRecord record = Create(kName, 7);
  const TurnRecord one = MakeTurn(1, 0, 1);
  Add(kName, record, one);
  Add(kName, record, MakeTurn(2, 1, 2));
  Add(kName, record, MakeTurn(3, 2, 3), {one});
  EXPECT_THAT(BranchIds(7, 3), ElementsAre("t2", "t3"));
  EXPECT_THAT(TurnNumbers("t", 7), ElementsAre(2, 3));
  EXPECT_FALSE(repository_->FindAlias(kName.owner, "answer-1")->has_value());
  EXPECT_FALSE(repository_->FindCommit("t", 7, "req-1")->has_value());
  EXPECT_TRUE(repository_->FindAlias(kName.owner, "answer-2")->has_value());
}

TEST_P(SessionRepositoryTest, DroppingATurnKeepsAnAliasThatALaterOneTook) {
  SessionRecord record = Create(kName, 7);
  TurnRecord one = MakeTurn(1, 0, 1);
  one.answer_id = "same";
  TurnRecord two = MakeTurn(2, 1, 2);
  two.answer_id = "same";
  Add(kName, record, one);
  Add(kName, record, two);
  Add(kName, record, MakeTurn(3, 2, 3), {one});
  EXPECT_EQ((*repository_->FindAlias(kName.owner, "same"))->number, 2u);
}

TEST_P(SessionRepositoryTest, ListsTurnsByNumber) {
  SessionRecord record = Create(kName, 7);
  for (uint64_t number : {1, 2, 255, 256, 257}) {
    Add(kName, record, MakeTurn(number, 0, 1));
  }
  EXPECT_THAT(TurnNumbers("t", 7), ElementsAre(1, 2, 255, 256, 257));
  EXPECT_THAT(TurnNumbers("t", 7, 2, 2), ElementsAre(2, 255));
  EXPECT_THAT(TurnNumbers("t", 7, 258), IsEmpty());
}

TEST_P(SessionRepositoryTest, ListsSessionsById) {
  uint64_t life = 0;
  for (const char* id : {"b", "a", "ab", "a b"}) {
    Create({kName.owner, id}, ++life);
  }
  EXPECT_THAT(Ids(kName.owner), ElementsAre("a", "a b", "ab", "b"));
  EXPECT_THAT(Ids(kName.owner, "", 2), ElementsAre("a", "a b"));
  EXPECT_THAT(Ids(kName.owner, "a b"), ElementsAre("ab", "b"));
  EXPECT_THAT(Ids(kName.owner, "aa"), ElementsAre("ab", "b"));
}

TEST_P(SessionRepositoryTest, ARemovedSessionIsGoneAtOnceAndItsTurnsLater) {
  SessionRecord record = Create(kName, 7);
  const std::string system_text = "be brief";
  for (uint64_t number = 1; number <= 25; ++number) {
    Add(kName, record, MakeTurn(number, number - 1, number), {}, &system_text);
  }
  ASSERT_TRUE(repository_->RemoveSession(kName, record).ok());
  EXPECT_FALSE(repository_->FindSession(kName)->has_value());
  EXPECT_THAT(Ids(kName.owner), IsEmpty());
  EXPECT_TRUE(repository_->FindDue("t", kNow + absl::Hours(9), 10)->empty());

  EXPECT_TRUE(*repository_->CollectGarbage(10));
  EXPECT_EQ(TurnNumbers("t", 7).size(), 15u);
  CollectAll();
  EXPECT_THAT(TurnNumbers("t", 7), IsEmpty());
  EXPECT_FALSE(repository_->FindAlias(kName.owner, "answer-1")->has_value());
  EXPECT_FALSE(repository_->FindCommit("t", 7, "req-25")->has_value());
  EXPECT_EQ(*repository_->ReadSystemText("t", 7), "");
  EXPECT_FALSE(*repository_->CollectGarbage(10));
}

TEST_P(SessionRepositoryTest, ADamagedSessionIsRemovedByItsNameAlone) {
  SessionRecord record = Create(kName, 7);
  Create({kName.owner, "other"}, 8);
  Add(kName, record, MakeTurn(1, 0, 1));
  ASSERT_TRUE(repository_->RemoveDamagedSession(kName).ok());
  EXPECT_FALSE(repository_->FindSession(kName)->has_value());
  EXPECT_EQ(repository_->SessionCount("t"), 1);
  EXPECT_EQ(repository_->FindDue("t", kNow + absl::Hours(9), 10)->size(), 1u);
  CollectAll();
  EXPECT_THAT(TurnNumbers("t", 7), IsEmpty());
}

TEST_P(SessionRepositoryTest, ADamagedSessionIsPostponed) {
  const SessionRecord record = Create(kName, 7);
  auto due = repository_->FindDue("t", record.due_time, 10);
  ASSERT_EQ(due->size(), 1u);
  EXPECT_FALSE(due->front().damaged);
  const absl::Time later = record.due_time + absl::Hours(1);
  ASSERT_TRUE(repository_->Postpone(due->front(), later).ok());
  EXPECT_TRUE(repository_->FindDue("t", record.due_time, 10)->empty());
  due = repository_->FindDue("t", later, 10);
  ASSERT_EQ(due->size(), 1u);
  EXPECT_TRUE(due->front().damaged);
  EXPECT_EQ(due->front().name, kName);
}

TEST_P(SessionRepositoryTest, CollectingOneLifeLeavesTheNextAlone) {
  SessionRecord old = Create(kName, 7);
  Add(kName, old, MakeTurn(1, 0, 1));
  ASSERT_TRUE(repository_->RemoveSession(kName, old).ok());
  SessionRecord record = Create(kName, 8);
  TurnRecord turn = MakeTurn(1, 0, 1);
  Add(kName, record, turn);
  CollectAll();
  EXPECT_THAT(TurnNumbers("t", 7), IsEmpty());
  EXPECT_THAT(TurnNumbers("t", 8), ElementsAre(1));
  EXPECT_EQ((*repository_->FindAlias(kName.owner, "answer-1"))->life, 8u);
  EXPECT_TRUE(repository_->FindSession(kName)->has_value());
}

TEST_P(SessionRepositoryTest, CountsSessionsByTenant) {
  EXPECT_EQ(repository_->SessionCount("t"), 0);
  const SessionRecord record = Create(kName, 1);
  Create({{"t", ""}, "s"}, 2);
  Create({{"tt", ""}, "s"}, 3);
  EXPECT_EQ(repository_->SessionCount("t"), 2);
  EXPECT_EQ(repository_->TotalSessionCount(), 3);
  EXPECT_THAT(repository_->Tenants(), UnorderedElementsAre("t", "tt"));
  ASSERT_TRUE(repository_->RemoveSession(kName, record).ok());
  EXPECT_EQ(repository_->SessionCount("t"), 1);
  EXPECT_EQ(repository_->TotalSessionCount(), 2);
}

TEST_P(SessionRepositoryTest, FindsWhatIsDueEarliestFirst) {
  Create({kName.owner, "late"}, 1, kNow + absl::Seconds(3));
  Create({kName.owner, "early"}, 2, kNow + absl::Seconds(1));
  Create({{"t", ""}, "middle"}, 3, kNow + absl::Seconds(2));
  Create({{"tt", ""}, "foreign"}, 4, kNow);
  const auto ids = [&](absl::Duration after, size_t limit) {
    std::vector<std::string> ids;
    const auto due = *repository_->FindDue("t", kNow + after, limit);
    for (const DueSession& session : due) {
      ids.push_back(session.name.session_id);
    }
    return ids;
  };
  EXPECT_THAT(ids(absl::Milliseconds(999), 10), IsEmpty());
  EXPECT_THAT(ids(absl::Seconds(2), 10), ElementsAre("early", "middle"));
  EXPECT_THAT(ids(absl::Seconds(9), 1), ElementsAre("early"));
  const DueSession due =
      repository_->FindDue("t", kNow + absl::Hours(1), 2)->back();
  EXPECT_EQ(due.name.owner.user, "");
  EXPECT_EQ(due.life, 3u);
  EXPECT_EQ(due.due_time, kNow + absl::Seconds(2));
}

TEST_P(SessionRepositoryTest, AUseLeavesTheDueTimeUnlessItIsTooLate) {
  SessionRecord record = Create(kName, 7);
  const absl::Time due = record.due_time;
  record.expire_time = due + absl::Hours(5);
  ASSERT_TRUE(repository_->UpdateSession(kName, record).ok());
  EXPECT_EQ(record.due_time, due);
  EXPECT_EQ(repository_->FindDue("t", due, 10)->size(), 1u);

  ASSERT_TRUE(repository_->Reschedule(kName, record, record.expire_time).ok());
  EXPECT_TRUE(repository_->FindDue("t", due, 10)->empty());
  EXPECT_EQ(repository_->FindDue("t", due + absl::Hours(5), 10)->size(), 1u);

  record.expire_time = kNow + absl::Seconds(1);
  ASSERT_TRUE(repository_->UpdateSession(kName, record).ok());
  EXPECT_EQ(record.due_time, record.expire_time);
  EXPECT_EQ(repository_->FindDue("t", kNow + absl::Seconds(1), 10)->size(), 1u);
  EXPECT_EQ(repository_->FindDue("t", due + absl::Hours(9), 10)->size(), 1u);
}

// Names that would meet if components were joined without their sizes.
TEST_P(SessionRepositoryTest, NoNameReachesIntoAnother) {
  const std::string nul("\0", 1);
  const SessionName names[] = {
      {{"a", "b"}, "c"},
      {{"ab", ""}, "c"},
      {{"a", ""}, "bc"},
      {{"a", "bc"}, "c"},
      {{"a/b", "c"}, "d"},
      {{"a", "b/c"}, "d"},
      {{"a", "b"}, "c/d"},
      {{"a:b", "c"}, "d"},
      {{"a", "b:c"}, "d"},
      {{"a" + nul, "b"}, "c"},
      {{"a", nul + "b"}, "c"},
      {{"a", "b"}, nul + "c"},
      {{"a\x01s", "b"}, "c"},
      {{"\xff\xff", "\xff"}, "\xff"},
      {{"\xff", "\xff"}, "\xff\xff"},
      {{"a" + nul + nul + "s", "b"}, "c"},
      {{std::string(255, 'x'), ""}, "c"},
      {{std::string(256, 'x'), ""}, "c"},
  };
  uint64_t life = 0;
  for (const SessionName& name : names) {
    SessionRecord record = Create(name, ++life);
    // The same numbers in each, as an attacker would have them.
    TurnRecord turn = MakeTurn(1, 0, 1);
    turn.turn.set_turn_id(std::to_string(life));
    Add(name, record, turn);
  }
  life = 0;
  for (const SessionName& name : names) {
    ++life;
    SCOPED_TRACE(life);
    EXPECT_EQ((*repository_->FindSession(name))->life, life);
    EXPECT_EQ(
        (*repository_->FindTurn(name.owner.tenant, life, 1))->turn.turn_id(),
        std::to_string(life));
    std::vector<std::string> mine;
    for (const SessionName& other : names) {
      if (other.owner == name.owner) mine.push_back(other.session_id);
    }
    EXPECT_THAT(Ids(name.owner), testing::UnorderedElementsAreArray(mine));
    // Of no other tenant.
    const auto all =
        *repository_->FindDue(name.owner.tenant, kNow + absl::Hours(2), 100);
    for (const DueSession& due : all) {
      EXPECT_EQ(due.name.owner.tenant, name.owner.tenant);
    }
  }
  // Removing one takes nothing from another.
  ASSERT_TRUE(
      repository_->RemoveSession(names[0], **repository_->FindSession(names[0]))
          .ok());
  CollectAll();
  EXPECT_THAT(TurnNumbers(names[0].owner.tenant, 1), IsEmpty());
  life = 1;
  for (const SessionName& name :
       std::vector<SessionName>(std::begin(names) + 1, std::end(names))) {
    EXPECT_THAT(TurnNumbers(name.owner.tenant, ++life), ElementsAre(1));
  }
}

}  // namespace
}  // namespace gateway::session_store
