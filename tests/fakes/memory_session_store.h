#ifndef GATEWAY_TESTS_FAKES_MEMORY_SESSION_STORE_H_
#define GATEWAY_TESTS_FAKES_MEMORY_SESSION_STORE_H_

#include <absl/status/status.h>

#include <map>
#include <mutex>
#include <string>
#include <tuple>
#include <vector>

#include "common/clients/session_store.h"

namespace gateway {

// A session store in memory, with one branch a session: what ingress needs. Its
// leases never run out by themselves. Thread-safe.
class MemorySessionStore final : public SessionStore {
 public:
  // Calls of this method fail from now on; OK ends that.
  void Fail(std::string method, absl::Status status);
  // BeginTurn and GetSession give no answer until their deadline, as a stopped
  // process does.
  void SetHanging(bool hanging);

  // Calls of a method so far.
  int calls(const std::string& method) const;
  std::vector<absl::Time> begin_deadlines() const;
  // Committed turns of a session; 0 if it is absent.
  int turns(const std::string& tenant, const std::string& user,
            const std::string& session_id) const;
  bool leased(const std::string& tenant, const std::string& user,
              const std::string& session_id) const;

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
  using Key = std::tuple<std::string, std::string, std::string>;
  struct Session {
    std::vector<model_router::v1::StoredTurn> turns;
    std::string lease_id;
  };

  static Key KeyOf(const common::v1::CallContext& context,
                   const std::string& session_id);
  static Awaitable<absl::Status> Hang(const rpc::Call& call);
  // Counts the call; the error it is to fail with, or OK.
  absl::Status Enter(const std::string& method);
  session_store::v1::Session Describe(const Key& key,
                                      const Session& session) const;

  mutable std::mutex mu_;
  std::map<Key, Session> sessions_;
  std::map<std::string, int> calls_;
  std::map<std::string, absl::Status> failures_;
  std::vector<absl::Time> begin_deadlines_;
  bool hanging_ = false;
  int next_id_ = 1;
};

}  // namespace gateway

#endif  // GATEWAY_TESTS_FAKES_MEMORY_SESSION_STORE_H_
