#include "tests/fakes/fake_session_store.h"

#include <absl/strings/str_cat.h>

#include <algorithm>
#include <utility>

#include "common/status/error.h"
#include "common/status/macros.h"

namespace gateway {

using namespace session_store::v1;  // NOLINT: its messages, all of them

namespace {

absl::Status Absent() {
  return MakeError(reason::kSessionNotFound, "there is no such session");
}

template <class Response>
void FillContext(const std::vector<TurnInfo>& branch,
                 const std::string& system_text, Response* response) {
  for (const TurnInfo& info : branch) *response->add_turns() = info.turn();
  response->set_system_text(system_text);
  if (!branch.empty()) response->set_last_target(branch.back().target());
}

}  // namespace

void FakeSessionStore::SetBroken(absl::Status broken) {
  MutexLock lock(mu_);
  broken_ = std::move(broken);
}

std::vector<TurnInfo> FakeSessionStore::Turns(
    const std::string& tenant, const std::string& user,
    const std::string& session_id) const {
  MutexLock lock(mu_);
  const auto found = sessions_.find({tenant, user, session_id});
  if (found == sessions_.end()) return {};
  return found->second.turns;
}

int FakeSessionStore::leases() const {
  MutexLock lock(mu_);
  return std::count_if(sessions_.begin(), sessions_.end(),
                       [](const auto& s) { return !s.second.lease.empty(); });
}

int FakeSessionStore::renewals() const {
  MutexLock lock(mu_);
  return renewals_;
}

absl::StatusOr<FakeSessionStore::StoredSession*> FakeSessionStore::Find(
    const common::v1::CallContext& context, const std::string& session_id) {
  if (!broken_.ok()) return broken_;
  const auto found = sessions_.find(
      {context.account().tenant(), context.account().user(), session_id});
  if (found == sessions_.end()) return Absent();
  return &found->second;
}

std::vector<TurnInfo> FakeSessionStore::Branch(const StoredSession& session,
                                               std::string leaf) {
  std::vector<TurnInfo> branch;
  // Parents stand before their children.
  for (auto turn = session.turns.rbegin(); turn != session.turns.rend();
       ++turn) {
    if (turn->turn().turn_id() != leaf) continue;
    leaf = turn->turn().parent_turn_id();
    branch.push_back(*turn);
  }
  std::reverse(branch.begin(), branch.end());
  return branch;
}

Session FakeSessionStore::Describe(const Key& key,
                                   const StoredSession& session) {
  Session described;
  described.set_user(std::get<1>(key));
  described.set_session_id(std::get<2>(key));
  described.set_turn_count(Branch(session, session.head).size());
  described.set_head_turn_id(session.head);
  return described;
}

Awaitable<absl::StatusOr<Session>> FakeSessionStore::CreateSession(
    rpc::Call& call, const CreateSessionRequest& request) {
  MutexLock lock(mu_);
  if (!broken_.ok()) co_return broken_;
  const auto& account = request.context().account();
  const std::string id = request.session_id().empty()
                             ? absl::StrCat("session-", next_id_++)
                             : request.session_id();
  const Key key(account.tenant(), account.user(), id);
  co_return Describe(key, sessions_[key]);
}

Awaitable<absl::StatusOr<Session>> FakeSessionStore::GetSession(
    rpc::Call& call, const GetSessionRequest& request) {
  MutexLock lock(mu_);
  auto session = Find(request.context(), request.session_id());
  if (!session.ok()) co_return session.status();
  const auto& account = request.context().account();
  const Key key(account.tenant(), account.user(), request.session_id());
  co_return Describe(key, **session);
}

Awaitable<absl::StatusOr<ListSessionsResponse>> FakeSessionStore::ListSessions(
    rpc::Call& call, const ListSessionsRequest& request) {
  MutexLock lock(mu_);
  if (!broken_.ok()) co_return broken_;
  ListSessionsResponse response;
  for (const auto& [key, session] : sessions_) {
    const auto& account = request.context().account();
    if (std::get<0>(key) != account.tenant()) continue;
    if (std::get<1>(key) != account.user()) continue;
    *response.add_sessions() = Describe(key, session);
  }
  co_return response;
}

Awaitable<absl::StatusOr<ListTurnsResponse>> FakeSessionStore::ListTurns(
    rpc::Call& call, const ListTurnsRequest& request) {
  MutexLock lock(mu_);
  auto session = Find(request.context(), request.session_id());
  if (!session.ok()) co_return session.status();
  ListTurnsResponse response;
  for (const TurnInfo& turn : (*session)->turns) *response.add_turns() = turn;
  co_return response;
}

Awaitable<absl::StatusOr<DeleteSessionResponse>>
FakeSessionStore::DeleteSession(rpc::Call& call,
                                const DeleteSessionRequest& request) {
  MutexLock lock(mu_);
  if (!broken_.ok()) co_return broken_;
  const auto& account = request.context().account();
  sessions_.erase({account.tenant(), account.user(), request.session_id()});
  co_return DeleteSessionResponse();
}

Awaitable<absl::StatusOr<BeginTurnResponse>> FakeSessionStore::BeginTurn(
    rpc::Call& call, const BeginTurnRequest& request) {
  MutexLock lock(mu_);
  co_return Begin(request);
}

absl::StatusOr<BeginTurnResponse> FakeSessionStore::Begin(
    const BeginTurnRequest& request) {
  if (!broken_.ok()) return broken_;
  const auto& account = request.context().account();
  BeginTurnResponse response;
  if (request.has_previous_answer_id()) {
    for (const auto& [key, session] : sessions_) {
      if (std::get<0>(key) != account.tenant()) continue;
      if (std::get<1>(key) != account.user()) continue;
      for (const TurnInfo& info : session.turns) {
        if (info.answer_id() != request.previous_answer_id()) continue;
        const auto branch = Branch(session, info.turn().turn_id());
        response.set_session_id(std::get<2>(key));
        response.set_head_turn_id(info.turn().turn_id());
        response.set_turn_count(branch.size());
        FillContext(branch, session.system_text, &response);
        return response;
      }
    }
    return MakeError(reason::kPreviousResponseNotFound,
                     "there is no such previous response");
  }
  const Key key(account.tenant(), account.user(), request.session_id());
  if (!sessions_.contains(key) && !request.create_if_absent()) return Absent();
  StoredSession& session = sessions_[key];
  const auto branch = Branch(session, session.head);
  if (!session.lease.empty()) {
    return MakeError(reason::kSessionBusy, "another turn is running");
  }
  if (request.has_expected_turn_count() &&
      request.expected_turn_count() != static_cast<int64_t>(branch.size())) {
    return MakeError(reason::kSessionTurnMismatch,
                     absl::StrCat("the session has ", branch.size(), " turns"));
  }
  session.lease = absl::StrCat("lease-", next_id_++);
  response.set_session_id(request.session_id());
  response.set_lease_id(session.lease);
  response.mutable_lease_timeout()->set_seconds(30);
  response.set_head_turn_id(session.head);
  response.set_turn_count(branch.size());
  FillContext(branch, session.system_text, &response);
  return response;
}

Awaitable<absl::StatusOr<RenewLeaseResponse>> FakeSessionStore::RenewLease(
    rpc::Call& call, const RenewLeaseRequest& request) {
  MutexLock lock(mu_);
  auto session = Find(request.context(), request.session_id());
  if (!session.ok()) co_return session.status();
  if ((*session)->lease != request.lease_id()) {
    co_return MakeError(reason::kLeaseLost, "the lease is lost").Build();
  }
  ++renewals_;
  co_return RenewLeaseResponse();
}

Awaitable<absl::StatusOr<CommitTurnResponse>> FakeSessionStore::CommitTurn(
    rpc::Call& call, const CommitTurnRequest& request) {
  MutexLock lock(mu_);
  co_return Commit(request);
}

absl::StatusOr<CommitTurnResponse> FakeSessionStore::Commit(
    const CommitTurnRequest& request) {
  ASSIGN_OR_RETURN(StoredSession * session,
                   Find(request.context(), request.session_id()));
  CommitTurnResponse response;
  std::string& turn_id = session->committed[request.context().request_id()];
  if (turn_id.empty()) {
    const bool fork = request.lease_id().empty();
    if (!fork && session->lease != request.lease_id() &&
        session->head != request.expected_head_turn_id()) {
      return MakeError(reason::kSessionNotSaved, "the head has moved");
    }
    turn_id = absl::StrCat("turn-", next_id_++);
    TurnInfo info;
    info.mutable_turn()->set_turn_id(turn_id);
    info.mutable_turn()->set_parent_turn_id(request.turn().parent_turn_id());
    *info.mutable_turn()->mutable_request_messages() =
        request.turn().request_messages();
    *info.mutable_turn()->mutable_answer_messages() =
        request.turn().answer_messages();
    info.mutable_turn()->set_token_count(request.turn().token_count());
    info.set_answer_id(request.turn().answer_id());
    info.set_target(request.turn().target());
    session->turns.push_back(std::move(info));
    session->head = turn_id;
    if (!request.turn().system_text().empty()) {
      session->system_text = request.turn().system_text();
    }
    // Also another turn's: that turn builds on a head that is no more.
    if (!fork) session->lease.clear();
  }
  response.set_turn_id(turn_id);
  response.set_turn_count(Branch(*session, session->head).size());
  return response;
}

Awaitable<absl::StatusOr<AbandonTurnResponse>> FakeSessionStore::AbandonTurn(
    rpc::Call& call, const AbandonTurnRequest& request) {
  MutexLock lock(mu_);
  auto session = Find(request.context(), request.session_id());
  if (session.ok() && (*session)->lease == request.lease_id()) {
    (*session)->lease.clear();
  }
  if (!broken_.ok()) co_return broken_;
  co_return AbandonTurnResponse();
}

Awaitable<absl::StatusOr<ReadContextResponse>> FakeSessionStore::ReadContext(
    rpc::Call& call, const ReadContextRequest& request) {
  MutexLock lock(mu_);
  auto session = Find(request.context(), request.session_id());
  if (!session.ok()) co_return session.status();
  ReadContextResponse response;
  FillContext(Branch(**session, (*session)->head), (*session)->system_text,
              &response);
  co_return response;
}

}  // namespace gateway
