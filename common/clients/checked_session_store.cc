#include "common/clients/checked_session_store.h"

#include <utility>

namespace gateway {

using session_store::v1::AbandonTurnRequest;
using session_store::v1::AbandonTurnResponse;
using session_store::v1::BeginTurnRequest;
using session_store::v1::BeginTurnResponse;
using session_store::v1::CommitTurnRequest;
using session_store::v1::CommitTurnResponse;
using session_store::v1::CreateSessionRequest;
using session_store::v1::DeleteSessionRequest;
using session_store::v1::DeleteSessionResponse;
using session_store::v1::GetSessionRequest;
using session_store::v1::ListSessionsRequest;
using session_store::v1::ListSessionsResponse;
using session_store::v1::ListTurnsRequest;
using session_store::v1::ListTurnsResponse;
using session_store::v1::ReadContextRequest;
using session_store::v1::ReadContextResponse;
using session_store::v1::RenewLeaseRequest;
using session_store::v1::RenewLeaseResponse;
using session_store::v1::Session;

Awaitable<absl::StatusOr<Session>> CheckedSessionStore::CreateSession(
    rpc::Call& call, const CreateSessionRequest& request) {
  absl::Status checked = CheckAccount(call, request.context());
  if (!checked.ok()) return Refuse<absl::StatusOr<Session>>(std::move(checked));
  return entry_.Enter(call, inner_->CreateSession(call, request));
}

Awaitable<absl::StatusOr<Session>> CheckedSessionStore::GetSession(
    rpc::Call& call, const GetSessionRequest& request) {
  absl::Status checked = CheckAccount(call, request.context());
  if (!checked.ok()) return Refuse<absl::StatusOr<Session>>(std::move(checked));
  return entry_.Enter(call, inner_->GetSession(call, request));
}

Awaitable<absl::StatusOr<ListSessionsResponse>>
CheckedSessionStore::ListSessions(rpc::Call& call,
                                  const ListSessionsRequest& request) {
  absl::Status checked = CheckAccount(call, request.context());
  if (!checked.ok())
    return Refuse<absl::StatusOr<ListSessionsResponse>>(std::move(checked));
  return entry_.Enter(call, inner_->ListSessions(call, request));
}

Awaitable<absl::StatusOr<ListTurnsResponse>> CheckedSessionStore::ListTurns(
    rpc::Call& call, const ListTurnsRequest& request) {
  absl::Status checked = CheckAccount(call, request.context());
  if (!checked.ok())
    return Refuse<absl::StatusOr<ListTurnsResponse>>(std::move(checked));
  return entry_.Enter(call, inner_->ListTurns(call, request));
}

Awaitable<absl::StatusOr<DeleteSessionResponse>>
CheckedSessionStore::DeleteSession(rpc::Call& call,
                                   const DeleteSessionRequest& request) {
  absl::Status checked = CheckAccount(call, request.context());
  if (!checked.ok())
    return Refuse<absl::StatusOr<DeleteSessionResponse>>(std::move(checked));
  return entry_.Enter(call, inner_->DeleteSession(call, request));
}

Awaitable<absl::StatusOr<BeginTurnResponse>> CheckedSessionStore::BeginTurn(
    rpc::Call& call, const BeginTurnRequest& request) {
  absl::Status checked = CheckAccount(call, request.context());
  if (!checked.ok())
    return Refuse<absl::StatusOr<BeginTurnResponse>>(std::move(checked));
  return entry_.Enter(call, inner_->BeginTurn(call, request));
}

Awaitable<absl::StatusOr<RenewLeaseResponse>> CheckedSessionStore::RenewLease(
    rpc::Call& call, const RenewLeaseRequest& request) {
  absl::Status checked = CheckAccount(call, request.context());
  if (!checked.ok())
    return Refuse<absl::StatusOr<RenewLeaseResponse>>(std::move(checked));
  return entry_.Enter(call, inner_->RenewLease(call, request));
}

Awaitable<absl::StatusOr<CommitTurnResponse>> CheckedSessionStore::CommitTurn(
    rpc::Call& call, const CommitTurnRequest& request) {
  absl::Status checked = CheckAccount(call, request.context());
  if (!checked.ok())
    return Refuse<absl::StatusOr<CommitTurnResponse>>(std::move(checked));
  return entry_.Enter(call, inner_->CommitTurn(call, request));
}

Awaitable<absl::StatusOr<AbandonTurnResponse>> CheckedSessionStore::AbandonTurn(
    rpc::Call& call, const AbandonTurnRequest& request) {
  absl::Status checked = CheckAccount(call, request.context());
  if (!checked.ok())
    return Refuse<absl::StatusOr<AbandonTurnResponse>>(std::move(checked));
  return entry_.Enter(call, inner_->AbandonTurn(call, request));
}

Awaitable<absl::StatusOr<ReadContextResponse>> CheckedSessionStore::ReadContext(
    rpc::Call& call, const ReadContextRequest& request) {
  absl::Status checked = CheckAccount(call, request.context());
  if (!checked.ok())
    return Refuse<absl::StatusOr<ReadContextResponse>>(std::move(checked));
  return entry_.Enter(call, inner_->ReadContext(call, request));
}

}  // namespace gateway
