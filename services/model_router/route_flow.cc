#include "services/model_router/route_flow.h"

#include <absl/strings/str_cat.h>

#include <algorithm>
#include <utility>

#include "common/dialect/authority.h"
#include "common/dialect/openai_chat/request_codec.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "common/time/timestamp.h"
#include "common/usage/usage_sum.h"
#include "services/model_router/frames.h"
#include "services/model_router/model_router_service.h"
#include "services/model_router/pricing.h"

namespace gateway::model_router {

absl::Status TooLargeToDeliver() {
  return MakeError(reason::kUpstreamBadResponse,
                   "the model provider's answer is too large to be delivered")
      .NoRetry();
}

RouteFlow::RouteFlow(const RouterParts& parts, rpc::Call& call,
                     const v1::RouteRequest& request,
                     rpc::Sink<v1::RouteEvent>& sink)
    : parts_(parts), call_(call), request_(request), sink_(sink) {
  total_cost_.set_priced(true);
}

Awaitable<absl::Status> RouteFlow::Run() {
  absl::Status error = Check();
  if (!error.ok()) co_return co_await Fail(error);

  for (size_t at = 0; at < targets_.size(); ++at) {
    const Target& target = *targets_[at];
    if (!MayHelp(target)) continue;
    error = co_await Attempt(target, at + 1 < targets_.size());
    if (error.ok() || absl::IsCancelled(error)) co_return error;
    if (!sent_ && absl::IsInvalidArgument(error) && target.row != model_) {
      // Fit for the model asked for, if not for this one.
      if (failure_.ok()) failure_ = error;
      continue;
    }
    failed_ = &target;
    failure_ = error;
    other_target_ = answer_.other_target;
    if (committed_ || call_.Expired(parts_.clock->Now())) break;
  }
  co_return co_await Fail(failure_);
}

absl::Status RouteFlow::Check() {
  model_ = parts_.catalogue->Find(request_.model());
  if (model_ == nullptr) return ModelNotFound(request_.model());
  switch (request_.form_case()) {
    case v1::RouteRequest::kEncoded:
      RETURN_IF_ERROR(CheckEncoded());
      break;
    case v1::RouteRequest::kTyped:
      RETURN_IF_ERROR(CheckTyped());
      break;
    case v1::RouteRequest::FORM_NOT_SET:
      return MissingParameter("form");
  }
  RETURN_IF_ERROR(ReadConversation());
  targets_ = OrderTargets(*model_,
                          {.planned = request_.planned_target(),
                           .last = request_.session().last_target()},
                          parts_.draw());
  if (envelope_) {
    // The fallback model may allow less than the one asked for.
    const auto refuses = [this](const Target* target) {
      return !dialect::CheckAuthority(envelope_->authority_uses,
                                      target->row->allow)
                  .ok();
    };
    targets_.erase(std::remove_if(targets_.begin(), targets_.end(), refuses),
                   targets_.end());
  }
  return absl::OkStatus();
}

absl::Status RouteFlow::CheckEncoded() {
  const v1::EncodedRequest& encoded = request_.encoded();
  if (encoded.dialect() != dialect::openai_chat::kDialect) {
    return MakeError(reason::kUnimplemented, "this dialect is not spoken here")
        .Param("encoded.dialect");
  }
  ASSIGN_OR_RETURN(envelope_,
                   dialect::openai_chat::ReadEnvelope(encoded.body()));
  if (envelope_->model != request_.model()) {
    return InvalidParameter("model", "is not the model of the body");
  }
  if (envelope_->stream != encoded.stream()) {
    return InvalidParameter("stream", "is not as the body says");
  }
  stream_ = encoded.stream();
  asked_output_tokens_ = envelope_->max_output_tokens.value_or(0);
  prompt_estimate_ = EstimateTokens(encoded.body().size());
  return dialect::CheckAuthority(envelope_->authority_uses, model_->allow);
}

absl::Status RouteFlow::CheckTyped() {
  const chat::v1::ChatRequest& chat = request_.typed().chat();
  if (chat.messages().empty()) return MissingParameter("messages");
  if (chat.has_max_output_tokens() &&
      (chat.max_output_tokens() < 1 ||
       chat.max_output_tokens() > dialect::kMaxOutputTokens)) {
    return InvalidParameter(
        "max_output_tokens",
        absl::StrCat("is not from 1 to ", dialect::kMaxOutputTokens));
  }
  stream_ = request_.typed().stream();
  asked_output_tokens_ = chat.max_output_tokens();
  prompt_estimate_ = EstimateTokens(chat.ByteSizeLong());
  return absl::OkStatus();
}

absl::Status RouteFlow::ReadConversation() {
  if (!request_.has_session() && !request_.want_turn()) {
    return absl::OkStatus();
  }
  if (envelope_) {
    ASSIGN_OR_RETURN(decoded_messages_,
                     dialect::openai_chat::DecodeMessages(
                         request_.encoded().body(), *envelope_));
    conversation_.emplace(request_, decoded_messages_);
  } else {
    conversation_.emplace(request_, request_.typed().chat().messages());
  }
  return absl::OkStatus();
}

bool RouteFlow::MayHelp(const Target& next) const {
  if (failed_ == nullptr) return true;
  if (other_target_ != OtherTarget::kLargerContext) {
    return other_target_ == OtherTarget::kYes;
  }
  const int64_t offered = next.row->context_tokens;
  return offered == 0 || offered > failed_->row->context_tokens;
}

Awaitable<absl::Status> RouteFlow::Attempt(const Target& target,
                                           bool another_left) {
  answer_ = Answer();
  sent_ = false;
  began_ = parts_.clock->Now();

  v1::Started started;
  started.set_provider(target.provider->name);
  started.set_provider_model(target.model);
  ProviderCall provider_call;
  if (conversation_) {
    const int64_t context = target.row->context_tokens;
    conversation_->Fit(context,
                       AnswerReserve(asked_output_tokens_,
                                     target.row->max_output_tokens, context));
    prompt_estimate_ = conversation_->prompt_tokens();
    provider_call.stored = conversation_->stored();
    provider_call.system_text = conversation_->system_text();
    started.set_dropped_turns(conversation_->dropped_turns());
  }
  AttemptLimits limits(target.row->timeouts, stream_, another_left, began_,
                       call_.deadline);
  provider_call.request = &request_;
  provider_call.target = &target;
  provider_call.envelope = envelope_ ? &*envelope_ : nullptr;
  provider_call.stream = stream_;
  provider_call.max_output_tokens = request_.grant().max_output_tokens();
  provider_call.want_turn = request_.want_turn();
  provider_call.max_answer_bytes = parts_.max_event_bytes - kEventOverhead;
  provider_call.limits = &limits;
  StreamRelay relay(sink_, std::move(started));

  // One reference to capture, so that nothing is allocated.
  auto begin = [&](const absl::Status& before) {
    return BeginSending(target, before, limits, relay);
  };
  provider_call.before_send = [&begin](const absl::Status& before) {
    return begin(before);
  };

  absl::Status status = co_await parts_.providers[target.provider->index]->Call(
      provider_call, relay, answer_);
  if (row_open_) CloseRow(target, status, limits);
  committed_ = relay.committed();
  if (!status.ok()) co_return status;
  co_return co_await Complete(target, limits, relay);
}

absl::Status RouteFlow::OpenRow(const Target& target, absl::Time now) {
  row_.Clear();
  const common::v1::CallContext& context = request_.context();
  row_.set_request_id(context.request_id());
  row_.set_attempt(attempts_);
  *row_.mutable_account() = context.account();
  row_.set_priority(context.priority());
  row_.set_model(model_->name);
  row_.set_provider(target.provider->name);
  row_.set_provider_model(target.model);
  SetTimestamp(now, *row_.mutable_start_time());
  // What it is booked with if nobody sees it end.
  row_.mutable_usage()->set_uncached_input_tokens(prompt_estimate_);
  row_.mutable_usage()->set_source(chat::v1::USAGE_SOURCE_ESTIMATED);
  *row_.mutable_cost() = CostOf(row_.usage(), target.price);
  ASSIGN_OR_RETURN(ticket_, parts_.spool->Begin(row_));
  row_open_ = true;
  return absl::OkStatus();
}

absl::Status RouteFlow::BeginSending(const Target& target,
                                     const absl::Status& before,
                                     const AttemptLimits& limits,
                                     StreamRelay& relay) {
  if (!before.ok()) {
    // Nothing was answered; most likely the request did not even come.
    answer_.billable = false;
    CloseRow(target, before, limits);
    answer_.billable = true;
  } else if (failed_ != nullptr) {
    parts_.observer->OnFallback(*failed_, target, ReasonOf(failure_));
  }
  relay.set_attempt(++attempts_);
  RETURN_IF_ERROR(OpenRow(target, parts_.clock->Now()));
  sent_ = true;
  parts_.observer->OnAttemptBegun(target);
  return absl::OkStatus();
}

void RouteFlow::CloseRow(const Target& target, const absl::Status& status,
                         const AttemptLimits& limits) {
  const absl::Time now = parts_.clock->Now();
  SetTimestamp(now, *row_.mutable_end_time());
  chat::v1::Usage& usage = *row_.mutable_usage();
  if (answer_.has_usage) {
    usage = answer_.usage;
    usage.set_source(chat::v1::USAGE_SOURCE_PROVIDER);
  } else if (answer_.billable) {
    usage.set_output_tokens(answer_.output_estimate);
  } else {
    usage.set_uncached_input_tokens(0);
  }
  *row_.mutable_cost() = CostOf(usage, target.price);
  std::string reason;
  if (status.ok()) {
    row_.set_outcome(metrics_collector::v1::OUTCOME_COMPLETED);
  } else {
    row_.set_outcome(absl::IsCancelled(status)
                         ? metrics_collector::v1::OUTCOME_CANCELLED
                         : metrics_collector::v1::OUTCOME_FAILED);
    reason = ReasonOf(status);
    row_.set_reason(reason);
  }
  parts_.spool->End(ticket_, row_);
  row_open_ = false;

  AddUsage(usage, total_usage_);
  total_cost_.set_pico_usd(total_cost_.pico_usd() + row_.cost().pico_usd());
  total_cost_.set_priced(total_cost_.priced() && row_.cost().priced());
  v1::Receipt::Step& step = *receipt_.add_steps();
  step.set_target(target.id);
  step.set_outcome(status.ok() ? "answered" : reason);
  step.set_elapsed_ms(absl::ToInt64Milliseconds(now - began_));

  AttemptReport report{.target = target,
                       .status = status,
                       .usage = usage,
                       .cost = row_.cost(),
                       .elapsed = now - began_,
                       .first_token = std::nullopt,
                       .skipped_events = answer_.skipped_events};
  if (limits.first_token_time() != absl::InfiniteFuture()) {
    report.first_token = limits.first_token_time() - began_;
    report.streamed = limits.last_event_time() - limits.first_token_time();
  }
  parts_.observer->OnAttemptEnded(report);
}

Awaitable<absl::Status> RouteFlow::Complete(const Target& target,
                                            const AttemptLimits& limits,
                                            StreamRelay& relay) {
  v1::RouteEvent event = std::move(answer_.last_run);
  v1::Completed& completed = *event.mutable_completed();
  if (!answer_.last_frames.ends().empty()) {
    *completed.mutable_last_frames() = std::move(answer_.last_frames);
  }
  if (conversation_ && request_.want_turn()) {
    *completed.mutable_turn() = conversation_->MakeTurn(
        answer_.message, row_.usage().output_tokens(), answer_.id, target.id);
  }
  if (event.ByteSizeLong() > parts_.max_event_bytes - kEventOverhead) {
    co_return co_await Fail(TooLargeToDeliver());
  }
  *completed.mutable_usage() = row_.usage();
  *completed.mutable_cost() = TotalCost();
  *completed.mutable_receipt() = std::move(receipt_);
  completed.set_finish_reason(answer_.finish_reason);
  completed.set_answer_id(std::move(answer_.id));
  completed.set_answer_model(std::move(answer_.model));
  if (limits.first_token_time() != absl::InfiniteFuture()) {
    completed.set_time_to_first_token_us(absl::ToInt64Microseconds(
        limits.first_token_time() - limits.begin_time()));
  }
  co_return co_await relay.WriteLast(std::move(event));
}

v1::Cost RouteFlow::TotalCost() const {
  return total_cost_.priced() ? total_cost_ : v1::Cost();
}

Awaitable<absl::Status> RouteFlow::Fail(const absl::Status& error) {
  v1::RouteEvent event;
  v1::Failed& failed = *event.mutable_failed();
  failed.set_code(static_cast<int32_t>(error.code()));
  failed.set_message(std::string(error.message()));
  *failed.mutable_detail() = DetailOrDefault(error);
  if (attempts_ > 0) {
    *failed.mutable_usage() = total_usage_;
    *failed.mutable_cost() = TotalCost();
    *failed.mutable_receipt() = std::move(receipt_);
  }
  return sink_.Write(std::move(event));
}

}  // namespace gateway::model_router
