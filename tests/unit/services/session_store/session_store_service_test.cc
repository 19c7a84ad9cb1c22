#include "services/session_store/session_store_service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <string>

#include "common/concurrency/spawn.h"
#include "common/status/error.h"
#include "tests/fakes/in_memory_session_repository.h"
#include "tests/support/fake_clock.h"

namespace gateway::session_store {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

template <class T>
Awaitable<void> Keep(Awaitable<T> flow, std::optional<T>* result) {
  *result = co_await std::move(flow);
}

class SessionStoreServiceTest : public testing::Test {
 protected:
  SessionStoreServiceTest() {
    context_.set_request_id("req_1");
    context_.mutable_account()->set_tenant("acme");
    context_.mutable_account()->set_user("alice");
  }

  // Runs one flow to its end.
  template <class T>
  T Run(Awaitable<T> flow) {
    boost::asio::io_context io;
    std::optional<T> result;
    SpawnDetached(io.get_executor(), Keep(std::move(flow), &result));
    io.run();
    return *std::move(result);
  }

  template <class Request>
  Request Make() {
    Request request;
    *request.mutable_context() = context_;
    return request;
  }

  template <class Request>
  Request MakeFor(const std::string& session_id) {
    Request request = Make<Request>();
    request.set_session_id(session_id);
    return request;
  }

  v1::BeginTurnRequest Follow(const std::string& session_id) {
    auto request = MakeFor<v1::BeginTurnRequest>(session_id);
    request.set_create_if_absent(true);
    return request;
  }

  absl::StatusOr<v1::BeginTurnResponse> Begin(
      const v1::BeginTurnRequest& request) {
    return Run(service_.BeginTurn(call_, request));
  }

  absl::StatusOr<v1::CommitTurnResponse> Say(const std::string& session_id,
                                             const std::string& question) {
    context_.set_request_id("req_" + question);
    const auto begun = Begin(Follow(session_id));
    EXPECT_TRUE(begun.ok()) << begun.status();
    auto request = MakeFor<v1::CommitTurnRequest>(session_id);
    request.set_lease_id(begun->lease_id());
    request.set_expected_head_turn_id(begun->head_turn_id());
    auto* turn = request.mutable_turn();
    turn->set_parent_turn_id(begun->head_turn_id());
    turn->add_request_messages()->add_content()->mutable_text()->set_text(
        question);
    turn->set_answer_id("answer-" + question);
    turn->set_target("mock/m");
    turn->set_token_count(3);
    turn->set_system_text("be brief");
    return Run(service_.CommitTurn(call_, request));
  }

  // The value of a counter of the service; 0 if it is not there.
  double Count(const std::string& op, const std::string& result) {
    for (const auto& family : metrics_.Collect()) {
      if (family.name != "agentgw_session_operations_total") continue;
      for (const auto& metric : family.metric) {
        if (metric.label[0].value == op && metric.label[1].value == result) {
          return metric.counter.value;
        }
      }
    }
    return 0;
  }

  common::v1::CallContext context_;
  rpc::Call call_;
  FakeClock clock_;
  InMemorySessionRepository repository_;
  SessionTree tree_{SessionTreeOptions(), &repository_, &clock_};
  Metrics metrics_;
  BoundedExecutor executor_{{.name = "test", .threads = 2}};
  SessionStoreService service_{&tree_, &executor_, &clock_, &metrics_};
};

TEST_F(SessionStoreServiceTest, ATurnIsBegunCommittedAndComesBack) {
  const auto committed = Say("s1", "one");
  ASSERT_TRUE(committed.ok()) << committed.status();
  EXPECT_EQ(committed->turn_count(), 1);

  context_.set_request_id("req_2");
  const auto begun = Begin(Follow("s1"));
  ASSERT_TRUE(begun.ok()) << begun.status();
  EXPECT_EQ(begun->session_id(), "s1");
  EXPECT_FALSE(begun->lease_id().empty());
  EXPECT_EQ(begun->lease_timeout().seconds(), 30);
  EXPECT_EQ(begun->head_turn_id(), committed->turn_id());
  EXPECT_EQ(begun->turn_count(), 1);
  ASSERT_EQ(begun->turns_size(), 1);
  EXPECT_EQ(begun->turns(0).turn_id(), committed->turn_id());
  EXPECT_EQ(begun->turns(0).token_count(), 3);
  EXPECT_EQ(begun->turns(0).request_messages(0).content(0).text().text(),
            "one");
  EXPECT_EQ(begun->omitted_turns(), 0);
  EXPECT_EQ(begun->system_text(), "be brief");
  EXPECT_EQ(begun->last_target(), "mock/m");
}

TEST_F(SessionStoreServiceTest, ReadsAContextWithoutALease) {
  ASSERT_TRUE(Say("s1", "one").ok());
  const auto read =
      Run(service_.ReadContext(call_, MakeFor<v1::ReadContextRequest>("s1")));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->turns_size(), 1);
  EXPECT_EQ(read->system_text(), "be brief");
  EXPECT_EQ(read->last_target(), "mock/m");
  auto small = MakeFor<v1::ReadContextRequest>("s1");
  small.set_max_context_bytes(1);
  EXPECT_EQ(Run(service_.ReadContext(call_, small))->omitted_turns(), 1);
}

