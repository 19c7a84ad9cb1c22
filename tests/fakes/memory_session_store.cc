#include "tests/fakes/memory_session_store.h"

#include <absl/strings/str_cat.h>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <chrono>
#include <utility>

#include "common/concurrency/spawn.h"
#include "common/status/error.h"

namespace gateway {
namespace {

namespace pb = session_store::v1;

absl::Status Absent() {
  return MakeError(reason::kSessionNotFound, "There is no such session.");
}

}  // namespace

void MemorySessionStore::Fail(std::string method, absl::Status status) {
  std::lock_guard lock(mu_);
  failures_[std::move(method)] = std::move(status);
}

void MemorySessionStore::SetHanging(bool hanging) {
  std::lock_guard lock(mu_);
  hanging_ = hanging;
}

int MemorySessionStore::calls(const std::string& method) const {
  std::lock_guard lock(mu_);
  const auto it = calls_.find(method);
  return it == calls_.end() ? 0 : it->second;
}

std::vector<absl::Time> MemorySessionStore::begin_deadlines() const {
  std::lock_guard lock(mu_);
  return begin_deadlines_;
}

int MemorySessionStore::turns(const std::string& tenant,
                              const std::string& user,
                              const std::string& session_id) const {
  std::lock_guard lock(mu_);
  const auto it = sessions_.find({tenant, user, session_id});
  return it == sessions_.end() ? 0 : static_cast<int>(it->second.turns.size());
}

bool MemorySessionStore::leased(const std::string& tenant,
                                const std::string& user,
                                const std::string& session_id) const {
  std::lock_guard lock(mu_);
  const auto it = sessions_.find({tenant, user, session_id});
  return it != sessions_.end() && !it->second.lease_id.empty();
}

MemorySessionStore::Key MemorySessionStore::KeyOf(
    const common::v1::CallContext& context, const std::string& session_id) {
  return {context.account().tenant(), context.account().user(), session_id};
}

absl::Status MemorySessionStore::Enter(const std::string& method) {
  ++calls_[method];
  const auto it = failures_.find(method);
  return it == failures_.end() ? absl::OkStatus() : it->second;
}

pb::Session MemorySessionStore::Describe(const Key& key,
                                         const Session& session) const {
  pb::Session described;
  described.set_session_id(std::get<2>(key));
  described.set_user(std::get<1>(key));
  described.set_turn_count(static_cast<int64_t>(session.turns.size()));
  if (!session.turns.empty()) {
    described.set_head_turn_id(session.turns.back().turn_id());
  }
  return described;
}

Awaitable<absl::StatusOr<pb::Session>> MemorySessionStore::CreateSession(
    rpc::Call&, const pb::CreateSessionRequest& request) {
  std::lock_guard lock(mu_);
  if (auto failure = Enter("CreateSession"); !failure.ok()) co_return failure;
  std::string id = request.session_id();
  if (id.empty()) id = absl::StrCat("made-", next_id_++);
  const Key key = KeyOf(request.context(), id);
  co_return Describe(key, sessions_[key]);
}

Awaitable<absl::Status> MemorySessionStore::Hang(const rpc::Call& call) {
  const auto executor = co_await boost::asio::this_coro::executor;
  boost::asio::steady_timer timer(
      executor, absl::ToChronoNanoseconds(call.deadline - absl::Now()));
  co_await timer.async_wait(kAwait);
  co_return absl::DeadlineExceededError("scripted");
}

Awaitable<absl::StatusOr<pb::Session>> MemorySessionStore::GetSession(
    rpc::Call& call, const pb::GetSessionRequest& request) {
  bool hanging;
  {
    std::lock_guard lock(mu_);
    hanging = hanging_;
  }
  if (hanging) {
    const absl::Status late = co_await Hang(call);
    co_return late;
  }
  std::lock_guard lock(mu_);
  if (auto failure = Enter("GetSession"); !failure.ok()) co_return failure;
  const auto it =
      sessions_.find(KeyOf(request.context(), request.session_id()));
  if (it == sessions_.end()) co_return Absent();
  co_return Describe(it->first, it->second);
}

Awaitable<absl::StatusOr<pb::ListSessionsResponse>>
MemorySessionStore::ListSessions(rpc::Call&,
                                 const pb::ListSessionsRequest& request) {
  std::lock_guard lock(mu_);
  if (auto failure = Enter("ListSessions"); !failure.ok()) co_return failure;
  pb::ListSessionsResponse response;
  for (const auto& [key, session] : sessions_) {
    if (key == KeyOf(request.context(), std::get<2>(key))) {
      *response.add_sessions() = Describe(key, session);
    }
  }
  co_return response;
}

Awaitable<absl::StatusOr<pb::ListTurnsResponse>> MemorySessionStore::ListTurns(
    rpc::Call&, const pb::ListTurnsRequest& request) {
  std::lock_guard lock(mu_);
  if (auto failure = Enter("ListTurns"); !failure.ok()) co_return failure;
  const auto it =
      sessions_.find(KeyOf(request.context(), request.session_id()));
  if (it == sessions_.end()) co_return Absent();
  pb::ListTurnsResponse response;
  for (const auto& turn : it->second.turns) {
    *response.add_turns()->mutable_turn() = turn;
  }
  co_return response;
}

Awaitable<absl::StatusOr<pb::DeleteSessionResponse>>
MemorySessionStore::DeleteSession(rpc::Call&,
                                  const pb::DeleteSessionRequest& request) {
  std::lock_guard lock(mu_);
  if (auto failure = Enter("DeleteSession"); !failure.ok()) co_return failure;
  sessions_.erase(KeyOf(request.context(), request.session_id()));
  co_return pb::DeleteSessionResponse();
}

Awaitable<absl::StatusOr<pb::BeginTurnResponse>> MemorySessionStore::BeginTurn(
    rpc::Call& call, const pb::BeginTurnRequest& request) {
  bool hanging;
  {
    std::lock_guard lock(mu_);
    begin_deadlines_.push_back(call.deadline);
    hanging = hanging_;
  }
  if (hanging) {
    const absl::Status late = co_await Hang(call);
    co_return late;
  }
  std::lock_guard lock(mu_);
  if (auto failure = Enter("BeginTurn"); !failure.ok()) co_return failure;
  const Key key = KeyOf(request.context(), request.session_id());
  if (!sessions_.contains(key) && !request.create_if_absent()) {
    co_return Absent();
  }
  Session& session = sessions_[key];
  const auto count = static_cast<int64_t>(session.turns.size());
  if (request.has_expected_turn_count() &&
      request.expected_turn_count() != count) {
    co_return MakeError(reason::kSessionTurnMismatch,
                        absl::StrCat("The session has ", count, " turns."))
        .Build();
  }
  if (!session.lease_id.empty()) {
    co_return MakeError(reason::kSessionBusy,
                        "Another turn of this session is under way.")
        .Build();
  }
  session.lease_id = absl::StrCat("lease-", next_id_++);
  pb::BeginTurnResponse response;
  response.set_session_id(request.session_id());
  response.set_lease_id(session.lease_id);
  response.mutable_lease_timeout()->set_seconds(30);
  response.set_turn_count(count);
  for (const auto& turn : session.turns) *response.add_turns() = turn;
  if (count > 0) response.set_head_turn_id(session.turns.back().turn_id());
  co_return response;
}

Awaitable<absl::StatusOr<pb::RenewLeaseResponse>>
MemorySessionStore::RenewLease(rpc::Call&, const pb::RenewLeaseRequest&) {
  std::lock_guard lock(mu_);
  if (auto failure = Enter("RenewLease"); !failure.ok()) co_return failure;
  co_return pb::RenewLeaseResponse();
}

Awaitable<absl::StatusOr<pb::CommitTurnResponse>>
MemorySessionStore::CommitTurn(rpc::Call&,
                               const pb::CommitTurnRequest& request) {
  std::lock_guard lock(mu_);
  if (auto failure = Enter("CommitTurn"); !failure.ok()) co_return failure;
  Session& session = sessions_[KeyOf(request.context(), request.session_id())];
  if (session.lease_id == request.lease_id()) session.lease_id.clear();
  auto& turn = session.turns.emplace_back();
  turn.set_turn_id(absl::StrCat("turn-", next_id_++));
  turn.set_parent_turn_id(request.turn().parent_turn_id());
  *turn.mutable_request_messages() = request.turn().request_messages();
  *turn.mutable_answer_messages() = request.turn().answer_messages();
  pb::CommitTurnResponse response;
  response.set_turn_id(turn.turn_id());
  response.set_turn_count(static_cast<int64_t>(session.turns.size()));
  co_return response;
}

Awaitable<absl::StatusOr<pb::AbandonTurnResponse>>
MemorySessionStore::AbandonTurn(rpc::Call&,
                                const pb::AbandonTurnRequest& request) {
  std::lock_guard lock(mu_);
  if (auto failure = Enter("AbandonTurn"); !failure.ok()) co_return failure;
  Session& session = sessions_[KeyOf(request.context(), request.session_id())];
  if (session.lease_id == request.lease_id()) session.lease_id.clear();
  co_return pb::AbandonTurnResponse();
}

Awaitable<absl::StatusOr<pb::ReadContextResponse>>
MemorySessionStore::ReadContext(rpc::Call&, const pb::ReadContextRequest&) {
  co_return absl::UnimplementedError("ingress never asks");
}

}  // namespace gateway
