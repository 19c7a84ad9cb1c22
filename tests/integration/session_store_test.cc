// session-store as its callers meet it. The first part is the contract, which
// the fake keeps as well as the server, near and far; the second is what only a
// server with a disk can show.

#include <absl/strings/str_cat.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "common/clients/checked_session_store.h"
#include "common/clients/grpc_session_store.h"
#include "common/metrics/lint.h"
#include "common/rpc/channel.h"
#include "common/status/error.h"
#include "services/session_store/server.h"
#include "tests/fakes/fake_session_store.h"
#include "tests/support/crash_disk.h"
#include "tests/support/fake_clock.h"
#include "tests/support/running_flow.h"

namespace gateway::session_store {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::StartsWith;

// A caller: one tenant and user.
class Caller {
 public:
  Caller(SessionStore* store, IoPool* io, const std::string& tenant = "acme",
         const std::string& user = "")
      : store_(store), io_(io), tenant_(tenant), user_(user) {}

  template <class Request>
  Request Make(const std::string& session_id = "") {
    Request request;
    request.mutable_context()->set_request_id(
        absl::StrCat("req_", next_request_++));
    request.mutable_context()->mutable_account()->set_tenant(tenant_);
    request.mutable_context()->mutable_account()->set_user(user_);
    if constexpr (requires { request.set_session_id(session_id); }) {
      if (!session_id.empty()) request.set_session_id(session_id);
    }
    return request;
  }

  template <class Request, class Response>
  absl::StatusOr<Response> Call(Awaitable<absl::StatusOr<Response>> (
                                    SessionStore::*method)(rpc::Call&,
                                                           const Request&),
                                const Request& request) {
    // Beyond what a fake clock is advanced.
    rpc::Call call{.deadline = absl::Now() + absl::Hours(24)};
    return RunFlow(io_->Next(), (store_->*method)(call, request));
  }

  absl::StatusOr<v1::BeginTurnResponse> Follow(const std::string& session_id) {
    auto request = Make<v1::BeginTurnRequest>(session_id);
    request.set_create_if_absent(true);
    return Call(&SessionStore::BeginTurn, request);
  }

  absl::StatusOr<v1::BeginTurnResponse> Fork(const std::string& answer_id) {
    auto request = Make<v1::BeginTurnRequest>();
    request.set_previous_answer_id(answer_id);
    return Call(&SessionStore::BeginTurn, request);
  }

  v1::CommitTurnRequest CommitOf(const v1::BeginTurnResponse& begun,
                                 const std::string& question) {
    auto request = Make<v1::CommitTurnRequest>(begun.session_id());
    request.set_lease_id(begun.lease_id());
    request.set_expected_head_turn_id(begun.head_turn_id());
    auto* turn = request.mutable_turn();
    turn->set_parent_turn_id(begun.head_turn_id());
    turn->add_request_messages()->add_content()->mutable_text()->set_text(
        question);
    turn->add_answer_messages()->add_content()->mutable_text()->set_text(
        "re: " + question);
    turn->set_answer_id("answer-" + question.substr(0, 100));
    turn->set_target("mock/m");
    turn->set_token_count(3);
    return request;
  }

  absl::StatusOr<v1::CommitTurnResponse> Commit(
      const v1::BeginTurnResponse& begun, const std::string& question) {
    return Call(&SessionStore::CommitTurn, CommitOf(begun, question));
  }

  absl::StatusOr<v1::CommitTurnResponse> Say(const std::string& session_id,
                                             const std::string& question) {
    const auto begun = Follow(session_id);
    if (!begun.ok()) return begun.status();
    return Commit(*begun, question);
  }

  absl::Status Abandon(const v1::BeginTurnResponse& begun) {
    auto request = Make<v1::AbandonTurnRequest>(begun.session_id());
    request.set_lease_id(begun.lease_id());
    return Call(&SessionStore::AbandonTurn, request).status();
  }

  absl::Status Renew(const v1::BeginTurnResponse& begun) {
    auto request = Make<v1::RenewLeaseRequest>(begun.session_id());
    request.set_lease_id(begun.lease_id());
    return Call(&SessionStore::RenewLease, request).status();
  }