TEST_F(SessionStoreServiceTest, ForksByAnswerId) {
  ASSERT_TRUE(Say("s1", "one").ok());
  auto request = Make<v1::BeginTurnRequest>();
  request.set_previous_answer_id("answer-one");
  const auto fork = Begin(request);
  ASSERT_TRUE(fork.ok()) << fork.status();
  EXPECT_EQ(fork->session_id(), "s1");
  EXPECT_EQ(fork->lease_id(), "");
}

TEST_F(SessionStoreServiceTest, DescribesASession) {
  const absl::Time made = clock_.Now();
  ASSERT_TRUE(
      Run(service_.CreateSession(call_, MakeFor<v1::CreateSessionRequest>("s")))
          .ok());
  clock_.Advance(absl::Milliseconds(2500));
  const auto committed = Say("s", "one");
  const auto session =
      Run(service_.GetSession(call_, MakeFor<v1::GetSessionRequest>("s")));
  ASSERT_TRUE(session.ok()) << session.status();
  EXPECT_EQ(session->session_id(), "s");
  EXPECT_EQ(session->user(), "alice");
  EXPECT_EQ(session->create_time().seconds(), absl::ToUnixSeconds(made));
  EXPECT_EQ(session->last_use_time().seconds(), absl::ToUnixSeconds(made) + 2);
  EXPECT_EQ(session->last_use_time().nanos(), 500'000'000);
  EXPECT_EQ(session->expire_time().seconds(),
            absl::ToUnixSeconds(made) + 2 + 86400);
  EXPECT_EQ(session->turn_count(), 1);
  EXPECT_EQ(session->head_turn_id(), committed->turn_id());
  EXPECT_GT(session->stored_bytes(), 0);
}

TEST_F(SessionStoreServiceTest, MakesANameIfNoneIsGiven) {
  const auto made =
      Run(service_.CreateSession(call_, Make<v1::CreateSessionRequest>()));
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_FALSE(made->session_id().empty());
  EXPECT_EQ(made->head_turn_id(), "");
}

TEST_F(SessionStoreServiceTest, ListsSessionsInPages) {
  for (const char* id : {"c", "a", "b"}) {
    ASSERT_TRUE(Run(service_.CreateSession(
                        call_, MakeFor<v1::CreateSessionRequest>(id)))
                    .ok());
  }
  auto request = Make<v1::ListSessionsRequest>();
  request.set_page_size(2);
  const auto first = Run(service_.ListSessions(call_, request));
  ASSERT_TRUE(first.ok()) << first.status();
  ASSERT_EQ(first->sessions_size(), 2);
  EXPECT_EQ(first->sessions(0).session_id(), "a");
  EXPECT_EQ(first->sessions(1).session_id(), "b");
  request.set_page_token(first->next_page_token());
  const auto second = Run(service_.ListSessions(call_, request));
  ASSERT_TRUE(second.ok()) << second.status();
  ASSERT_EQ(second->sessions_size(), 1);
  EXPECT_EQ(second->sessions(0).session_id(), "c");
  EXPECT_EQ(second->next_page_token(), "");
}

TEST_F(SessionStoreServiceTest, ListsTurnsInPages) {
  for (const char* question : {"one", "two", "three"}) {
    ASSERT_TRUE(Say("s1", question).ok());
  }
  auto request = MakeFor<v1::ListTurnsRequest>("s1");
  request.set_page_size(2);
  const auto first = Run(service_.ListTurns(call_, request));
  ASSERT_TRUE(first.ok()) << first.status();
  ASSERT_EQ(first->turns_size(), 2);
  EXPECT_EQ(first->turns(1).answer_id(), "answer-two");
  EXPECT_EQ(first->turns(1).target(), "mock/m");
  EXPECT_EQ(first->turns(1).commit_time().seconds(),
            absl::ToUnixSeconds(clock_.Now()));
  EXPECT_EQ(first->turns(1).turn().parent_turn_id(),
            first->turns(0).turn().turn_id());
  request.set_page_token(first->next_page_token());
  const auto second = Run(service_.ListTurns(call_, request));
  ASSERT_TRUE(second.ok()) << second.status();
  ASSERT_EQ(second->turns_size(), 1);
  EXPECT_EQ(second->turns(0).answer_id(), "answer-three");
  EXPECT_EQ(second->next_page_token(), "");
}

