#ifndef GATEWAY_SERVICES_SESSION_STORE_SESSION_TREE_H_
#define GATEWAY_SERVICES_SESSION_STORE_SESSION_TREE_H_

#include <absl/container/flat_hash_map.h>
#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/strings/string_view.h>
#include <absl/time/time.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/concurrency/mutex.h"
#include "common/time/clock.h"
#include "gateway/model_router/v1/model_router.pb.h"
#include "services/session_store/session_repository.h"

namespace gateway::session_store {

struct SessionTreeOptions {
  // How long a session lives after its last use.
  absl::Duration ttl = absl::Hours(24);
  // Over these the oldest turns of the session go; the newest always stays.
  int64_t max_turns = 1000;
  int64_t max_bytes = int64_t{16} << 20;
  // Most bytes of turns and system text that a context holds; the text alone
  // may be more.
  int64_t max_context_bytes = int64_t{4} << 20;
  // Of one tenant.
  int64_t max_sessions = 100000;
  // How long a turn holds the head unless it renews.
  absl::Duration lease_timeout = absl::Seconds(30);
  // The longest wait that `session_busy` advises: a turn that ends frees the
  // head long before its lease would.
  absl::Duration max_busy_hint = absl::Seconds(5);
};

// A session as its owner sees it.
struct SessionView {
  std::string session_id;
  SessionRecord record;
};

// What a turn builds on.
struct Context {
  // Oldest first.
  std::vector<model_router::v1::StoredTurn> turns;
  // Turns of the branch that `turns` does not hold, those gone included.
  int64_t omitted_turns = 0;
  // Turns of the branch.
  int64_t turn_count = 0;
  // The turn that the branch ends at. Empty: there is none.
  std::string last_turn_id;
  std::string system_text;
  std::string last_target;
};

struct BeginTurnParams {
  Owner owner;
  // A call that comes again gets the lease that it has.
  std::string request_id;
  // Exactly one is set: follow the head of a session, or fork after a turn.
  std::optional<std::string> session_id;
  std::optional<std::string> previous_answer_id;
  bool create_if_absent = false;
  std::optional<int64_t> expected_turn_count;
  // 0: the options' bound, which holds anyway.
  int64_t max_context_bytes = 0;
};

struct BegunTurn {
  std::string session_id;
  // Empty for a fork.
  std::string lease_id;
  Context context;
};

struct CommitTurnParams {
  SessionName session;
  std::string request_id;
  // Empty for a fork.
  std::string lease_id;
  std::string expected_head_turn_id;
  model_router::v1::NewTurn turn;
};

struct CommittedTurn {
  std::string turn_id;
  int64_t turn_count = 0;
};

// The rules of sessions: trees of turns, the lease on a head, lifetimes and
// bounds.
//
// Leases live in memory alone. A restart frees them all, which is safe: the
// commit of a turn that lost its lease succeeds only if the head has not moved
// since the turn began, and then ends whatever lease another turn has taken on
// that head meanwhile. So of two turns that follow the same head the first to
// commit wins.
//
// Thread-safe, and blocks on the repository: call it from an executor. Calls
// for one session take turns. Names are checked by the caller. All methods
// return UNAVAILABLE `session_unavailable` if the repository does, and those of
// one session DATA_LOSS `data_loss` if what they need of it is damaged.
class SessionTree {
 public:
  // `repository` and `clock` must outlive this.
  SessionTree(const SessionTreeOptions& options, SessionRepository* repository,
              const Clock* clock);

  const SessionTreeOptions& options() const { return options_; }

  // An existing session is returned as it is. An empty id: a random one is
  // made. RESOURCE_EXHAUSTED `session_limit`.
  absl::StatusOr<SessionView> CreateSession(const Owner& owner,
                                            std::string session_id);

  // NOT_FOUND `session_not_found`. Not a use.
  absl::StatusOr<SessionView> GetSession(const SessionName& name);

  // Up to `limit` by session id, behind `after`. Not a use.
  absl::StatusOr<std::vector<SessionView>> ListSessions(
      const Owner& owner, const std::string& after, size_t limit);

  // Up to `limit` by commit, behind the turn `after` (empty: from the first).
  // NOT_FOUND `session_not_found`; INVALID_ARGUMENT if `after` was no turn of
  // the session. Not a use.
  absl::StatusOr<std::vector<TurnRecord>> ListTurns(const SessionName& name,
                                                    absl::string_view after,
                                                    size_t limit);

  // OK if it is absent already. A damaged one can be deleted too.
  absl::Status DeleteSession(const SessionName& name);