  absl::StatusOr<v1::ReadContextResponse> Read(const std::string& session_id) {
    return Call(&SessionStore::ReadContext,
                Make<v1::ReadContextRequest>(session_id));
  }

  // The questions on the head's branch.
  std::vector<std::string> Questions(const std::string& session_id) {
    const auto read = Read(session_id);
    EXPECT_TRUE(read.ok()) << read.status();
    std::vector<std::string> questions;
    if (!read.ok()) return questions;
    for (const auto& turn : read->turns()) {
      questions.push_back(turn.request_messages(0).content(0).text().text());
    }
    return questions;
  }

 private:
  SessionStore* store_;
  IoPool* io_;
  std::string tenant_;
  std::string user_;
  static inline std::atomic<int> next_request_ = 0;
};

// A server on a directory, and the ways to it.
class Fixture {
 public:
  Fixture() {
    std::string pattern = testing::TempDir() + "session_store_XXXXXX";
    path_ = mkdtemp(pattern.data());
    options.service.data_dir = path_ + "/data";
    options.service.grpc = {"127.0.0.1", 0};
  }
  ~Fixture() {
    Close();
    std::filesystem::remove_all(path_);
  }

  absl::Status Start() {
    Close();
    server_ = Server::Create(options, {.io = &io, .clock = clock, .env = env});
    absl::Status started = server_->Start();
    if (!started.ok()) return started;
    far_ = MakeGrpcSessionStore(rpc::MakeChannel(
        {.target = absl::StrCat("127.0.0.1:", server_->grpc_port())}));
    return started;
  }

  // As a process ends.
  void Stop() {
    server_->SetHealth(false, true);
    server_->BeginDrain();
    server_->CancelRemaining();
    server_->Stop();
  }

  void Close() {
    far_.reset();
    server_.reset();
  }

  Server& server() { return *server_; }
  SessionStore* near() { return server_->session_store(); }
  SessionStore* far() { return far_.get(); }

  Options options;
  Clock* clock = RealClock();
  rocksdb::Env* env = nullptr;
  IoPool io{2};

 private:
  std::string path_;
  std::unique_ptr<Server> server_;
  std::unique_ptr<SessionStore> far_;
};

// --- The contract ----------------------------------------------------------

class SessionStoreContractTest : public testing::TestWithParam<std::string> {
 protected:
  SessionStoreContractTest() {
    if (GetParam() != "Fake") {
      const absl::Status started = fixture_.Start();
      EXPECT_TRUE(started.ok()) << started;
    }
  }

  SessionStore* store() {
    if (GetParam() == "Fake") return &checked_fake_;
    return GetParam() == "Near" ? fixture_.near() : fixture_.far();
  }

  Caller As(const std::string& tenant, const std::string& user = "") {
    return Caller(store(), &fixture_.io, tenant, user);
  }

