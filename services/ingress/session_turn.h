#ifndef GATEWAY_SERVICES_INGRESS_SESSION_TURN_H_
#define GATEWAY_SERVICES_INGRESS_SESSION_TURN_H_

#include <absl/status/status.h>
#include <absl/time/time.h>

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>

#include "common/clients/session_store.h"
#include "common/concurrency/awaitable.h"
#include "common/concurrency/task_group.h"
#include "common/time/clock.h"
#include "gateway/model_router/v1/model_router.pb.h"
#include "services/ingress/session_wish.h"

namespace gateway::ingress {

struct SessionOptions {
  // Most bytes of turns asked for. 0: the store's own bound.
  int64_t max_context_bytes = 0;
  // How long BeginTurn may take, and how long while the store is known to be
  // away: a caller is told so at once.
  absl::Duration begin_timeout = absl::Seconds(2);
  absl::Duration begin_timeout_while_away = absl::Milliseconds(90);
  // Between two looks at a store that is away; each has begin_timeout.
  absl::Duration look_interval = absl::Seconds(1);
  // Between two renewals of the lease.
  absl::Duration renew_interval = absl::Seconds(10);
  // CommitTurn is tried until this has passed: the answer is paid for.
  absl::Duration commit_timeout = absl::Seconds(3);
  absl::Duration commit_retry_interval = absl::Milliseconds(100);
  absl::Duration abandon_timeout = absl::Seconds(1);
};

// What all turns of a process share. Thread-safe; outlives them.
struct SessionAccess {
  SessionStore* store = nullptr;
  Clock* clock = nullptr;
  SessionOptions options;
  // The store did not answer the last BeginTurn that had the full time.
  std::atomic<bool> away = false;
};

// Finds out that a store that was away answers again, however slowly. Runs
// until it is cancelled.
Awaitable<void> WatchForStore(SessionAccess& access);

// One turn of a session, from the lease on its head to its end. Used by one
// flow. Begin first; if that is OK, at most one Commit, and then Abandon unless
// a Commit was OK.
class SessionTurn {
 public:
  // `access` and `context` outlive the turn.
  SessionTurn(SessionAccess& access, const common::v1::CallContext& context,
              const boost::asio::any_io_executor& executor);

  // Reads the conversation into `conversation`, takes the lease and renews it
  // from then on. Runs to its end even if the flow is cancelled, so that no
  // lease is left behind. The store's own errors, and UNAVAILABLE
  // `session_unavailable` if it does not answer.
  Awaitable<absl::Status> Begin(const SessionWish& wish,
                                model_router::v1::SessionMode mode,
                                model_router::v1::SessionContext& conversation);

  // Stores the turn. INTERNAL `session_not_saved`, not to be retried, for
  // whatever goes wrong. Runs to its end even if the flow is cancelled.
  Awaitable<absl::Status> Commit(model_router::v1::NewTurn turn);

  // Frees the lease, if there still is one that the store can be told of. Runs
  // to its end even if the flow is cancelled.
  Awaitable<void> Abandon();

  const std::string& session_id() const { return session_id_; }
  model_router::v1::SessionMode mode() const { return mode_; }
  // Committed turns before this one.
  int64_t turn_count() const { return turn_count_; }
  // Left out by the store because of its bound on bytes.
  int64_t omitted_turns() const { return omitted_turns_; }

 private:
  Awaitable<absl::StatusOr<session_store::v1::BeginTurnResponse>> CallBegin(
      session_store::v1::BeginTurnRequest request);
  Awaitable<absl::Status> CallCommit(
      session_store::v1::CommitTurnRequest request);
  Awaitable<void> CallAbandon();
  Awaitable<void> KeepLease();
  Awaitable<void> StopRenewing();

  SessionAccess& access_;
  const common::v1::CallContext& context_;
  TaskGroup renewal_;

  std::string session_id_;
  std::string lease_id_;
  std::string head_turn_id_;
  model_router::v1::SessionMode mode_ =
      model_router::v1::SESSION_MODE_UNSPECIFIED;
  int64_t turn_count_ = 0;
  int64_t omitted_turns_ = 0;
};

}  // namespace gateway::ingress

#endif  // GATEWAY_SERVICES_INGRESS_SESSION_TURN_H_