  // NOT_FOUND `session_not_found`, INVALID_ARGUMENT
  // `previous_response_not_found`, ABORTED `session_busy` with a hint, ABORTED
  // `session_turn_mismatch`, RESOURCE_EXHAUSTED `session_limit`.
  absl::StatusOr<BegunTurn> BeginTurn(const BeginTurnParams& params);

  // ABORTED `lease_lost` if the head has moved or another turn holds it;
  // NOT_FOUND `session_not_found`. A lease that merely ran out, or that a
  // restart freed, is taken again.
  absl::Status RenewLease(const SessionName& name, const std::string& lease_id);

  // ABORTED `session_not_saved`, NOT_FOUND `session_not_found`,
  // INVALID_ARGUMENT if the parent is no turn id.
  absl::StatusOr<CommittedTurn> CommitTurn(const CommitTurnParams& params);

  // OK also if the session is absent or the lease is another's.
  absl::Status AbandonTurn(const SessionName& name,
                           const std::string& lease_id);

  // NOT_FOUND `session_not_found`.
  absl::StatusOr<Context> ReadContext(const SessionName& name,
                                      int64_t max_context_bytes);

  // Removes expired sessions of a tenant; looks at up to `limit`. Returns how
  // many it looked at: `limit` means that there may be more.
  absl::StatusOr<size_t> RemoveExpired(const std::string& tenant, size_t limit);

  // Forgets leases that ran out. They bind nobody; this only frees memory.
  void ForgetLeases();

 private:
  struct Lease {
    std::string id;
    std::string request_id;
    absl::Time expire_time;
  };
  // Sessions share stripes by hash. A stripe is held through a whole call.
  struct Stripe {
    Mutex mu;
    absl::flat_hash_map<SessionName, Lease> leases ABSL_GUARDED_BY(mu);
  };

  Stripe& StripeOf(const SessionName& name);
  Mutex& TenantMutex(const std::string& tenant);

  // The lease that binds now, or null.
  Lease* LiveLease(Stripe& stripe, const SessionName& name, absl::Time now)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(stripe.mu);
  // nullopt if absent.
  absl::StatusOr<std::optional<SessionRecord>> Load(Stripe& stripe,
                                                    const SessionName& name,
                                                    absl::Time now)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(stripe.mu);
  absl::StatusOr<SessionRecord> LoadOrNotFound(Stripe& stripe,
                                               const SessionName& name,
                                               absl::Time now)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(stripe.mu);
  // nullopt: the tenant is at its bound.
  absl::StatusOr<std::optional<SessionRecord>> TryCreate(
      Stripe& stripe, const SessionName& name, absl::Time now)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(stripe.mu);
  void Use(SessionRecord& record, absl::Time now) const;

  // Whether at least one session of the tenant was looked at that has expired.
  absl::StatusOr<bool> MakeSessionRoom(const std::string& tenant);
  // Cleaning has met a damaged session.
  absl::Status PassDamaged(Stripe& stripe, const DueSession& session,
                           absl::Time now)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(stripe.mu);
  absl::StatusOr<std::optional<SessionView>> TryCreateSession(
      const SessionName& name);
  absl::StatusOr<std::optional<BegunTurn>> TryFollowHead(
      const BeginTurnParams& params, const SessionName& name);
  absl::StatusOr<BegunTurn> Fork(const BeginTurnParams& params);
  absl::StatusOr<Context> ReadContextAt(const SessionName& name,
                                        const SessionRecord& record,
                                        uint64_t turn,
                                        int64_t max_context_bytes);
  absl::Status CheckMayCommit(Stripe& stripe, const CommitTurnParams& params,
                              const SessionRecord& record, absl::Time now)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(stripe.mu);
  absl::StatusOr<TurnRecord> MakeTurn(const CommitTurnParams& params,
                                      const SessionRecord& record,
                                      absl::Time now);
  absl::StatusOr<std::vector<TurnRecord>> MakeRoom(const std::string& tenant,
                                                   SessionRecord& record);

  // Set at construction.
  const SessionTreeOptions options_;
  SessionRepository* const repository_;
  const Clock* const clock_;

  std::array<Stripe, 256> stripes_;
  // Who creates a session holds its tenant's, taken after the stripe, so that
  // the count and the write are one.
  std::array<Mutex, 64> tenant_mutexes_;
};

// The names that turns have outside: of one life and one number. Opaque.
std::string MakeTurnId(uint64_t life, uint64_t number);
// The number of a turn of this life; nullopt for anything else.
std::optional<uint64_t> TurnNumber(absl::string_view turn_id, uint64_t life);

}  // namespace gateway::session_store

#endif  // GATEWAY_SERVICES_SESSION_STORE_SESSION_TREE_H_