  Fixture fixture_;
  FakeSessionStore fake_;
  CheckedSessionStore checked_fake_{&fake_, Entry::kDirect};
};

INSTANTIATE_TEST_SUITE_P(All, SessionStoreContractTest,
                         testing::Values("Fake", "Near", "Far"),
                         [](const auto& info) { return info.param; });

TEST_P(SessionStoreContractTest, WhatWasSaidComesBack) {
  Caller caller = As("acme");
  const auto one = caller.Say("s1", "one");
  ASSERT_TRUE(one.ok()) << one.status();
  EXPECT_EQ(one->turn_count(), 1);
  const auto begun = caller.Follow("s1");
  ASSERT_TRUE(begun.ok()) << begun.status();
  EXPECT_EQ(begun->session_id(), "s1");
  EXPECT_EQ(begun->head_turn_id(), one->turn_id());
  EXPECT_EQ(begun->turn_count(), 1);
  EXPECT_EQ(begun->last_target(), "mock/m");
  EXPECT_EQ(begun->lease_timeout().seconds(), 30);
  ASSERT_EQ(begun->turns_size(), 1);
  EXPECT_EQ(begun->turns(0).turn_id(), one->turn_id());
  EXPECT_EQ(begun->turns(0).token_count(), 3);
  EXPECT_EQ(begun->turns(0).answer_messages(0).content(0).text().text(),
            "re: one");
  EXPECT_EQ(caller.Commit(*begun, "two")->turn_count(), 2);
  EXPECT_THAT(caller.Questions("s1"), ElementsAre("one", "two"));
}

TEST_P(SessionStoreContractTest, ASecondTurnIsBusyUntilTheFirstEnds) {
  Caller caller = As("acme");
  const auto first = caller.Follow("s1");
  ASSERT_TRUE(first.ok()) << first.status();
  const absl::Status busy = caller.Follow("s1").status();
  EXPECT_TRUE(absl::IsAborted(busy)) << busy;
  EXPECT_EQ(ReasonOf(busy), reason::kSessionBusy);
  EXPECT_TRUE(DetailOrDefault(busy).has_retry_delay());
  EXPECT_TRUE(caller.Renew(*first).ok());
  EXPECT_TRUE(caller.Abandon(*first).ok());
  EXPECT_TRUE(caller.Follow("s1").ok());
}

TEST_P(SessionStoreContractTest, CommittingTwiceStoresOnce) {
  Caller caller = As("acme");
  const auto request = caller.CommitOf(*caller.Follow("s1"), "one");
  const auto first = caller.Call(&SessionStore::CommitTurn, request);
  const auto again = caller.Call(&SessionStore::CommitTurn, request);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->turn_id(), first->turn_id());
  EXPECT_THAT(caller.Questions("s1"), ElementsAre("one"));
}

TEST_P(SessionStoreContractTest, OfTwoTurnsOnOneHeadTheFirstToCommitWins) {
  Caller caller = As("acme");
  const auto lost = caller.Follow("s1");
  ASSERT_TRUE(caller.Abandon(*lost).ok());
  const auto held = caller.Follow("s1");
  ASSERT_TRUE(caller.Commit(*lost, "lost").ok());
  EXPECT_EQ(ReasonOf(caller.Renew(*held)), reason::kLeaseLost);
  EXPECT_EQ(ReasonOf(caller.Commit(*held, "held").status()),
            reason::kSessionNotSaved);
  EXPECT_THAT(caller.Questions("s1"), ElementsAre("lost"));
}

TEST_P(SessionStoreContractTest, AnAnswerIdForksAndNeverWaits) {
  Caller caller = As("acme");
  ASSERT_TRUE(caller.Say("s1", "one").ok());
  ASSERT_TRUE(caller.Say("s1", "two").ok());
  ASSERT_TRUE(caller.Follow("s1").ok());
  const auto fork = caller.Fork("answer-one");
  ASSERT_TRUE(fork.ok()) << fork.status();
  EXPECT_EQ(fork->session_id(), "s1");
  EXPECT_EQ(fork->lease_id(), "");
  EXPECT_EQ(fork->turn_count(), 1);
  ASSERT_TRUE(caller.Commit(*fork, "other").ok());
  EXPECT_THAT(caller.Questions("s1"), ElementsAre("one", "other"));
  const absl::Status missing = caller.Fork("answer-none").status();
  EXPECT_TRUE(absl::IsInvalidArgument(missing)) << missing;
  EXPECT_EQ(ReasonOf(missing), reason::kPreviousResponseNotFound);
}

TEST_P(SessionStoreContractTest, TheExpectedTurnIsChecked) {
  Caller caller = As("acme");
  ASSERT_TRUE(caller.Say("s1", "one").ok());
  auto request = caller.Make<v1::BeginTurnRequest>("s1");
  request.set_expected_turn_count(0);
  const absl::Status mismatch =
      caller.Call(&SessionStore::BeginTurn, request).status();
  EXPECT_TRUE(absl::IsAborted(mismatch)) << mismatch;
  EXPECT_EQ(ReasonOf(mismatch), reason::kSessionTurnMismatch);
  EXPECT_FALSE(IsRetryable(mismatch));
}

