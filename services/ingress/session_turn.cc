#include "services/ingress/session_turn.h"

#include <boost/asio/cancellation_signal.hpp>
#include <utility>

#include "common/clients/request_id.h"
#include "common/concurrency/spawn.h"
#include "common/log/log.h"
#include "common/status/error.h"
#include "services/ingress/mesh_error.h"
#include "services/ingress/shielded.h"

namespace gateway::ingress {
namespace {

using session_store::v1::AbandonTurnRequest;
using session_store::v1::BeginTurnRequest;
using session_store::v1::BeginTurnResponse;
using session_store::v1::CommitTurnRequest;
using session_store::v1::GetSessionRequest;
using session_store::v1::RenewLeaseRequest;

}  // namespace

Awaitable<void> WatchForStore(SessionAccess& access) {
  while (true) {
    const bool slept =
        co_await access.clock->SleepFor(access.options.look_interval);
    if (!slept) co_return;
    if (!access.away.load(std::memory_order_relaxed)) continue;
    // Of nobody: any answer will do.
    GetSessionRequest request;
    request.mutable_context()->set_request_id(NewRequestId());
    rpc::Call call;
    call.deadline = access.clock->Now() + access.options.begin_timeout;
    const auto answer = co_await access.store->GetSession(call, request);
    const bool cancelled = co_await IsCancelled();
    if (cancelled) co_return;
    if (answer.ok() || !IsSilent(answer.status())) {
      access.away.store(false, std::memory_order_relaxed);
    }
  }
}

SessionTurn::SessionTurn(SessionAccess& access,
                         const common::v1::CallContext& context,
                         const boost::asio::any_io_executor& executor)
    : access_(access),
      context_(context),
      renewal_(executor, /*max_parallel=*/1) {}

Awaitable<absl::Status> SessionTurn::Begin(
    const SessionWish& wish, model_router::v1::SessionMode mode,
    model_router::v1::SessionContext& conversation) {
  mode_ = mode;
  BeginTurnRequest request;
  *request.mutable_context() = context_;
  request.set_session_id(wish.session_id);
  request.set_create_if_absent(wish.create_if_absent);
  if (wish.expected_turn_count) {
    request.set_expected_turn_count(*wish.expected_turn_count);
  }
  request.set_max_context_bytes(access_.options.max_context_bytes);

  auto flow = CallBegin(std::move(request));
  absl::StatusOr<BeginTurnResponse> begun = co_await Shielded(std::move(flow));
  if (!begun.ok()) {
    if (IsAway(begun.status()) || !DetailOf(begun.status()).has_value()) {
      LOG_WARNING_EVERY(absl::Seconds(1), "session", "BeginTurn failed",
                        {{"request_id", context_.request_id()},
                         {"error", begun.status().ToString()}});
    }
    co_return SessionStoreError(begun.status());
  }

  session_id_ = begun->session_id();
  lease_id_ = begun->lease_id();
  head_turn_id_ = begun->head_turn_id();
  turn_count_ = begun->turn_count();
  omitted_turns_ = begun->omitted_turns();
  conversation.set_mode(mode);
  conversation.mutable_turns()->Swap(begun->mutable_turns());
  conversation.set_system_text(std::move(*begun->mutable_system_text()));
  conversation.set_last_target(std::move(*begun->mutable_last_target()));
  if (!lease_id_.empty()) renewal_.Start(KeepLease());
  co_return absl::OkStatus();
}

Awaitable<absl::StatusOr<BeginTurnResponse>> SessionTurn::CallBegin(
    BeginTurnRequest request) {
  const SessionOptions& options = access_.options;
  const bool brief = access_.away.load(std::memory_order_relaxed);
  rpc::Call call;
  call.deadline =
      access_.clock->Now() +
      (brief ? options.begin_timeout_while_away : options.begin_timeout);
  auto begun = co_await access_.store->BeginTurn(call, request);
  const bool silent = !begun.ok() && IsSilent(begun.status());
  // Too little time says nothing new.
  if (!silent || !brief) {
    access_.away.store(silent, std::memory_order_relaxed);
  }
  co_return begun;
}

Awaitable<void> SessionTurn::KeepLease() {
  RenewLeaseRequest request;
  *request.mutable_context() = context_;
  request.set_session_id(session_id_);
  request.set_lease_id(lease_id_);
  while (true) {
    const bool slept =
        co_await access_.clock->SleepFor(access_.options.renew_interval);
    if (!slept) co_return;
    rpc::Call call;
    call.deadline = access_.clock->Now() + access_.options.renew_interval;
    const auto renewed = co_await access_.store->RenewLease(call, request);
    const bool cancelled = co_await IsCancelled();
    if (cancelled) co_return;
    // Lost for good; the commit may still succeed if the head has not moved.
    if (!renewed.ok() && !IsAway(renewed.status())) co_return;
  }
}

Awaitable<void> SessionTurn::StopRenewing() {
  renewal_.Cancel();
  co_await renewal_.Join();
}

Awaitable<absl::Status> SessionTurn::Commit(model_router::v1::NewTurn turn) {
  co_await StopRenewing();
  CommitTurnRequest request;
  *request.mutable_context() = context_;
  request.set_session_id(session_id_);
  request.set_lease_id(lease_id_);
  *request.mutable_turn() = std::move(turn);
  request.set_expected_head_turn_id(head_turn_id_);
  auto flow = CallCommit(std::move(request));
  const absl::Status committed = co_await Shielded(std::move(flow));
  // It is freed, or the store cannot be told: then it runs out by itself.
  if (committed.ok() || IsAway(committed)) lease_id_.clear();
  if (committed.ok()) co_return committed;
  LOG_ERROR(
      "session", "a paid answer could not be saved",
      {{"request_id", context_.request_id()}, {"error", committed.ToString()}});
  co_return MakeError(reason::kSessionNotSaved,
                      "The answer could not be saved in the session. It has "
                      "been paid for: do not send the request again.")
      .Build();
}

Awaitable<absl::Status> SessionTurn::CallCommit(CommitTurnRequest request) {
  const SessionOptions& options = access_.options;
  rpc::Call call;
  call.deadline = access_.clock->Now() + options.commit_timeout;
  while (true) {
    const auto committed = co_await access_.store->CommitTurn(call, request);
    if (committed.ok()) co_return absl::OkStatus();
    const absl::Time next =
        access_.clock->Now() + options.commit_retry_interval;
    // Idempotent by the request id, so a lost answer does no harm.
    if (committed.status().code() != absl::StatusCode::kUnavailable ||
        next >= call.deadline) {
      co_return committed.status();
    }
    co_await access_.clock->SleepUntil(next);
  }
}

Awaitable<void> SessionTurn::Abandon() {
  co_await StopRenewing();
  if (!lease_id_.empty()) co_await Shielded(CallAbandon());
}

Awaitable<void> SessionTurn::CallAbandon() {
  AbandonTurnRequest request;
  *request.mutable_context() = context_;
  request.set_session_id(session_id_);
  request.set_lease_id(lease_id_);
  rpc::Call call;
  call.deadline = access_.clock->Now() + access_.options.abandon_timeout;
  // If it fails, the lease runs out by itself.
  (void)co_await access_.store->AbandonTurn(call, request);
}

}  // namespace gateway::ingress
