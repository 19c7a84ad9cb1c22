#ifndef GATEWAY_TESTS_FAKES_FAKE_SESSION_STORE_H_
#define GATEWAY_TESTS_FAKES_FAKE_SESSION_STORE_H_

#include <absl/status/status.h>

#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "common/clients/session_store.h"
#include "common/concurrency/mutex.h"

namespace gateway {

// A session-store in memory: trees of turns, leases without a time limit, no
// expiry, no bounds, no pages. Thread-safe.
class FakeSessionStore final : public SessionStore {
 public:
  // Every call fails so until an OK status is set.
  void SetBroken(absl::Status broken);

  // Committed turns of a session, by time of commit.
  std::vector<session_store::v1::TurnInfo> Turns(
      const std::string& tenant, const std::string& user,
      const std::string& session_id) const;
  // Heads that are leased now, over all sessions.
  int leases() const;
  // RenewLease calls that succeeded.
  int renewals() const;

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
  struct StoredSession {
    std::vector<session_store::v1::TurnInfo> turns;
    std::string head;
    std::string lease;
    std::string system_text;
    // Turn ids of commits, by request id.
    std::map<std::string, std::string> committed;
  };
  // Tenant, user, session id.
  using Key = std::tuple<std::string, std::string, std::string>;

  absl::StatusOr<StoredSession*> Find(const common::v1::CallContext& context,
                                      const std::string& session_id)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  static std::vector<session_store::v1::TurnInfo> Branch(
      const StoredSession& session, std::string leaf);
  static session_store::v1::Session Describe(const Key& key,
                                             const StoredSession& session);
  absl::StatusOr<session_store::v1::BeginTurnResponse> Begin(
      const session_store::v1::BeginTurnRequest& request)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::StatusOr<session_store::v1::CommitTurnResponse> Commit(
      const session_store::v1::CommitTurnRequest& request)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  mutable Mutex mu_;
  absl::Status broken_ ABSL_GUARDED_BY(mu_);
  std::map<Key, StoredSession> sessions_ ABSL_GUARDED_BY(mu_);
  int next_id_ ABSL_GUARDED_BY(mu_) = 1;
  int renewals_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace gateway

#endif  // GATEWAY_TESTS_FAKES_FAKE_SESSION_STORE_H_
