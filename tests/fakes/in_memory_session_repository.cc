#include "tests/fakes/in_memory_session_repository.h"

#include <algorithm>

#include "common/status/error.h"
#include "common/status/macros.h"

namespace gateway::session_store {

void InMemorySessionRepository::FailWith(absl::Status status) {
  MutexLock lock(mu_);
  failure_ = std::move(status);
}

void InMemorySessionRepository::Damage(const SessionName& name) {
  MutexLock lock(mu_);
  const SessionRecord& record = sessions_[KeyOf(name.owner)][name.session_id];
  damaged_[{name.owner.tenant, record.life}] = false;
}

size_t InMemorySessionRepository::StoredTurns() const {
  MutexLock lock(mu_);
  size_t turns = 0;
  for (const auto& [key, life] : lives_) turns += life.turns.size();
  return turns;
}

size_t InMemorySessionRepository::Writes() const {
  MutexLock lock(mu_);
  return writes_;
}

absl::Status InMemorySessionRepository::Write() {
  RETURN_IF_ERROR(failure_);
  ++writes_;
  return absl::OkStatus();
}

void InMemorySessionRepository::KeepDue(SessionRecord& record) {
  record.due_time = std::min(record.due_time, record.expire_time);
}

absl::StatusOr<std::optional<SessionRecord>>
InMemorySessionRepository::FindSession(const SessionName& name) {
  MutexLock lock(mu_);
  RETURN_IF_ERROR(failure_);
  const auto& sessions = sessions_[KeyOf(name.owner)];
  const auto it = sessions.find(name.session_id);
  if (it == sessions.end()) return std::optional<SessionRecord>();
  if (damaged_.contains({name.owner.tenant, it->second.life})) {
    return MakeError(reason::kDataLoss, "damaged");
  }
  return std::optional<SessionRecord>(it->second);
}

absl::StatusOr<std::vector<std::pair<std::string, SessionRecord>>>
InMemorySessionRepository::ListSessions(const Owner& owner,
                                        const std::string& after,
                                        size_t limit) {
  MutexLock lock(mu_);
  RETURN_IF_ERROR(failure_);
  std::vector<std::pair<std::string, SessionRecord>> found;
  const auto& sessions = sessions_[KeyOf(owner)];
  for (auto it = sessions.upper_bound(after);
       it != sessions.end() && found.size() < limit; ++it) {
    if (damaged_.contains({owner.tenant, it->second.life})) continue;
    found.emplace_back(it->first, it->second);
  }
  return found;
}

absl::Status InMemorySessionRepository::CreateSession(const SessionName& name,
                                                      SessionRecord& record) {
  MutexLock lock(mu_);
  RETURN_IF_ERROR(Write());
  record.due_time = record.expire_time;
  sessions_[KeyOf(name.owner)][name.session_id] = record;
  lives_[{name.owner.tenant, record.life}].owner = KeyOf(name.owner);
  return absl::OkStatus();
}

absl::Status InMemorySessionRepository::UpdateSession(const SessionName& name,
                                                      SessionRecord& record) {
  MutexLock lock(mu_);
  RETURN_IF_ERROR(Write());
  KeepDue(record);
  sessions_[KeyOf(name.owner)][name.session_id] = record;
  return absl::OkStatus();
}

absl::Status InMemorySessionRepository::RemoveSession(
    const SessionName& name, const SessionRecord& record) {
  MutexLock lock(mu_);
  RETURN_IF_ERROR(Write());
  sessions_[KeyOf(name.owner)].erase(name.session_id);
  lives_[{name.owner.tenant, record.life}].removed = true;
  return absl::OkStatus();
}

absl::Status InMemorySessionRepository::RemoveDamagedSession(
    const SessionName& name) {
  MutexLock lock(mu_);
  RETURN_IF_ERROR(Write());
  auto& sessions = sessions_[KeyOf(name.owner)];
  const auto it = sessions.find(name.session_id);
  if (it == sessions.end()) return absl::OkStatus();
  lives_[{name.owner.tenant, it->second.life}].removed = true;
  damaged_.erase({name.owner.tenant, it->second.life});
  sessions.erase(it);
  return absl::OkStatus();
}

absl::Status InMemorySessionRepository::AddTurn(
    const SessionName& name, SessionRecord& record, const TurnRecord& turn,
    const std::vector<TurnRecord>& dropped, const std::string* system_text) {
  MutexLock lock(mu_);
  RETURN_IF_ERROR(Write());
  KeepDue(record);
  Life& life = lives_[{name.owner.tenant, record.life}];
  for (const TurnRecord& old : dropped) {
    EraseTurn(life, record.life, old.number);
  }
  life.turns[turn.number] = turn;
  life.commits[turn.request_id] = turn.number;
  if (!turn.answer_id.empty()) {
    aliases_[KeyOf(name.owner)][turn.answer_id] =
        TurnAlias{name.session_id, record.life, turn.number};
  }
  if (system_text != nullptr) life.system_text = *system_text;
  sessions_[KeyOf(name.owner)][name.session_id] = record;
  return absl::OkStatus();
}

void InMemorySessionRepository::EraseTurn(Life& life, uint64_t life_number,
                                          uint64_t number) {
  const auto turn = life.turns.find(number);
  if (turn == life.turns.end()) return;
  auto& aliases = aliases_[life.owner];
  const auto alias = aliases.find(turn->second.answer_id);
  if (alias != aliases.end() && alias->second.life == life_number &&
      alias->second.number == number) {
    aliases.erase(alias);
  }
  const auto commit = life.commits.find(turn->second.request_id);
  if (commit != life.commits.end() && commit->second == number) {
    life.commits.erase(commit);
  }
  life.turns.erase(turn);
}

absl::StatusOr<std::optional<TurnRecord>> InMemorySessionRepository::FindTurn(
    const std::string& tenant, uint64_t life, uint64_t number) {
  MutexLock lock(mu_);
  RETURN_IF_ERROR(failure_);
  const auto& turns = lives_[{tenant, life}].turns;
  const auto it = turns.find(number);
  if (it == turns.end()) return std::optional<TurnRecord>();
  return std::optional<TurnRecord>(it->second);
}

absl::StatusOr<std::vector<TurnRecord>> InMemorySessionRepository::ListTurns(
    const std::string& tenant, uint64_t life, uint64_t first, size_t limit) {
  MutexLock lock(mu_);
  RETURN_IF_ERROR(failure_);
  std::vector<TurnRecord> found;
  const auto& turns = lives_[{tenant, life}].turns;
  for (auto it = turns.lower_bound(first);
       it != turns.end() && found.size() < limit; ++it) {
    found.push_back(it->second);
  }
  return found;
}

absl::StatusOr<Branch> InMemorySessionRepository::ReadBranch(
    const std::string& tenant, uint64_t life, uint64_t number,
    int64_t max_bytes) {
  MutexLock lock(mu_);
  RETURN_IF_ERROR(failure_);
  const auto& turns = lives_[{tenant, life}].turns;
  Branch branch;
  bool fits = true;
  for (auto it = turns.find(number); it != turns.end() && fits;
       it = turns.find(it->second.parent)) {
    if (branch.depth == 0) {
      branch.depth = it->second.depth;
      branch.target = it->second.target;
    }
    max_bytes -= it->second.bytes;
    fits = max_bytes >= 0;
    if (fits) branch.turns.push_back(it->second.turn);
  }
  std::reverse(branch.turns.begin(), branch.turns.end());
  return branch;
}

absl::StatusOr<std::string> InMemorySessionRepository::ReadSystemText(
    const std::string& tenant, uint64_t life) {
  MutexLock lock(mu_);
  RETURN_IF_ERROR(failure_);
  return lives_[{tenant, life}].system_text;
}

absl::StatusOr<std::optional<TurnAlias>> InMemorySessionRepository::FindAlias(
    const Owner& owner, const std::string& answer_id) {
  MutexLock lock(mu_);
  RETURN_IF_ERROR(failure_);
  const auto& aliases = aliases_[KeyOf(owner)];
  const auto it = aliases.find(answer_id);
  if (it == aliases.end()) return std::optional<TurnAlias>();
  return std::optional<TurnAlias>(it->second);
}

absl::StatusOr<std::optional<uint64_t>> InMemorySessionRepository::FindCommit(
    const std::string& tenant, uint64_t life, const std::string& request_id) {
  MutexLock lock(mu_);
  RETURN_IF_ERROR(failure_);
  const auto& commits = lives_[{tenant, life}].commits;
  const auto it = commits.find(request_id);
  if (it == commits.end()) return std::optional<uint64_t>();
  return std::optional<uint64_t>(it->second);
}

int64_t InMemorySessionRepository::SessionCount(
    const std::string& tenant) const {
  MutexLock lock(mu_);
  int64_t count = 0;
  for (const auto& [owner, sessions] : sessions_) {
    if (owner.first == tenant) count += static_cast<int64_t>(sessions.size());
  }
  return count;
}

int64_t InMemorySessionRepository::TotalSessionCount() const {
  MutexLock lock(mu_);
  int64_t count = 0;
  for (const auto& [owner, sessions] : sessions_) {
    count += static_cast<int64_t>(sessions.size());
  }
  return count;
}

std::vector<std::string> InMemorySessionRepository::Tenants() const {
  MutexLock lock(mu_);
  std::vector<std::string> tenants;
  for (const auto& [owner, sessions] : sessions_) {
    if (!sessions.empty() &&
        (tenants.empty() || tenants.back() != owner.first)) {
      tenants.push_back(owner.first);
    }
  }
  return tenants;
}

absl::StatusOr<std::vector<DueSession>> InMemorySessionRepository::FindDue(
    const std::string& tenant, absl::Time now, size_t limit) {
  MutexLock lock(mu_);
  RETURN_IF_ERROR(failure_);
  std::vector<DueSession> due;
  for (const auto& [owner, sessions] : sessions_) {
    if (owner.first != tenant) continue;
    for (const auto& [session_id, record] : sessions) {
      const auto damaged = damaged_.find({owner.first, record.life});
      if (record.due_time <= now) {
        due.push_back({{{owner.first, owner.second}, session_id},
                       record.life,
                       record.due_time,
                       damaged != damaged_.end() && damaged->second});
      }
    }
  }
  std::sort(due.begin(), due.end(),
            [](const DueSession& a, const DueSession& b) {
              return a.due_time < b.due_time;
            });
  if (due.size() > limit) due.resize(limit);
  return due;
}

absl::Status InMemorySessionRepository::Reschedule(const SessionName& name,
                                                   SessionRecord& record,
                                                   absl::Time due_time) {
  MutexLock lock(mu_);
  RETURN_IF_ERROR(Write());
  record.due_time = due_time;
  sessions_[KeyOf(name.owner)][name.session_id] = record;
  return absl::OkStatus();
}

absl::Status InMemorySessionRepository::Postpone(const DueSession& session,
                                                 absl::Time due_time) {
  MutexLock lock(mu_);
  RETURN_IF_ERROR(Write());
  const SessionName& name = session.name;
  sessions_[KeyOf(name.owner)][name.session_id].due_time = due_time;
  damaged_[{name.owner.tenant, session.life}] = true;
  return absl::OkStatus();
}

absl::StatusOr<bool> InMemorySessionRepository::CollectGarbage(size_t limit) {
  MutexLock lock(mu_);
  RETURN_IF_ERROR(failure_);
  for (auto it = lives_.begin(); it != lives_.end();) {
    if (!it->second.removed) {
      ++it;
      continue;
    }
    while (limit > 0 && !it->second.turns.empty()) {
      EraseTurn(it->second, it->first.second, it->second.turns.begin()->first);
      --limit;
    }
    if (!it->second.turns.empty()) return true;
    it = lives_.erase(it);
  }
  return false;
}

}  // namespace gateway::session_store
