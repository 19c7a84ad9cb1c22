#include "services/session_store/session_tree.h"

#include <absl/hash/hash.h>
#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>
#include <absl/strings/str_split.h>
#include <absl/strings/strip.h>

#include <algorithm>
#include <random>
#include <utility>

#include "common/status/error.h"
#include "common/status/macros.h"

namespace gateway::session_store {
namespace {

// How many turns MakeRoom looks at in one read.
constexpr size_t kRoomStep = 16;
// How many expired sessions a creation at the tenant's bound removes at once.
constexpr size_t kExpiredStep = 64;

uint64_t RandomNumber() {
  std::random_device device;
  return (uint64_t{device()} << 32) | device();
}

std::string RandomSessionId() {
  return absl::StrFormat("sess_%016x%016x", RandomNumber(), RandomNumber());
}

// A lease says which life and which head it was taken on, so that it can be
// judged when nothing else is known about it.
std::string MakeLeaseId(const SessionRecord& record) {
  return absl::StrFormat("lease_%016x_%d_%016x", record.life, record.head,
                         RandomNumber());
}

struct LeaseOrigin {
  uint64_t life = 0;
  uint64_t head = 0;
};

std::optional<LeaseOrigin> ParseLeaseId(absl::string_view lease_id) {
  if (!absl::ConsumePrefix(&lease_id, "lease_")) return std::nullopt;
  const std::vector<absl::string_view> parts = absl::StrSplit(lease_id, '_');
  LeaseOrigin origin;
  if (parts.size() != 3 || parts[0].size() != 16 ||
      !absl::SimpleHexAtoi(parts[0], &origin.life) ||
      !absl::SimpleAtoi(parts[1], &origin.head)) {
    return std::nullopt;
  }
  return origin;
}

absl::Status SessionNotFound() {
  return MakeError(reason::kSessionNotFound,
                   "there is no such session: it was never made, has expired "
                   "or was deleted");
}

absl::Status PreviousResponseNotFound() {
  return MakeError(reason::kPreviousResponseNotFound,
                   "the previous response is not stored, or no longer")
      .Param("previous_response_id");
}

absl::Status SessionLimit(int64_t limit) {
  return MakeError(reason::kSessionLimit,
                   absl::StrCat("the tenant has ", limit,
                                " sessions, which is as many as it may: delete "
                                "some or let them expire"));
}

absl::Status NotSaved(absl::string_view why) {
  return ErrorBuilder(absl::StatusCode::kAborted, reason::kSessionNotSaved,
                      absl::StrCat("the turn was not saved: ", why))
      .NoRetry();
}

absl::Status LeaseLost() {
  return MakeError(reason::kLeaseLost,
                   "another turn has taken the head of this session");
}

std::string HeadTurnId(const SessionRecord& record) {
  return record.head == 0 ? "" : MakeTurnId(record.life, record.head);
}

}  // namespace

std::string MakeTurnId(uint64_t life, uint64_t number) {
  return absl::StrFormat("turn_%016x_%d", life, number);
}

std::optional<uint64_t> TurnNumber(absl::string_view turn_id, uint64_t life) {
  uint64_t number = 0;
  if (!absl::ConsumePrefix(&turn_id, absl::StrFormat("turn_%016x_", life)) ||
      !absl::SimpleAtoi(turn_id, &number) || number == 0) {
    return std::nullopt;
  }
  return number;
}

SessionTree::SessionTree(const SessionTreeOptions& options,
                         SessionRepository* repository, const Clock* clock)
    : options_(options), repository_(repository), clock_(clock) {}

SessionTree::Stripe& SessionTree::StripeOf(const SessionName& name) {
  return stripes_[absl::Hash<SessionName>()(name) % stripes_.size()];
}

Mutex& SessionTree::TenantMutex(const std::string& tenant) {
  return tenant_mutexes_[absl::Hash<std::string>()(tenant) %
                         tenant_mutexes_.size()];
}

SessionTree::Lease* SessionTree::LiveLease(Stripe& stripe,
                                           const SessionName& name,
                                           absl::Time now) {
  const auto it = stripe.leases.find(name);
  if (it == stripe.leases.end() || it->second.expire_time <= now) {
    return nullptr;
  }
  return &it->second;
}

absl::StatusOr<std::optional<SessionRecord>> SessionTree::Load(
    Stripe& stripe, const SessionName& name, absl::Time now) {
  ASSIGN_OR_RETURN(std::optional<SessionRecord> record,
                   repository_->FindSession(name));
  // A turn that runs is a use, however short the lifetime.
  if (record.has_value() && record->expire_time <= now &&
      LiveLease(stripe, name, now) == nullptr) {
    return std::optional<SessionRecord>();
  }
  return record;
}

absl::StatusOr<SessionRecord> SessionTree::LoadOrNotFound(
    Stripe& stripe, const SessionName& name, absl::Time now) {
  ASSIGN_OR_RETURN(std::optional<SessionRecord> record,
                   Load(stripe, name, now));
  if (!record.has_value()) return SessionNotFound();
  return *std::move(record);
}

void SessionTree::Use(SessionRecord& record, absl::Time now) const {
  record.last_use_time = now;
  record.expire_time = now + options_.ttl;
}

absl::StatusOr<std::optional<SessionRecord>> SessionTree::TryCreate(
    Stripe& stripe, const SessionName& name, absl::Time now) {
  // What stands there is expired: it goes first, and makes room.
  ASSIGN_OR_RETURN(std::optional<SessionRecord> expired,
                   repository_->FindSession(name));
  if (expired.has_value()) {
    RETURN_IF_ERROR(repository_->RemoveSession(name, *expired));
  }
  stripe.leases.erase(name);

  MutexLock lock(TenantMutex(name.owner.tenant));
  if (repository_->SessionCount(name.owner.tenant) >= options_.max_sessions) {
    return std::optional<SessionRecord>();
  }
  SessionRecord record;
  record.life = RandomNumber();
  record.create_time = now;
  Use(record, now);
  RETURN_IF_ERROR(repository_->CreateSession(name, record));
  return std::optional<SessionRecord>(record);
}

absl::StatusOr<SessionView> SessionTree::CreateSession(const Owner& owner,
                                                       std::string session_id) {
  if (session_id.empty()) session_id = RandomSessionId();
  const SessionName name{owner, std::move(session_id)};
  // At the bound, what has expired makes room before anything is refused.
  while (true) {
    ASSIGN_OR_RETURN(std::optional<SessionView> made, TryCreateSession(name));
    if (made.has_value()) return *std::move(made);
    ASSIGN_OR_RETURN(const bool room, MakeSessionRoom(owner.tenant));
    if (!room) return SessionLimit(options_.max_sessions);
  }
}

absl::StatusOr<bool> SessionTree::MakeSessionRoom(const std::string& tenant) {
  const absl::StatusOr<size_t> looked_at = RemoveExpired(tenant, kExpiredStep);
  if (absl::IsDataLoss(looked_at.status())) return false;
  if (!looked_at.ok()) return looked_at.status();
  return *looked_at > 0;
}

absl::StatusOr<std::optional<SessionView>> SessionTree::TryCreateSession(
    const SessionName& name) {
  Stripe& stripe = StripeOf(name);
  MutexLock lock(stripe.mu);
  const absl::Time now = clock_->Now();
  ASSIGN_OR_RETURN(std::optional<SessionRecord> record,
                   Load(stripe, name, now));
  if (!record.has_value()) {
    ASSIGN_OR_RETURN(record, TryCreate(stripe, name, now));
    if (!record.has_value()) return std::optional<SessionView>();
  }
  return std::optional<SessionView>(
      SessionView{name.session_id, *std::move(record)});
}

absl::StatusOr<SessionView> SessionTree::GetSession(const SessionName& name) {
  Stripe& stripe = StripeOf(name);
  MutexLock lock(stripe.mu);
  ASSIGN_OR_RETURN(SessionRecord record,
                   LoadOrNotFound(stripe, name, clock_->Now()));
  return SessionView{name.session_id, record};
}

absl::StatusOr<std::vector<SessionView>> SessionTree::ListSessions(
    const Owner& owner, const std::string& after, size_t limit) {
  std::vector<SessionView> views;
  std::string last = after;
  while (views.size() < limit) {
    const size_t wanted = limit - views.size();
    ASSIGN_OR_RETURN(auto found,
                     repository_->ListSessions(owner, last, wanted));
    for (auto& [session_id, record] : found) {
      last = session_id;
      if (record.expire_time > clock_->Now()) {
        views.push_back({std::move(session_id), record});
        continue;
      }
      // A turn that runs may keep it.
      const SessionName name{owner, session_id};
      Stripe& stripe = StripeOf(name);
      MutexLock lock(stripe.mu);
      ASSIGN_OR_RETURN(std::optional<SessionRecord> kept,
                       Load(stripe, name, clock_->Now()));
      if (kept.has_value()) {
        views.push_back({std::move(session_id), *std::move(kept)});
      }
    }
    if (found.size() < wanted) break;
  }
  return views;
}

absl::StatusOr<std::vector<TurnRecord>> SessionTree::ListTurns(
    const SessionName& name, absl::string_view after, size_t limit) {
  Stripe& stripe = StripeOf(name);
  MutexLock lock(stripe.mu);
  ASSIGN_OR_RETURN(const SessionRecord record,
                   LoadOrNotFound(stripe, name, clock_->Now()));
  uint64_t first = record.oldest_turn;
  if (!after.empty()) {
    const std::optional<uint64_t> number = TurnNumber(after, record.life);
    if (!number.has_value()) {
      return InvalidParameter("page_token",
                              "the page token is not of this "
                              "session");
    }
    first = std::max(first, *number + 1);
  }
  return repository_->ListTurns(name.owner.tenant, record.life, first, limit);
}

absl::Status SessionTree::DeleteSession(const SessionName& name) {
  Stripe& stripe = StripeOf(name);
  MutexLock lock(stripe.mu);
  const absl::StatusOr<std::optional<SessionRecord>> record =
      repository_->FindSession(name);
  if (absl::IsDataLoss(record.status())) {
    RETURN_IF_ERROR(repository_->RemoveDamagedSession(name));
  } else if (!record.ok()) {
    return record.status();
  } else if (record->has_value()) {
    RETURN_IF_ERROR(repository_->RemoveSession(name, **record));
  }
  stripe.leases.erase(name);
  return absl::OkStatus();
}

absl::StatusOr<BegunTurn> SessionTree::BeginTurn(
    const BeginTurnParams& params) {
  if (params.previous_answer_id.has_value()) return Fork(params);
  const SessionName name{params.owner, params.session_id.value_or("")};
  while (true) {
    ASSIGN_OR_RETURN(std::optional<BegunTurn> begun,
                     TryFollowHead(params, name));
    if (begun.has_value()) return *std::move(begun);
    ASSIGN_OR_RETURN(const bool room, MakeSessionRoom(name.owner.tenant));
    if (!room) return SessionLimit(options_.max_sessions);
  }
}

absl::StatusOr<std::optional<BegunTurn>> SessionTree::TryFollowHead(
    const BeginTurnParams& params, const SessionName& name) {
  Stripe& stripe = StripeOf(name);
  MutexLock lock(stripe.mu);
  const absl::Time now = clock_->Now();
  ASSIGN_OR_RETURN(std::optional<SessionRecord> record,
                   Load(stripe, name, now));
  if (!record.has_value() && !params.create_if_absent) {
    return SessionNotFound();
  }
  std::string lease_id;
  if (const Lease* lease = LiveLease(stripe, name, now)) {
    // The same call once more, its first answer lost on the way.
    if (lease->request_id != params.request_id) {
      return MakeError(reason::kSessionBusy,
                       "another turn of this session is running")
          .RetryAfter(
              std::min(lease->expire_time - now, options_.max_busy_hint));
    }
    lease_id = lease->id;
  }
  const int64_t turn_count = record.has_value() ? record->head_depth : 0;
  if (params.expected_turn_count.value_or(turn_count) != turn_count) {
    return MakeError(reason::kSessionTurnMismatch,
                     absl::StrCat("the session has ", turn_count,
                                  " turns, not ", *params.expected_turn_count));
  }
  if (record.has_value()) {
    Use(*record, now);
    RETURN_IF_ERROR(repository_->UpdateSession(name, *record));
  } else {
    ASSIGN_OR_RETURN(record, TryCreate(stripe, name, now));
    if (!record.has_value()) return std::optional<BegunTurn>();
  }
  BegunTurn begun;
  begun.session_id = name.session_id;
  ASSIGN_OR_RETURN(begun.context, ReadContextAt(name, *record, record->head,
                                                params.max_context_bytes));
  begun.lease_id = lease_id.empty() ? MakeLeaseId(*record) : lease_id;
  stripe.leases[name] =
      Lease{begun.lease_id, params.request_id, now + options_.lease_timeout};
  return std::optional<BegunTurn>(std::move(begun));
}

absl::StatusOr<BegunTurn> SessionTree::Fork(const BeginTurnParams& params) {
  ASSIGN_OR_RETURN(
      const std::optional<TurnAlias> alias,
      repository_->FindAlias(params.owner, *params.previous_answer_id));
  if (!alias.has_value()) return PreviousResponseNotFound();

  const SessionName name{params.owner, alias->session_id};
  Stripe& stripe = StripeOf(name);
  MutexLock lock(stripe.mu);
  const absl::Time now = clock_->Now();
  ASSIGN_OR_RETURN(std::optional<SessionRecord> record,
                   Load(stripe, name, now));
  if (!record.has_value() || record->life != alias->life) {
    return PreviousResponseNotFound();
  }
  BegunTurn begun;
  begun.session_id = name.session_id;
  ASSIGN_OR_RETURN(begun.context, ReadContextAt(name, *record, alias->number,
                                                params.max_context_bytes));
  if (begun.context.turn_count == 0) return PreviousResponseNotFound();
  const int64_t turn_count = begun.context.turn_count;
  if (params.expected_turn_count.value_or(turn_count) != turn_count) {
    return MakeError(reason::kSessionTurnMismatch,
                     absl::StrCat("the branch has ", turn_count, " turns, not ",
                                  *params.expected_turn_count));
  }
  Use(*record, now);
  RETURN_IF_ERROR(repository_->UpdateSession(name, *record));
  return begun;
}

absl::StatusOr<Context> SessionTree::ReadContextAt(const SessionName& name,
                                                   const SessionRecord& record,
                                                   uint64_t turn,
                                                   int64_t max_context_bytes) {
  const std::string& tenant = name.owner.tenant;
  const int64_t max_bytes =
      max_context_bytes > 0
          ? std::min(max_context_bytes, options_.max_context_bytes)
          : options_.max_context_bytes;
  Context context;
  ASSIGN_OR_RETURN(context.system_text,
                   repository_->ReadSystemText(tenant, record.life));
  if (turn != 0) {
    const auto text_bytes = static_cast<int64_t>(context.system_text.size());
    ASSIGN_OR_RETURN(
        Branch branch,
        repository_->ReadBranch(tenant, record.life, turn,
                                std::max<int64_t>(0, max_bytes - text_bytes)));
    context.turn_count = branch.depth;
    context.omitted_turns =
        branch.depth - static_cast<int64_t>(branch.turns.size());
    context.turns = std::move(branch.turns);
    context.last_turn_id = MakeTurnId(record.life, turn);
    context.last_target = std::move(branch.target);
  }
  return context;
}

absl::Status SessionTree::RenewLease(const SessionName& name,
                                     const std::string& lease_id) {
  const std::optional<LeaseOrigin> origin = ParseLeaseId(lease_id);
  if (!origin.has_value()) {
    return InvalidParameter("lease_id", "this is not a lease id");
  }
  Stripe& stripe = StripeOf(name);
  MutexLock lock(stripe.mu);
  const absl::Time now = clock_->Now();
  ASSIGN_OR_RETURN(SessionRecord record, LoadOrNotFound(stripe, name, now));
  std::string request_id;
  if (const Lease* lease = LiveLease(stripe, name, now);
      lease != nullptr && lease->id != lease_id) {
    return LeaseLost();
  } else if (lease != nullptr) {
    request_id = lease->request_id;
  } else if (origin->life != record.life || origin->head != record.head) {
    return LeaseLost();
  }
  Use(record, now);
  RETURN_IF_ERROR(repository_->UpdateSession(name, record));
  stripe.leases[name] =
      Lease{lease_id, std::move(request_id), now + options_.lease_timeout};
  return absl::OkStatus();
}

absl::Status SessionTree::CheckMayCommit(Stripe& stripe,
                                         const CommitTurnParams& params,
                                         const SessionRecord& record,
                                         absl::Time now) {
  if (params.lease_id.empty()) return absl::OkStatus();
  const std::optional<LeaseOrigin> origin = ParseLeaseId(params.lease_id);
  if (!origin.has_value()) {
    return InvalidParameter("lease_id", "this is not a lease id");
  }
  if (origin->life != record.life) {
    return NotSaved("the session was deleted or expired meanwhile");
  }
  const Lease* lease = LiveLease(stripe, params.session, now);
  if (lease != nullptr && lease->id == params.lease_id) {
    return absl::OkStatus();
  }
  if (params.expected_head_turn_id != HeadTurnId(record)) {
    return NotSaved("its lease was lost, and another turn came first");
  }
  return absl::OkStatus();
}

absl::StatusOr<TurnRecord> SessionTree::MakeTurn(const CommitTurnParams& params,
                                                 const SessionRecord& record,
                                                 absl::Time now) {
  TurnRecord turn;
  turn.number = record.next_turn;
  turn.depth = 1;
  turn.commit_time = now;
  turn.request_id = params.request_id;
  turn.answer_id = params.turn.answer_id();
  turn.target = params.turn.target();
  if (!params.turn.parent_turn_id().empty()) {
    const std::optional<uint64_t> parent =
        TurnNumber(params.turn.parent_turn_id(), record.life);
    if (!parent.has_value()) {
      return NotSaved("the turn it follows is of no such session");
    }
    ASSIGN_OR_RETURN(const std::optional<TurnRecord> found,
                     repository_->FindTurn(params.session.owner.tenant,
                                           record.life, *parent));
    if (!found.has_value()) return NotSaved("the turn it follows is gone");
    turn.parent = *parent;
    turn.depth = found->depth + 1;
  }
  turn.turn.set_turn_id(MakeTurnId(record.life, turn.number));
  turn.turn.set_parent_turn_id(params.turn.parent_turn_id());
  *turn.turn.mutable_request_messages() = params.turn.request_messages();
  *turn.turn.mutable_answer_messages() = params.turn.answer_messages();
  turn.turn.set_token_count(params.turn.token_count());
  turn.bytes = static_cast<int64_t>(turn.turn.ByteSizeLong());
  return turn;
}

absl::StatusOr<std::vector<TurnRecord>> SessionTree::MakeRoom(
    const std::string& tenant, SessionRecord& record) {
  std::vector<TurnRecord> dropped;
  const auto too_much = [&] {
    return record.stored_turns > options_.max_turns ||
           record.stored_bytes > options_.max_bytes;
  };
  // The newest turn is not stored yet, and is never among those that go.
  while (too_much() && record.stored_turns > 1) {
    ASSIGN_OR_RETURN(std::vector<TurnRecord> oldest,
                     repository_->ListTurns(tenant, record.life,
                                            record.oldest_turn, kRoomStep));
    if (oldest.empty()) break;
    for (TurnRecord& turn : oldest) {
      if (!too_much()) break;
      record.oldest_turn = turn.number + 1;
      record.stored_turns -= 1;
      record.stored_bytes -= turn.bytes;
      dropped.push_back(std::move(turn));
    }
  }
  return dropped;
}

absl::StatusOr<CommittedTurn> SessionTree::CommitTurn(
    const CommitTurnParams& params) {
  const SessionName& name = params.session;
  const std::string& tenant = name.owner.tenant;
  Stripe& stripe = StripeOf(name);
  MutexLock lock(stripe.mu);
  const absl::Time now = clock_->Now();
  ASSIGN_OR_RETURN(SessionRecord record, LoadOrNotFound(stripe, name, now));

  ASSIGN_OR_RETURN(
      const std::optional<uint64_t> before,
      repository_->FindCommit(tenant, record.life, params.request_id));
  if (before.has_value()) {
    ASSIGN_OR_RETURN(const std::optional<TurnRecord> turn,
                     repository_->FindTurn(tenant, record.life, *before));
    if (turn.has_value()) {
      return CommittedTurn{turn->turn.turn_id(), turn->depth};
    }
  }
  RETURN_IF_ERROR(CheckMayCommit(stripe, params, record, now));
  ASSIGN_OR_RETURN(TurnRecord turn, MakeTurn(params, record, now));

  record.head = turn.number;
  record.head_depth = turn.depth;
  record.next_turn = turn.number + 1;
  record.stored_turns += 1;
  record.stored_bytes += turn.bytes;
  const std::string& system_text = params.turn.system_text();
  if (!system_text.empty()) {
    const auto bytes = static_cast<int64_t>(system_text.size());
    record.stored_bytes += bytes - record.system_text_bytes;
    record.system_text_bytes = bytes;
  }
  Use(record, now);
  ASSIGN_OR_RETURN(const std::vector<TurnRecord> dropped,
                   MakeRoom(tenant, record));
  RETURN_IF_ERROR(
      repository_->AddTurn(name, record, turn, dropped,
                           system_text.empty() ? nullptr : &system_text));
  // Also the lease of another turn, which took the head while this one had
  // lost it: that turn builds on a head that is no more.
  if (!params.lease_id.empty()) stripe.leases.erase(name);
  return CommittedTurn{turn.turn.turn_id(), turn.depth};
}

absl::Status SessionTree::AbandonTurn(const SessionName& name,
                                      const std::string& lease_id) {
  Stripe& stripe = StripeOf(name);
  MutexLock lock(stripe.mu);
  const auto it = stripe.leases.find(name);
  if (it != stripe.leases.end() && it->second.id == lease_id) {
    stripe.leases.erase(it);
  }
  return absl::OkStatus();
}

absl::StatusOr<Context> SessionTree::ReadContext(const SessionName& name,
                                                 int64_t max_context_bytes) {
  Stripe& stripe = StripeOf(name);
  MutexLock lock(stripe.mu);
  const absl::Time now = clock_->Now();
  ASSIGN_OR_RETURN(SessionRecord record, LoadOrNotFound(stripe, name, now));
  Use(record, now);
  RETURN_IF_ERROR(repository_->UpdateSession(name, record));
  return ReadContextAt(name, record, record.head, max_context_bytes);
}

absl::StatusOr<size_t> SessionTree::RemoveExpired(const std::string& tenant,
                                                  size_t limit) {
  const absl::Time now = clock_->Now();
  ASSIGN_OR_RETURN(const std::vector<DueSession> due,
                   repository_->FindDue(tenant, now, limit));
  for (const DueSession& session : due) {
    Stripe& stripe = StripeOf(session.name);
    MutexLock lock(stripe.mu);
    absl::StatusOr<std::optional<SessionRecord>> found =
        repository_->FindSession(session.name);
    if (absl::IsDataLoss(found.status())) {
      RETURN_IF_ERROR(PassDamaged(stripe, session, now));
      continue;
    }
    if (!found.ok()) return found.status();
    std::optional<SessionRecord>& record = *found;
    // Someone was faster.
    if (!record.has_value() || record->life != session.life ||
        record->due_time > now) {
      continue;
    }
    const Lease* lease = LiveLease(stripe, session.name, now);
    if (record->expire_time > now) {
      RETURN_IF_ERROR(
          repository_->Reschedule(session.name, *record, record->expire_time));
    } else if (lease != nullptr) {
      RETURN_IF_ERROR(
          repository_->Reschedule(session.name, *record, lease->expire_time));
    } else {
      RETURN_IF_ERROR(repository_->RemoveSession(session.name, *record));
      stripe.leases.erase(session.name);
    }
  }
  return due.size();
}

absl::Status SessionTree::PassDamaged(Stripe& stripe, const DueSession& session,
                                      absl::Time now) {
  // Nobody can use it from now on, so a lifetime later it will have expired.
  if (!session.damaged) {
    return repository_->Postpone(session, now + options_.ttl);
  }
  RETURN_IF_ERROR(repository_->RemoveDamagedSession(session.name));
  stripe.leases.erase(session.name);
  return absl::OkStatus();
}

void SessionTree::ForgetLeases() {
  const absl::Time now = clock_->Now();
  for (Stripe& stripe : stripes_) {
    MutexLock lock(stripe.mu);
    absl::erase_if(stripe.leases, [now](const auto& entry) {
      return entry.second.expire_time <= now;
    });
  }
}

}  // namespace gateway::session_store
