#ifndef GATEWAY_SERVICES_SESSION_STORE_SESSION_STORE_SERVICE_H_
#define GATEWAY_SERVICES_SESSION_STORE_SESSION_STORE_SERVICE_H_

#include "common/clients/session_store.h"
#include "common/concurrency/bounded_executor.h"
#include "common/time/clock.h"
#include "services/session_store/metrics.h"
#include "services/session_store/session_tree.h"

namespace gateway::session_store {

// The interface of the service over its rules: checks names and pages, calls
// the rules on an executor, counts. Thread-safe. Callers reach it through a
// CheckedSessionStore, which checks deadline and account.
//
// An executor whose queue is full answers UNAVAILABLE `overloaded`.
class SessionStoreService : public SessionStore {
 public:
  // All outlive it.
  SessionStoreService(SessionTree* tree, BoundedExecutor* executor,
                      const Clock* clock, Metrics* metrics)
      : tree_(tree), executor_(executor), clock_(clock), metrics_(metrics) {}

  Awaitable<absl::StatusOr<v1::Session>> CreateSession(
      rpc::Call& call, const v1::CreateSessionRequest& request) override;
  Awaitable<absl::StatusOr<v1::Session>> GetSession(
      rpc::Call& call, const v1::GetSessionRequest& request) override;
  Awaitable<absl::StatusOr<v1::ListSessionsResponse>> ListSessions(
      rpc::Call& call, const v1::ListSessionsRequest& request) override;
  Awaitable<absl::StatusOr<v1::ListTurnsResponse>> ListTurns(
      rpc::Call& call, const v1::ListTurnsRequest& request) override;
  Awaitable<absl::StatusOr<v1::DeleteSessionResponse>> DeleteSession(
      rpc::Call& call, const v1::DeleteSessionRequest& request) override;
  // If the caller has left meanwhile, the lease that nobody knows of is freed.
  Awaitable<absl::StatusOr<v1::BeginTurnResponse>> BeginTurn(
      rpc::Call& call, const v1::BeginTurnRequest& request) override;
  Awaitable<absl::StatusOr<v1::RenewLeaseResponse>> RenewLease(
      rpc::Call& call, const v1::RenewLeaseRequest& request) override;
  Awaitable<absl::StatusOr<v1::CommitTurnResponse>> CommitTurn(
      rpc::Call& call, const v1::CommitTurnRequest& request) override;
  Awaitable<absl::StatusOr<v1::AbandonTurnResponse>> AbandonTurn(
      rpc::Call& call, const v1::AbandonTurnRequest& request) override;
  Awaitable<absl::StatusOr<v1::ReadContextResponse>> ReadContext(
      rpc::Call& call, const v1::ReadContextRequest& request) override;

 private:
  // Counts `operation` and runs `work` on the executor, unless the request was
  // found `invalid` or the call's time is up when its turn comes.
  template <class Work>
  Awaitable<std::invoke_result_t<Work&>> Run(Operation operation,
                                             const rpc::Call& call,
                                             absl::Status invalid, Work work);

  SessionTree* const tree_;
  BoundedExecutor* const executor_;
  const Clock* const clock_;
  Metrics* const metrics_;
};

}  // namespace gateway::session_store

#endif  // GATEWAY_SERVICES_SESSION_STORE_SESSION_STORE_SERVICE_H_