TEST_P(SessionStoreContractTest, SessionsAreMadeListedAndDeleted) {
  Caller caller = As("acme", "alice");
  for (const char* id : {"b", "a"}) {
    const auto made = caller.Call(&SessionStore::CreateSession,
                                  caller.Make<v1::CreateSessionRequest>(id));
    ASSERT_TRUE(made.ok()) << made.status();
    EXPECT_EQ(made->session_id(), id);
    EXPECT_EQ(made->user(), "alice");
  }
  const auto named = caller.Call(&SessionStore::CreateSession,
                                 caller.Make<v1::CreateSessionRequest>());
  ASSERT_TRUE(named.ok()) << named.status();
  EXPECT_NE(named->session_id(), "");
  EXPECT_TRUE(
      caller
          .Call(&SessionStore::DeleteSession,
                caller.Make<v1::DeleteSessionRequest>(named->session_id()))
          .ok());
  ASSERT_TRUE(caller.Say("a", "one").ok());
  const auto listed = caller.Call(&SessionStore::ListSessions,
                                  caller.Make<v1::ListSessionsRequest>());
  ASSERT_TRUE(listed.ok()) << listed.status();
  ASSERT_EQ(listed->sessions_size(), 2);
  EXPECT_EQ(listed->sessions(0).session_id(), "a");
  EXPECT_EQ(listed->sessions(0).turn_count(), 1);
  EXPECT_EQ(listed->sessions(1).session_id(), "b");

  const auto turns = caller.Call(&SessionStore::ListTurns,
                                 caller.Make<v1::ListTurnsRequest>("a"));
  ASSERT_TRUE(turns.ok()) << turns.status();
  ASSERT_EQ(turns->turns_size(), 1);
  EXPECT_EQ(turns->turns(0).answer_id(), "answer-one");

  for (int i = 0; i < 2; ++i) {
    EXPECT_TRUE(caller
                    .Call(&SessionStore::DeleteSession,
                          caller.Make<v1::DeleteSessionRequest>("a"))
                    .ok());
  }
  const absl::Status gone = caller
                                .Call(&SessionStore::GetSession,
                                      caller.Make<v1::GetSessionRequest>("a"))
                                .status();
  EXPECT_TRUE(absl::IsNotFound(gone)) << gone;
  EXPECT_EQ(ReasonOf(gone), reason::kSessionNotFound);
}

TEST_P(SessionStoreContractTest, NobodySeesWhatIsNotTheirs) {
  Caller owner = As("acme", "alice");
  ASSERT_TRUE(owner.Say("s1", "secret").ok());
  for (Caller stranger : {As("acme"), As("acme", "bob"), As("evil", "alice")}) {
    EXPECT_TRUE(absl::IsNotFound(stranger.Read("s1").status()));
    EXPECT_EQ(ReasonOf(stranger.Fork("answer-secret").status()),
              reason::kPreviousResponseNotFound);
    EXPECT_EQ(stranger
                  .Call(&SessionStore::ListSessions,
                        stranger.Make<v1::ListSessionsRequest>())
                  ->sessions_size(),
              0);
    EXPECT_TRUE(stranger
                    .Call(&SessionStore::DeleteSession,
                          stranger.Make<v1::DeleteSessionRequest>("s1"))
                    .ok());
  }
  EXPECT_THAT(owner.Questions("s1"), ElementsAre("secret"));
}

TEST_P(SessionStoreContractTest, ACallSaysOnWhoseAccountItRuns) {
  Caller nobody = As("");
  EXPECT_EQ(ReasonOf(nobody.Read("s1").status()), reason::kMissingParameter);
}

// --- The server ------------------------------------------------------------

class SessionStoreServerTest : public testing::Test {
 protected:
  void Start() {
    const absl::Status started = fixture_.Start();
    ASSERT_TRUE(started.ok()) << started;
  }
  Caller Far() { return Caller(fixture_.far(), &fixture_.io); }
  Caller Near() { return Caller(fixture_.near(), &fixture_.io); }

