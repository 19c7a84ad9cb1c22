#ifndef GATEWAY_SERVICES_SESSION_STORE_SESSION_REPOSITORY_H_
#define GATEWAY_SERVICES_SESSION_STORE_SESSION_REPOSITORY_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include <cstdint>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "gateway/model_router/v1/model_router.pb.h"

// Where sessions are kept, in the words of the rules that need it.
namespace gateway::session_store {

// Whom sessions belong to. What another owner has cannot be named.
struct Owner {
  std::string tenant;
  // Empty: the caller named no user.
  std::string user;

  friend bool operator==(const Owner& a, const Owner& b) {
    return a.tenant == b.tenant && a.user == b.user;
  }
};

struct SessionName {
  Owner owner;
  std::string session_id;

  friend bool operator==(const SessionName& a, const SessionName& b) {
    return a.owner == b.owner && a.session_id == b.session_id;
  }
  template <typename H>
  friend H AbslHashValue(H h, const SessionName& name) {
    return H::combine(std::move(h), name.owner.tenant, name.owner.user,
                      name.session_id);
  }
};

// What is kept of a session beside its turns.
struct SessionRecord {
  // A name that was deleted or has expired and is used again begins another
  // life, which sees nothing of the one before. Random; unique in its tenant.
  uint64_t life = 0;
  absl::Time create_time;
  absl::Time last_use_time;
  // Absent from here on.
  absl::Time expire_time;
  // When cleaning is to look at it; the repository keeps this at or before
  // expire_time when it writes the record, and moves it only then or by
  // Reschedule, so that a mere use costs no index entry.
  absl::Time due_time;
  // The newest turn. 0: none yet.
  uint64_t head = 0;
  // Turns on the branch that ends at the head, those that are gone included.
  int64_t head_depth = 0;
  // The number of the next turn. Numbers rise by commit, from 1, per life.
  uint64_t next_turn = 1;
  // No stored turn has a lower number.
  uint64_t oldest_turn = 1;
  int64_t stored_turns = 0;
  // Of all stored turns, as TurnRecord::bytes counts, and of the system text.
  int64_t stored_bytes = 0;
  int64_t system_text_bytes = 0;
};

struct TurnRecord {
  uint64_t number = 0;
  // 0: the first of its branch.
  uint64_t parent = 0;
  // Turns on the branch that ends here.
  int64_t depth = 0;
  absl::Time commit_time;
  // Of the call that committed it.
  std::string request_id;
  // Names the turn for forks. Empty: it has no such name.
  std::string answer_id;
  // `provider/model`.
  std::string target;
  // With its ids filled in.
  model_router::v1::StoredTurn turn;
  // Size of `turn`, serialised.
  int64_t bytes = 0;
};

// What an answer id names. The session may have begun another life since, and
// the turn may be gone.
struct TurnAlias {
  std::string session_id;
  uint64_t life = 0;
  uint64_t number = 0;
};

// The end of a branch.
struct Branch {
  // Oldest first.
  std::vector<model_router::v1::StoredTurn> turns;
  // Of the turn that the branch ends at; 0 and empty if it is gone.
  int64_t depth = 0;
  std::string target;
};

// A session that cleaning is to look at.
struct DueSession {
  SessionName name;
  uint64_t life = 0;
  absl::Time due_time;
  // It was met damaged before, and has expired since.
  bool damaged = false;
};

// Thread-safe, and blocks: call it from an executor. Each write is atomic, and
// whoever reads afterwards sees it. Writers of one session take turns: the
// caller sees to that. All methods fail with UNAVAILABLE `session_unavailable`
// if the storage cannot be read or written. What is damaged is logged and
// counted; it gives DATA_LOSS `data_loss` to those who ask for it, and stands
// in nobody else's way.
class SessionRepository {
 public:
  virtual ~SessionRepository() = default;

