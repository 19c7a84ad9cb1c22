#include "services/ingress/exchange.h"

#include <boost/asio/this_coro.hpp>
#include <utility>

#include "common/concurrency/spawn.h"
#include "common/log/log.h"
#include "common/rpc/deadline.h"
#include "common/status/error.h"
#include "common/status/http_status.h"
#include "common/status/macros.h"
#include "common/status/text.h"
#include "common/time/timestamp.h"
#include "services/ingress/mesh_error.h"
#include "services/ingress/traceparent.h"

namespace gateway::ingress {
namespace {

using metrics_collector::v1::RequestRecord;
using model_router::v1::Completed;
using model_router::v1::Frames;
using model_router::v1::RouteEvent;

constexpr size_t kMaxClientRequestIdBytes = 256;

// model-router keeps a call's deadline by itself and tells what came of it. So
// much later only a client that takes nothing is left.
constexpr absl::Duration kOverdue = absl::Seconds(1);

absl::Status StatusOf(const model_router::v1::Failed& failed) {
  const auto code = static_cast<absl::StatusCode>(failed.code());
  absl::Status status(
      code == absl::StatusCode::kOk ? absl::StatusCode::kUnknown : code,
      failed.message());
  if (failed.has_detail())
    return WithDetail(std::move(status), failed.detail());
  return MeshError(status);
}

// Appends the run of `event`, of the same kind, to that of `held`.
void MoveRun(RouteEvent& event, RouteEvent& held) {
  switch (event.run_case()) {
    case RouteEvent::kFrames: {
      Frames& more = *event.mutable_frames();
      Frames& frames = *held.mutable_frames();
      if (frames.data().empty()) {
        frames.Swap(&more);
        break;
      }
      const auto offset = static_cast<uint32_t>(frames.data().size());
      frames.mutable_data()->append(more.data());
      for (const uint32_t end : more.ends()) frames.add_ends(offset + end);
      break;
    }
    case RouteEvent::kDeltas: {
      auto& more = *event.mutable_deltas()->mutable_deltas();
      auto& deltas = *held.mutable_deltas()->mutable_deltas();
      if (deltas.empty()) {
        deltas.Swap(&more);
        break;
      }
      for (auto& delta : more) deltas.Add(std::move(delta));
      break;
    }
    case RouteEvent::kAnswer:
      held.mutable_answer()->Swap(event.mutable_answer());
      break;
    case RouteEvent::RUN_NOT_SET:
      return;
  }
  event.clear_run();
}

size_t RunBytes(const RouteEvent& event) {
  if (event.has_frames()) return event.frames().data().size();
  return event.deltas().ByteSizeLong();
}

// How much before the deadline that we know a caller's own may pass: gRPC
// rounds it up, by 1 % at most, and it began before the call was on its way.
absl::Duration DeadlineSlack(absl::Duration timeout) {
  return timeout == absl::InfiniteDuration()
             ? absl::ZeroDuration()
             : absl::Milliseconds(50) + timeout / 100;
}

StreamEnd StreamEndOf(const absl::Status& outcome) {
  if (outcome.ok()) return StreamEnd::kCompleted;
  if (outcome.code() == absl::StatusCode::kCancelled) {
    return StreamEnd::kCancelled;
  }
  return ReasonOf(outcome) == reason::kDraining ? StreamEnd::kDrained
                                                : StreamEnd::kFailed;
}

}  // namespace

absl::StatusOr<ApiKey*> ExchangeServices::Recognise(
    const Arrival& arrival, common::v1::CallContext& context) const {
  ASSIGN_OR_RETURN(ApiKey* const caller,
                   keys->Authenticate(arrival.credential));
  context.set_request_id(arrival.request_id);
  context.set_priority(common::v1::PRIORITY_INTERACTIVE);
  context.set_traceparent(ValidTraceparent(arrival.traceparent));
  context.mutable_account()->set_tenant(caller->tenant());
  context.mutable_account()->set_key_id(caller->id());
  return caller;
}

absl::StatusOr<Admission::Permit> ExchangeServices::Admit(ApiKey& key) {
  auto permit = admission->Admit(key);
  if (!permit.ok() && ReasonOf(permit.status()) != reason::kDraining) {
    metrics->RateLimited();
  }
  return permit;
}

absl::Status ExchangeServices::Left(absl::Time start,
                                    absl::Time deadline) const {
  if (cutting.load(std::memory_order_relaxed)) return Draining();
  if (clock->Now() >= deadline - DeadlineSlack(deadline - start)) {
    return DeadlineExceeded();
  }
  return ClientClosed();
}

void ExchangeServices::End(const Arrival& arrival,
                           const common::v1::Account* account,
                           const absl::Status& outcome) const {
  metrics->RequestEnded(arrival.protocol, arrival.method, EndClassOf(outcome));
  if (account != nullptr) reporter->Add(RecordOf(arrival, *account, outcome));
}

RequestRecord ExchangeServices::RecordOf(const Arrival& arrival,
                                         const common::v1::Account& account,
                                         const absl::Status& outcome) const {
  RequestRecord record;
  record.set_request_id(arrival.request_id);
  record.set_client_request_id(
      CleanText(arrival.client_request_id, kMaxClientRequestIdBytes));
  auto& kept = *record.mutable_account();
  kept.set_tenant(account.tenant());
  if (!options.Get().covert) {
    kept.set_key_id(account.key_id());
    kept.set_user(account.user());
  }
  const auto protocol = ProtocolName(arrival.protocol);
  const auto method = MethodName(arrival.method);
  record.set_protocol(protocol.data(), protocol.size());
  record.set_method(method.data(), method.size());
  SetTimestamp(arrival.time, *record.mutable_start_time());
  SetTimestamp(clock->Now(), *record.mutable_end_time());
  const bool cancelled = outcome.code() == absl::StatusCode::kCancelled;
  record.set_outcome(outcome.ok() ? metrics_collector::v1::OUTCOME_COMPLETED
                     : cancelled  ? metrics_collector::v1::OUTCOME_CANCELLED
                                  : metrics_collector::v1::OUTCOME_FAILED);
  if (!outcome.ok()) {
    const auto fault = FaultName(FaultOf(outcome));
    record.set_error_class(fault.data(), fault.size());
    record.set_reason(ReasonOf(outcome));
  }
  record.set_http_status(HttpStatusOf(outcome));
  record.set_traceparent(ValidTraceparent(arrival.traceparent));
  return record;
}

Exchange::Exchange(ExchangeServices& services, const Arrival& arrival,
                   ExchangeSink& sink)
    : services_(services),
      options_(services.options.Get()),
      arrival_(arrival),
      sink_(sink),
      contents_(options_.covert ? Contents::kOff : options_.contents) {}

Exchange::~Exchange() { services_.reporter->Close(open_); }

Awaitable<absl::Status> Exchange::Run(ChatReader& reader) {
  absl::Status outcome = Open(reader);
  if (outcome.ok() && call_.stream) co_await sink_.StreamOpened();
  if (outcome.ok() && call_.session) outcome = co_await BeginTurn();
  if (outcome.ok()) outcome = co_await Route();
  if (outcome.ok()) outcome = co_await Finish();
  if (!outcome.ok() && turn_) co_await turn_->Abandon();
  Settle(outcome);
  if (!outcome.ok() && heard_) co_await sink_.Failed(outcome);
  co_return outcome;
}

absl::Status Exchange::Open(ChatReader& reader) {
  auto& context = *call_.route.mutable_context();
  ASSIGN_OR_RETURN(caller_, services_.Recognise(arrival_, context));
  auto& account = *context.mutable_account();
  ASSIGN_OR_RETURN(permit_, services_.Admit(*caller_));
  RETURN_IF_ERROR(CheckUser(arrival_.user, "x-user-id"));
  account.set_user(arrival_.user.data(), arrival_.user.size());
  RETURN_IF_ERROR(reader.Read(call_));
  if (call_.stream) services_.metrics->StreamBegan();
  if (!call_.user.empty()) {
    RETURN_IF_ERROR(CheckUser(call_.user, "session.user"));
    account.set_user(std::move(call_.user));
  }

  const std::string& model = call_.route.model();
  RETURN_IF_ERROR(Admission::CheckModel(*caller_, model));
  const auto catalogue = services_.catalogue->snapshot();
  if (catalogue != nullptr && catalogue->Find(model) == nullptr) {
    return ModelNotFound(model);
  }
  model_known_ = catalogue != nullptr;

  open_.request_id = &context.request_id();
  open_.account = &account;
  if (options_.covert) {
    reported_account_.set_tenant(account.tenant());
    open_.account = &reported_account_;
  }
  open_.model = &model;
  open_.start_time = arrival_.time;
  services_.reporter->Open(open_);
  return absl::OkStatus();
}

Awaitable<absl::Status> Exchange::BeginTurn() {
  const auto executor = co_await boost::asio::this_coro::executor;
  turn_.emplace(*services_.sessions, call_.route.context(), executor);
  const auto mode =
      ResolveMode(call_.session->mode, call_.assistant_anywhere_but_last);
  absl::Status begun = co_await turn_->Begin(*call_.session, mode,
                                             *call_.route.mutable_session());
  const bool cancelled = co_await IsCancelled();
  if (cancelled) co_return Left();
  if (!begun.ok()) co_return begun;
  call_.route.set_want_turn(true);
  sink_.SessionBegun(*turn_);
  co_return absl::OkStatus();
}

Awaitable<absl::Status> Exchange::Route() {
  rpc::Call call;
  call.deadline = call_.deadline;
  absl::Status routed;
  if (call_.stream) {
    auto route = services_.router->Route(call, call_.route, *this);
    routed =
        co_await rpc::WithDeadline(call_.deadline + kOverdue, std::move(route));
  } else {
    routed = co_await services_.router->Route(call, call_.route, *this);
  }
  bool cancelled = co_await IsCancelled();
  if (!cancelled && delivery_failed_ && absl::IsDeadlineExceeded(routed)) {
    heard_ = false;
    co_return DeadlineExceeded().Build();
  }
  cancelled = cancelled || delivery_failed_;
  absl::Status outcome = OutcomeOfRoute(routed, cancelled);
  // What came before the failure is the client's.
  if (!outcome.ok() && !cancelled && options_.streaming &&
      held_.run_case() != RouteEvent::RUN_NOT_SET && !held_.has_answer()) {
    const absl::Status delivered = co_await Deliver();
    if (!delivered.ok()) outcome = Left();
  }
  co_return outcome;
}

absl::Status Exchange::Left() {
  absl::Status why = services_.Left(arrival_.time, call_.deadline);
  // Who was cut is still there.
  heard_ = ReasonOf(why) == reason::kDraining;
  return why;
}

absl::Status Exchange::OutcomeOfRoute(const absl::Status& routed,
                                      bool cancelled) {
  // A cancelled answer is no answer, even if it has just come to its end.
  if (cancelled) return Left();
  if (last_ && last_->has_failed()) return StatusOf(last_->failed());
  // A whole answer comes in one piece, and with the end.
  if (last_ && (call_.stream || held_.has_answer())) return absl::OkStatus();
  LOG_WARNING_EVERY(
      absl::Seconds(1), "exchange", "model-router gave no end",
      {{"request_id", arrival_.request_id}, {"error", routed.ToString()}});
  return routed.ok() ? static_cast<absl::Status>(InternalError())
                     : MeshError(routed);
}

Awaitable<absl::Status> Exchange::Finish() {
  if (turn_) {
    model_router::v1::NewTurn turn =
        std::move(*last_->mutable_completed()->mutable_turn());
    absl::Status committed = co_await turn_->Commit(std::move(turn));
    if (!committed.ok()) co_return committed;
  }
  MoveRun(held_, *last_);
  const absl::Status delivered = co_await sink_.Completed(*last_);
  if (!delivered.ok()) co_return Left();
  if (first_run_time_ == absl::InfiniteFuture()) {
    first_run_time_ = services_.clock->Now();
  }
  co_return absl::OkStatus();
}

Awaitable<absl::Status> Exchange::Write(RouteEvent event) {
  Take(event);
  if (!MayDeliver()) co_return absl::OkStatus();
  co_return co_await Deliver();
}

Awaitable<absl::Status> Exchange::WriteMany(std::span<RouteEvent> events) {
  for (RouteEvent& event : events) Take(event);
  if (!MayDeliver()) co_return absl::OkStatus();
  co_return co_await Deliver();
}

void Exchange::Take(RouteEvent& event) {
  if (last_) return;
  if (event.has_started()) {
    started_.Swap(event.mutable_started());
    sink_.Started(started_);
  }
  contents_.AddAnswer(event);
  if (!options_.streaming) held_bytes_ += RunBytes(event);
  MoveRun(event, held_);
  if (event.end_case() != RouteEvent::END_NOT_SET) last_ = std::move(event);
}

bool Exchange::MayDeliver() const {
  // A whole answer, and what came together with the end, goes out with it.
  if (held_.run_case() == RouteEvent::RUN_NOT_SET || held_.has_answer() ||
      last_) {
    return false;
  }
  return options_.streaming || held_bytes_ > options_.max_held_bytes;
}

Awaitable<absl::Status> Exchange::Deliver() {
  const absl::Status delivered = co_await sink_.Run(held_);
  held_.clear_run();
  held_bytes_ = 0;
  delivery_failed_ = !delivered.ok();
  if (first_run_time_ == absl::InfiniteFuture()) {
    first_run_time_ = services_.clock->Now();
  }
  co_return delivered;
}

void Exchange::Settle(const absl::Status& outcome) {
  const absl::Time end = services_.clock->Now();
  services_.reporter->Close(open_);
  Measure(outcome, end);
  // Who was never recognised is counted, not recorded.
  if (caller_ != nullptr) Report(outcome);
}

void Exchange::Measure(const absl::Status& outcome, absl::Time end) {
  Metrics& metrics = *services_.metrics;
  Protocol protocol = arrival_.protocol;
  if (call_.stream) {
    if (protocol == Protocol::kHttp) protocol = Protocol::kSse;
    metrics.StreamEnded(protocol, StreamEndOf(outcome));
  }
  metrics.RequestEnded(protocol, arrival_.method, EndClassOf(outcome));
  // Refused before it was a request for an answer.
  if (!open_.model) return;

  Metrics::Answer answer;
  answer.provider = started_.provider();
  if (model_known_) answer.request_model = call_.route.model();
  answer.response_model = started_.provider_model();
  const std::string reason = ReasonOf(outcome);
  answer.error_type = reason;
  answer.duration = end - arrival_.time;
  const bool answered = first_run_time_ != absl::InfiniteFuture();
  if (call_.stream && answered) {
    answer.time_to_first_token = first_run_time_ - arrival_.time;
  }
  if (last_ && last_->has_completed()) {
    const Completed& completed = last_->completed();
    answer.output_tokens = completed.usage().output_tokens();
    if (answered && completed.time_to_first_token_us() > 0) {
      metrics.Overhead(first_run_time_ - arrival_.time -
                       absl::Microseconds(completed.time_to_first_token_us()));
    }
  }
  metrics.Answered(answer);
}

void Exchange::Report(const absl::Status& outcome) {
  RequestRecord record =
      services_.RecordOf(arrival_, call_.route.context().account(), outcome);
  if (call_.stream && arrival_.protocol == Protocol::kHttp) {
    const auto protocol = ProtocolName(Protocol::kSse);
    record.set_protocol(protocol.data(), protocol.size());
  }
  record.set_model(call_.route.model());
  if (!started_.provider().empty()) {
    record.set_target(
        absl::StrCat(started_.provider(), "/", started_.provider_model()));
  }
  const bool cancelled = outcome.code() == absl::StatusCode::kCancelled;
  if (!cancelled && sink_.begun()) record.set_http_status(200);
  if (last_ && last_->has_completed()) {
    record.mutable_usage()->Swap(last_->mutable_completed()->mutable_usage());
    record.mutable_cost()->Swap(last_->mutable_completed()->mutable_cost());
  } else if (last_ && last_->has_failed()) {
    record.mutable_usage()->Swap(last_->mutable_failed()->mutable_usage());
    record.mutable_cost()->Swap(last_->mutable_failed()->mutable_cost());
  }
  if (first_run_time_ != absl::InfiniteFuture()) {
    record.set_time_to_first_token_us(
        absl::ToInt64Microseconds(first_run_time_ - arrival_.time));
  }
  if (!options_.covert && turn_) {
    record.set_session_id(turn_->session_id());
  }
  contents_.Fill(call_.route, record);
  services_.reporter->Add(std::move(record));
}

}  // namespace gateway::ingress
