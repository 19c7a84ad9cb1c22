#ifndef GATEWAY_COMMON_CLIENTS_CHECKED_SESSION_STORE_H_
#define GATEWAY_COMMON_CLIENTS_CHECKED_SESSION_STORE_H_

#include "common/clients/checks.h"
#include "common/clients/session_store.h"

namespace gateway {

// The first step of every call, however it comes in; see checks.h. Thread-safe.
class CheckedSessionStore final : public SessionStore {
 public:
  // `inner` outlives it.
  CheckedSessionStore(SessionStore* inner, Entry entry)
      : inner_(inner), entry_(entry) {}

  Awaitable<absl::StatusOr<session_store::v1::Session>> CreateSession(
      rpc::Call& call,
      const session_store::v1::CreateSessionRequest& request) override;
  Awaitable<absl::StatusOr<session_store::v1::Session>> GetSession(
      rpc::Call& call,
      const session_store::v1::GetSessionRequest& request) override;
  Awaitable<absl::StatusOr<session_store::v1::ListSessionsResponse>>
  ListSessions(rpc::Call& call,
               const session_store::v1::ListSessionsRequest& request) override;
  Awaitable<absl::StatusOr<session_store::v1::ListTurnsResponse>> ListTurns(
      rpc::Call& call,
      const session_store::v1::ListTurnsRequest& request) override;
  Awaitable<absl::StatusOr<session_store::v1::DeleteSessionResponse>>
  DeleteSession(
      rpc::Call& call,
      const session_store::v1::DeleteSessionRequest& request) override;
  Awaitable<absl::StatusOr<session_store::v1::BeginTurnResponse>> BeginTurn(
      rpc::Call& call,
      const session_store::v1::BeginTurnRequest& request) override;
  Awaitable<absl::StatusOr<session_store::v1::RenewLeaseResponse>> RenewLease(
      rpc::Call& call,
      const session_store::v1::RenewLeaseRequest& request) override;
  Awaitable<absl::StatusOr<session_store::v1::CommitTurnResponse>> CommitTurn(
      rpc::Call& call,
      const session_store::v1::CommitTurnRequest& request) override;
  Awaitable<absl::StatusOr<session_store::v1::AbandonTurnResponse>> AbandonTurn(
      rpc::Call& call,
      const session_store::v1::AbandonTurnRequest& request) override;
  Awaitable<absl::StatusOr<session_store::v1::ReadContextResponse>> ReadContext(
      rpc::Call& call,
      const session_store::v1::ReadContextRequest& request) override;

 private:
  SessionStore* const inner_;
  const EntryRule entry_;
};

}  // namespace gateway

#endif  // GATEWAY_COMMON_CLIENTS_CHECKED_SESSION_STORE_H_