  // Expired ones included, until they are removed.
  virtual absl::StatusOr<std::optional<SessionRecord>> FindSession(
      const SessionName& name) = 0;

  // By session id, bytewise, beginning behind `after`; expired ones included,
  // damaged ones left out.
  virtual absl::StatusOr<std::vector<std::pair<std::string, SessionRecord>>>
  ListSessions(const Owner& owner, const std::string& after, size_t limit) = 0;

  // Adds a session under a name that is free, with `record.due_time` set to its
  // expire_time.
  virtual absl::Status CreateSession(const SessionName& name,
                                     SessionRecord& record) = 0;

  // Overwrites a session that exists. Moves `record.due_time` if it is behind
  // the expire_time.
  virtual absl::Status UpdateSession(const SessionName& name,
                                     SessionRecord& record) = 0;

  // Removes a session that exists; its turns can no longer be found by its
  // name or by their answers, and go bit by bit in CollectGarbage.
  virtual absl::Status RemoveSession(const SessionName& name,
                                     const SessionRecord& record) = 0;

  // Removes a session that is damaged, likewise as far as its turns are known.
  virtual absl::Status RemoveDamagedSession(const SessionName& name) = 0;

  // Adds a turn, removes `dropped`, and overwrites the session, all at once.
  // `system_text`, if not null, becomes the session's.
  virtual absl::Status AddTurn(const SessionName& name, SessionRecord& record,
                               const TurnRecord& turn,
                               const std::vector<TurnRecord>& dropped,
                               const std::string* system_text) = 0;

  virtual absl::StatusOr<std::optional<TurnRecord>> FindTurn(
      const std::string& tenant, uint64_t life, uint64_t number) = 0;

  // By number, beginning at `first`.
  virtual absl::StatusOr<std::vector<TurnRecord>> ListTurns(
      const std::string& tenant, uint64_t life, uint64_t first,
      size_t limit) = 0;

  // The turn `number` and those before it, whole, newest first, until the next
  // would exceed `max_bytes` or is gone.
  virtual absl::StatusOr<Branch> ReadBranch(const std::string& tenant,
                                            uint64_t life, uint64_t number,
                                            int64_t max_bytes) = 0;

  // Empty if there is none.
  virtual absl::StatusOr<std::string> ReadSystemText(const std::string& tenant,
                                                     uint64_t life) = 0;

  virtual absl::StatusOr<std::optional<TurnAlias>> FindAlias(
      const Owner& owner, const std::string& answer_id) = 0;

  // The stored turn that a request committed.
  virtual absl::StatusOr<std::optional<uint64_t>> FindCommit(
      const std::string& tenant, uint64_t life,
      const std::string& request_id) = 0;

  // Sessions that exist, expired ones included until they are removed. Exact,
  // also after a restart.
  virtual int64_t SessionCount(const std::string& tenant) const = 0;
  // Of all tenants. Never blocks.
  virtual int64_t TotalSessionCount() const = 0;
  // Those with a session.
  virtual std::vector<std::string> Tenants() const = 0;

  // Sessions of a tenant whose due_time is `now` or before, earliest first.
  virtual absl::StatusOr<std::vector<DueSession>> FindDue(
      const std::string& tenant, absl::Time now, size_t limit) = 0;

  // Gives a session that exists another due_time.
  virtual absl::Status Reschedule(const SessionName& name,
                                  SessionRecord& record,
                                  absl::Time due_time) = 0;

  // Has a session that is damaged looked at again, as such, at `due_time`.
  virtual absl::Status Postpone(const DueSession& session,
                                absl::Time due_time) = 0;

  // Removes up to `limit` turns of removed sessions. Returns whether some are
  // left.
  virtual absl::StatusOr<bool> CollectGarbage(size_t limit) = 0;
};

}  // namespace gateway::session_store

#endif  // GATEWAY_SERVICES_SESSION_STORE_SESSION_REPOSITORY_H_
