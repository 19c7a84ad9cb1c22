#ifndef GATEWAY_TESTS_FAKES_IN_MEMORY_SESSION_REPOSITORY_H_
#define GATEWAY_TESTS_FAKES_IN_MEMORY_SESSION_REPOSITORY_H_

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "common/concurrency/mutex.h"
#include "services/session_store/session_repository.h"

namespace gateway::session_store {

// Keeps sessions in maps. Thread-safe.
class InMemorySessionRepository : public SessionRepository {
 public:
  // From here on every call fails with `status`, until it is OK.
  void FailWith(absl::Status status);
  // From here on what is stored of the session cannot be read.
  void Damage(const SessionName& name);
  // Turns stored, those of removed sessions included.
  size_t StoredTurns() const;
  // Writes done.
  size_t Writes() const;

  absl::StatusOr<std::optional<SessionRecord>> FindSession(
      const SessionName& name) override;
  absl::StatusOr<std::vector<std::pair<std::string, SessionRecord>>>
  ListSessions(const Owner& owner, const std::string& after,
               size_t limit) override;
  absl::Status CreateSession(const SessionName& name,
                             SessionRecord& record) override;
  absl::Status UpdateSession(const SessionName& name,
                             SessionRecord& record) override;
  absl::Status RemoveSession(const SessionName& name,
                             const SessionRecord& record) override;
  absl::Status RemoveDamagedSession(const SessionName& name) override;
  absl::Status AddTurn(const SessionName& name, SessionRecord& record,
                       const TurnRecord& turn,
                       const std::vector<TurnRecord>& dropped,
                       const std::string* system_text) override;
  absl::StatusOr<std::optional<TurnRecord>> FindTurn(const std::string& tenant,
                                                     uint64_t life,
                                                     uint64_t number) override;
  absl::StatusOr<std::vector<TurnRecord>> ListTurns(const std::string& tenant,
                                                    uint64_t life,
                                                    uint64_t first,
                                                    size_t limit) override;
  absl::StatusOr<Branch> ReadBranch(const std::string& tenant, uint64_t life,
                                    uint64_t number,
                                    int64_t max_bytes) override;
  absl::StatusOr<std::string> ReadSystemText(const std::string& tenant,
                                             uint64_t life) override;
  absl::StatusOr<std::optional<TurnAlias>> FindAlias(
      const Owner& owner, const std::string& answer_id) override;
  absl::StatusOr<std::optional<uint64_t>> FindCommit(
      const std::string& tenant, uint64_t life,
      const std::string& request_id) override;
  int64_t SessionCount(const std::string& tenant) const override;
  int64_t TotalSessionCount() const override;
  std::vector<std::string> Tenants() const override;
  absl::StatusOr<std::vector<DueSession>> FindDue(const std::string& tenant,
                                                  absl::Time now,
                                                  size_t limit) override;
  absl::Status Reschedule(const SessionName& name, SessionRecord& record,
                          absl::Time due_time) override;
  absl::Status Postpone(const DueSession& session,
                        absl::Time due_time) override;
  absl::StatusOr<bool> CollectGarbage(size_t limit) override;

 private:
  using OwnerKey = std::pair<std::string, std::string>;
  using LifeKey = std::pair<std::string, uint64_t>;
  struct Life {
    OwnerKey owner;
    std::map<uint64_t, TurnRecord> turns;
    std::map<std::string, uint64_t> commits;
    std::string system_text;
    bool removed = false;
  };

  static OwnerKey KeyOf(const Owner& owner) {
    return {owner.tenant, owner.user};
  }
  absl::Status Write() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void EraseTurn(Life& life, uint64_t life_number, uint64_t number)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  static void KeepDue(SessionRecord& record);

  mutable Mutex mu_;
  absl::Status failure_ ABSL_GUARDED_BY(mu_);
  size_t writes_ ABSL_GUARDED_BY(mu_) = 0;
  std::map<OwnerKey, std::map<std::string, SessionRecord>> sessions_
      ABSL_GUARDED_BY(mu_);
  // Those that are damaged, and whether they were postponed.
  std::map<LifeKey, bool> damaged_ ABSL_GUARDED_BY(mu_);
  std::map<LifeKey, Life> lives_ ABSL_GUARDED_BY(mu_);
  std::map<OwnerKey, std::map<std::string, TurnAlias>> aliases_
      ABSL_GUARDED_BY(mu_);
};

}  // namespace gateway::session_store

#endif  // GATEWAY_TESTS_FAKES_IN_MEMORY_SESSION_REPOSITORY_H_