  process::Check Database() {
    const std::vector<process::Check> checks = fixture_.server().Checks();
    EXPECT_EQ(checks.size(), 1u);
    return checks.empty() ? process::Check() : checks[0];
  }

  double Gauge(const std::string& name) {
    for (const auto& family : fixture_.server().CollectMetrics()) {
      if (family.name == name) return family.metric.at(0).gauge.value;
    }
    ADD_FAILURE() << "there is no " << name;
    return -1;
  }

  Fixture fixture_;
};

TEST_F(SessionStoreServerTest, KeepsSessionsAcrossARestart) {
  Start();
  ASSERT_TRUE(Far().Say("s1", "one").ok());
  const auto running = Far().Follow("s1");
  ASSERT_TRUE(running.ok()) << running.status();
  fixture_.Stop();
  Start();
  EXPECT_THAT(Far().Questions("s1"), ElementsAre("one"));
  // A turn that ran through the restart goes on.
  EXPECT_TRUE(Far().Renew(*running).ok());
  EXPECT_TRUE(Far().Commit(*running, "two").ok());
  EXPECT_THAT(Far().Questions("s1"), ElementsAre("one", "two"));
  EXPECT_EQ(Gauge("agentgw_sessions_active"), 1);
}

TEST_F(SessionStoreServerTest, ADirectoryInUseStopsTheStart) {
  Start();
  Fixture second;
  second.options.service.data_dir = fixture_.options.service.data_dir;
  const absl::Status refused = second.Start();
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(
      std::string(refused.message()),
      StartsWith(absl::StrCat("another process uses ",
                              fixture_.options.service.data_dir, ": ")));
}

TEST_F(SessionStoreServerTest, ADamagedDirectoryStopsTheStart) {
  Start();
  fixture_.Stop();
  const std::string& path = fixture_.options.service.data_dir;
  for (const auto& entry : std::filesystem::directory_iterator(path)) {
    if (entry.path().filename().string().rfind("MANIFEST-", 0) == 0) {
      std::filesystem::resize_file(entry.path(), 10);
    }
  }
  const absl::Status refused = fixture_.Start();
  EXPECT_EQ(refused.code(), absl::StatusCode::kDataLoss) << refused;
  EXPECT_THAT(std::string(refused.message()),
              StartsWith(absl::StrCat(
                  path,
                  " is damaged; restore it from a backup or move it away to "
                  "start afresh: ")));
}

TEST_F(SessionStoreServerTest, AFullDiskStopsTheStartUntilThereIsRoom) {
  CrashDisk disk;
  fixture_.env = disk.env();
  Start();
  ASSERT_TRUE(Near().Say("s1", "one").ok());
  fixture_.Stop();
  disk.SetFull(true);
  const absl::Status refused = fixture_.Start();
  EXPECT_TRUE(absl::IsUnavailable(refused)) << refused;
  EXPECT_THAT(
      std::string(refused.message()),
      StartsWith(absl::StrCat("cannot open ", fixture_.options.service.data_dir,
                              ": IO error: No space left on device")));
  disk.SetFull(false);
  Start();
  EXPECT_THAT(Near().Questions("s1"), ElementsAre("one"));
  fixture_.Close();
}

TEST_F(SessionStoreServerTest, AnAddressInUseStopsTheStart) {
  Start();
  Fixture second;
  second.options.service.grpc.port =
      static_cast<uint16_t>(fixture_.server().grpc_port());
  EXPECT_FALSE(second.Start().ok());
}

