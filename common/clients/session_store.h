#ifndef GATEWAY_COMMON_CLIENTS_SESSION_STORE_H_
#define GATEWAY_COMMON_CLIENTS_SESSION_STORE_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "common/concurrency/awaitable.h"
#include "common/rpc/call.h"
#include "gateway/session_store/v1/session_store.pb.h"

// session-store as its callers see it, wherever it runs.
namespace gateway {

// Thread-safe. The service implements it, so do its gRPC client and its fake;
// what each method means and returns stands in the proto.
class SessionStore {
 public:
  virtual ~SessionStore() = default;

  virtual Awaitable<absl::StatusOr<session_store::v1::Session>> CreateSession(
      rpc::Call& call,
      const session_store::v1::CreateSessionRequest& request) = 0;
  virtual Awaitable<absl::StatusOr<session_store::v1::Session>> GetSession(
      rpc::Call& call, const session_store::v1::GetSessionRequest& request) = 0;
  virtual Awaitable<absl::StatusOr<session_store::v1::ListSessionsResponse>>
  ListSessions(rpc::Call& call,
               const session_store::v1::ListSessionsRequest& request) = 0;
  virtual Awaitable<absl::StatusOr<session_store::v1::ListTurnsResponse>>
  ListTurns(rpc::Call& call,
            const session_store::v1::ListTurnsRequest& request) = 0;
  virtual Awaitable<absl::StatusOr<session_store::v1::DeleteSessionResponse>>
  DeleteSession(rpc::Call& call,
                const session_store::v1::DeleteSessionRequest& request) = 0;
  virtual Awaitable<absl::StatusOr<session_store::v1::BeginTurnResponse>>
  BeginTurn(rpc::Call& call,
            const session_store::v1::BeginTurnRequest& request) = 0;
  virtual Awaitable<absl::StatusOr<session_store::v1::RenewLeaseResponse>>
  RenewLease(rpc::Call& call,
             const session_store::v1::RenewLeaseRequest& request) = 0;
  virtual Awaitable<absl::StatusOr<session_store::v1::CommitTurnResponse>>
  CommitTurn(rpc::Call& call,
             const session_store::v1::CommitTurnRequest& request) = 0;
  virtual Awaitable<absl::StatusOr<session_store::v1::AbandonTurnResponse>>
  AbandonTurn(rpc::Call& call,
              const session_store::v1::AbandonTurnRequest& request) = 0;
  virtual Awaitable<absl::StatusOr<session_store::v1::ReadContextResponse>>
  ReadContext(rpc::Call& call,
              const session_store::v1::ReadContextRequest& request) = 0;
};

}  // namespace gateway

#endif  // GATEWAY_COMMON_CLIENTS_SESSION_STORE_H_