TEST_F(SessionStoreServiceTest, DeletesIdempotently) {
  ASSERT_TRUE(Say("s1", "one").ok());
  const auto request = MakeFor<v1::DeleteSessionRequest>("s1");
  EXPECT_TRUE(Run(service_.DeleteSession(call_, request)).ok());
  EXPECT_TRUE(Run(service_.DeleteSession(call_, request)).ok());
  EXPECT_TRUE(absl::IsNotFound(
      Run(service_.GetSession(call_, MakeFor<v1::GetSessionRequest>("s1")))
          .status()));
}

TEST_F(SessionStoreServiceTest, RenewsAndAbandons) {
  const auto begun = Begin(Follow("s1"));
  auto renew = MakeFor<v1::RenewLeaseRequest>("s1");
  renew.set_lease_id(begun->lease_id());
  clock_.Advance(absl::Seconds(20));
  EXPECT_TRUE(Run(service_.RenewLease(call_, renew)).ok());
  clock_.Advance(absl::Seconds(20));
  context_.set_request_id("req_2");
  EXPECT_EQ(ReasonOf(Begin(Follow("s1")).status()), reason::kSessionBusy);

  auto abandon = MakeFor<v1::AbandonTurnRequest>("s1");
  abandon.set_lease_id(begun->lease_id());
  EXPECT_TRUE(Run(service_.AbandonTurn(call_, abandon)).ok());
  EXPECT_TRUE(Begin(Follow("s1")).ok());
}

// --- What is refused -------------------------------------------------------

TEST_F(SessionStoreServiceTest, SessionIdsArePrintableAsciiOfBoundedLength) {
  const auto status = [&](const std::string& id) {
    return Run(service_.GetSession(call_, MakeFor<v1::GetSessionRequest>(id)))
        .status();
  };
  for (const std::string& id :
       {std::string(), std::string(257, 'x'), std::string("a\0b", 3),
        std::string("a\n"), std::string("\x7f"), std::string("é")}) {
    const absl::Status refused = status(id);
    EXPECT_TRUE(absl::IsInvalidArgument(refused)) << refused;
    EXPECT_EQ(DetailOf(refused)->param(), "session_id");
    EXPECT_EQ(ReasonOf(Begin(Follow(id)).status()), reason::kInvalidValue);
  }
  for (const std::string& id :
       {std::string(256, 'x'), std::string(" ~!/:%"), std::string("..")}) {
    EXPECT_TRUE(absl::IsNotFound(status(id))) << id;
  }
  EXPECT_EQ(repository_.Writes(), 0u);
}

TEST_F(SessionStoreServiceTest, NamesOfOthersAreTextOfBoundedLength) {
  const auto status = [&] {
    return Run(service_.GetSession(call_, MakeFor<v1::GetSessionRequest>("s1")))
        .status();
  };
  for (const std::string& bad :
       {std::string(257, 'x'), std::string("a\0b", 3), std::string("\n")}) {
    const common::v1::CallContext before = context_;
    context_.mutable_account()->set_tenant(bad);
    EXPECT_TRUE(absl::IsInvalidArgument(status()));
    context_ = before;
    context_.mutable_account()->set_user(bad);
    EXPECT_TRUE(absl::IsInvalidArgument(status()));
    context_ = before;
    context_.set_request_id(bad);
    EXPECT_TRUE(absl::IsInvalidArgument(status()));
    context_ = before;
  }
  context_.mutable_account()->set_user("Zoë/..:%");
  EXPECT_TRUE(absl::IsNotFound(status()));
}

TEST_F(SessionStoreServiceTest, BeginTurnNamesItsParent) {
  EXPECT_EQ(ReasonOf(Begin(Make<v1::BeginTurnRequest>()).status()),
            reason::kMissingParameter);
  auto fork = Make<v1::BeginTurnRequest>();
  fork.set_previous_answer_id("");
  EXPECT_EQ(ReasonOf(Begin(fork).status()), reason::kMissingParameter);
  fork.set_previous_answer_id(std::string(1025, 'x'));
  EXPECT_EQ(ReasonOf(Begin(fork).status()), reason::kInvalidValue);
  auto negative = Follow("s1");
  negative.set_expected_turn_count(-1);
  EXPECT_TRUE(absl::IsInvalidArgument(Begin(negative).status()));
  negative = Follow("s1");
  negative.set_max_context_bytes(-1);
  EXPECT_TRUE(absl::IsInvalidArgument(Begin(negative).status()));
}

TEST_F(SessionStoreServiceTest, CommitAndRenewSayWhat) {
  EXPECT_EQ(ReasonOf(Run(service_.CommitTurn(
                             call_, MakeFor<v1::CommitTurnRequest>("s1")))
                         .status()),
            reason::kMissingParameter);
  EXPECT_EQ(ReasonOf(Run(service_.RenewLease(
                             call_, MakeFor<v1::RenewLeaseRequest>("s1")))
                         .status()),
            reason::kMissingParameter);
}