TEST_F(SessionStoreServerTest, AFullDiskCostsReadinessUntilThereIsRoom) {
  CrashDisk disk;
  fixture_.env = disk.env();
  Start();
  ASSERT_TRUE(Far().Say("s1", "one").ok());
  EXPECT_EQ(Database().state, process::Check::State::kOk);

  disk.SetFull(true);
  const absl::Time begin = absl::Now();
  const absl::Status failed = Near().Say("s1", "two").status();
  EXPECT_LT(absl::Now() - begin, absl::Seconds(1));
  EXPECT_TRUE(absl::IsUnavailable(failed)) << failed;
  EXPECT_EQ(ReasonOf(failed), reason::kSessionUnavailable);
  EXPECT_TRUE(DetailOrDefault(failed).has_retry_delay());
  EXPECT_EQ(Database().state, process::Check::State::kFailed);
  EXPECT_NE(Database().reason, "");
  EXPECT_EQ(Gauge("agentgw_rocksdb_write_stopped"), 1);

  disk.SetFull(false);
  ASSERT_TRUE(Eventually(
      [&] { return Database().state == process::Check::State::kOk; }));
  EXPECT_TRUE(Eventually([&] { return Far().Say("s1", "two").ok(); }));
  EXPECT_THAT(Near().Questions("s1"), ElementsAre("one", "two"));
  fixture_.Close();
}

TEST_F(SessionStoreServerTest, ADrainRefusesNewCalls) {
  Start();
  Caller far = Far();
  ASSERT_TRUE(far.Say("s1", "one").ok());
  fixture_.server().SetHealth(false, true);
  fixture_.server().BeginDrain();
  const absl::Status refused = far.Read("s1").status();
  EXPECT_TRUE(absl::IsUnavailable(refused)) << refused;
  EXPECT_EQ(fixture_.server().Active(), 0u);
}

TEST_F(SessionStoreServerTest, ServesWithoutAnyPort) {
  auto server = Server::Create(fixture_.options, {.io = &fixture_.io});
  server->ServeGrpc(false);
  ASSERT_TRUE(server->Start().ok());
  Caller caller(server->session_store(), &fixture_.io);
  EXPECT_TRUE(caller.Say("s1", "one").ok());
  EXPECT_EQ(server->grpc_port(), 0);
  server->Stop();
}

TEST_F(SessionStoreServerTest, ExpiresOnTimeAndCleansLater) {
  FakeClock clock(absl::Now());
  fixture_.clock = &clock;
  fixture_.options.tree.ttl = absl::Hours(1);
  Start();
  ASSERT_TRUE(Near().Say("s1", "one").ok());
  // The cleaner.
  ASSERT_TRUE(clock.AwaitSleepers(1));
  clock.Advance(absl::Hours(1));
  EXPECT_TRUE(absl::IsNotFound(Near().Read("s1").status()));
  EXPECT_TRUE(
      Eventually([&] { return Gauge("agentgw_sessions_active") == 0; }));
  fixture_.Close();
}

TEST_F(SessionStoreServerTest, ALargeContextCrossesTheMesh) {
  Start();
  Caller far = Far();
  const std::string text(512 << 10, 'x');
  for (int i = 0; i < 12; ++i) {
    ASSERT_TRUE(far.Say("s1", absl::StrCat(i, text)).ok());
  }
  const auto begun = far.Follow("s1");
  ASSERT_TRUE(begun.ok()) << begun.status();
  // Each turn holds its text twice: three of them fit into 4 MiB.
  EXPECT_EQ(begun->turns_size(), 3);
  EXPECT_EQ(begun->omitted_turns(), 9);
}

TEST_F(SessionStoreServerTest, ExposesItsMetrics) {
  Start();
  ASSERT_TRUE(Near().Say("s1", "one").ok());
  const auto families = fixture_.server().CollectMetrics();
  EXPECT_THAT(metrics::Lint(families), IsEmpty());
  std::set<std::string> names;
  for (const auto& family : families) names.insert(family.name);
  EXPECT_THAT(
      names,
      ElementsAre(
          "agentgw_rocksdb_damages_total", "agentgw_rocksdb_write_stopped",
          "agentgw_rpc_body_bytes", "agentgw_rpc_calls_in_flight",
          "agentgw_rpc_refused_total", "agentgw_rpc_write_timeouts_total",
          "agentgw_session_operation_duration_seconds",
          "agentgw_session_operations_total", "agentgw_sessions_active"));
  EXPECT_EQ(Gauge("agentgw_sessions_active"), 1);
  EXPECT_EQ(Gauge("agentgw_rocksdb_write_stopped"), 0);
}

}  // namespace
}  // namespace gateway::session_store