TEST_F(SessionStoreServiceTest, PagesAreBoundedAndTokensChecked) {
  auto request = Make<v1::ListSessionsRequest>();
  for (int size : {-1, 1001}) {
    request.set_page_size(size);
    EXPECT_TRUE(absl::IsInvalidArgument(
        Run(service_.ListSessions(call_, request)).status()));
  }
  request.set_page_size(1000);
  EXPECT_TRUE(Run(service_.ListSessions(call_, request)).ok());
  request.set_page_token("***");
  EXPECT_TRUE(absl::IsInvalidArgument(
      Run(service_.ListSessions(call_, request)).status()));

  ASSERT_TRUE(Say("s1", "one").ok());
  auto turns = MakeFor<v1::ListTurnsRequest>("s1");
  turns.set_page_token("dHVybl8x");
  EXPECT_TRUE(
      absl::IsInvalidArgument(Run(service_.ListTurns(call_, turns)).status()));
}

// --- Time, load and failure ------------------------------------------------

TEST_F(SessionStoreServiceTest, ACallWhoseTimeIsUpDoesNothing) {
  call_.deadline = clock_.Now();
  EXPECT_EQ(ReasonOf(Begin(Follow("s1")).status()), reason::kDeadlineExceeded);
  EXPECT_EQ(repository_.Writes(), 0u);
}

TEST_F(SessionStoreServiceTest, AFullExecutorRefusesAtOnce) {
  // Outlive the thread that uses them.
  std::promise<void> release;
  std::promise<void> running;
  BoundedExecutor busy({.name = "busy", .threads = 1, .queue_size = 1});
  SessionStoreService service(&tree_, &busy, &clock_, &metrics_);
  ASSERT_TRUE(busy.TryPost([&] {
    running.set_value();
    release.get_future().wait();
  }));
  running.get_future().wait();
  ASSERT_TRUE(busy.TryPost([] {}));
  const auto request = Follow("s1");
  const auto refused = Run(service.BeginTurn(call_, request));
  EXPECT_TRUE(absl::IsUnavailable(refused.status()));
  EXPECT_EQ(ReasonOf(refused.status()), reason::kOverloaded);
  release.set_value();
}

TEST_F(SessionStoreServiceTest, ABrokenStoreIsUnavailableWithAHint) {
  repository_.FailWith(MakeError(reason::kSessionUnavailable, "disk"));
  const absl::Status failed = Begin(Follow("s1")).status();
  EXPECT_TRUE(absl::IsUnavailable(failed));
  EXPECT_EQ(ReasonOf(failed), reason::kSessionUnavailable);
  EXPECT_TRUE(DetailOf(failed)->has_retry_delay());
}

// The caller never learnt of its lease, so nobody would free it.
TEST_F(SessionStoreServiceTest, ABeginWhoseCallerLeftHoldsNothing) {
  boost::asio::io_context io;
  boost::asio::cancellation_signal cancel;
  const auto request = Follow("s1");
  std::optional<absl::StatusOr<v1::BeginTurnResponse>> result;
  Spawn(io.get_executor(), Keep(service_.BeginTurn(call_, request), &result),
        cancel.slot(), [] {});
  boost::asio::post(
      io, [&] { cancel.emit(boost::asio::cancellation_type::terminal); });
  io.run();
  executor_.Stop();
  ASSERT_TRUE(result.has_value());
  ASSERT_TRUE(result->ok()) << result->status();
  BeginTurnParams other;
  other.owner = {"acme", "alice"};
  other.request_id = "req_2";
  other.session_id = "s1";
  EXPECT_TRUE(tree_.BeginTurn(other).ok());
}

TEST_F(SessionStoreServiceTest, CountsByOperationAndResult) {
  ASSERT_TRUE(Say("s1", "one").ok());
  ASSERT_TRUE(Begin(Follow("s1")).ok());
  context_.set_request_id("req_2");
  EXPECT_FALSE(Begin(Follow("s1")).ok());
  EXPECT_FALSE(Begin(Follow("")).ok());
  EXPECT_EQ(Count("begin_turn", "ok"), 2);
  EXPECT_EQ(Count("begin_turn", "session_busy"), 1);
  EXPECT_EQ(Count("begin_turn", "invalid_value"), 1);
  EXPECT_EQ(Count("commit_turn", "ok"), 1);
  metrics_.Ended(Operation::kClean,
                 ErrorBuilder(absl::StatusCode::kInternal, "strange", ""),
                 absl::ZeroDuration());
  EXPECT_EQ(Count("clean", "other"), 1);
}

}  // namespace
}  // namespace gateway::session_store
