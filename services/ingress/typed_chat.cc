#include "services/ingress/typed_chat.h"

#include <utility>

#include "common/status/error.h"
#include "common/status/macros.h"

namespace gateway::ingress {
namespace {

using agent::v1::ChatEvent;
using model_router::v1::Completed;
using model_router::v1::RouteEvent;

absl::StatusOr<SessionWish> WishOf(const agent::v1::SessionRef& session) {
  RETURN_IF_ERROR(CheckSessionId(session.session_id(), "session.session_id"));
  SessionWish wish;
  wish.session_id = session.session_id();
  wish.mode = session.mode();
  wish.create_if_absent = session.create_if_absent();
  if (session.has_expected_turn_count()) {
    if (session.expected_turn_count() < 0) {
      return InvalidParameter("session.expected_turn_count",
                              "A number of turns is not negative.")
          .Build();
    }
    wish.expected_turn_count = session.expected_turn_count();
  }
  return wish;
}

agent::v1::SessionOutcome OutcomeOf(const SessionTurn& turn,
                                    int64_t dropped_turns) {
  agent::v1::SessionOutcome outcome;
  outcome.set_session_id(turn.session_id());
  outcome.set_mode(turn.mode());
  outcome.set_turn_count(turn.turn_count());
  outcome.set_dropped_turns(turn.omitted_turns() + dropped_turns);
  return outcome;
}

}  // namespace

absl::Status TypedReader::Read(ChatCall& call) {
  if (chat_.model().empty()) return MissingParameter("chat.model");
  if (chat_.messages().empty()) return MissingParameter("chat.messages");
  if (static_cast<int64_t>(chat_.ByteSizeLong()) > options_.max_body_bytes) {
    return MakeError(reason::kRequestTooLarge, "The chat is too large.");
  }
  if (session_ != nullptr) {
    ASSIGN_OR_RETURN(call.session, WishOf(*session_));
    call.user = session_->user();
  }
  call.stream = stream_;
  call.assistant_anywhere_but_last = AssistantAnywhereButLast(chat_);
  call.deadline = AnswerDeadline(options_.deadline, start_, stream_,
                                 std::nullopt, client_deadline_);
  call.route.set_model(chat_.model());
  call.route.mutable_typed()->set_stream(stream_);
  *call.route.mutable_typed()->mutable_chat() = chat_;
  return absl::OkStatus();
}

void TypedAnswerSink::Started(const model_router::v1::Started& started) {
  dropped_turns_ = started.dropped_turns();
}

Awaitable<absl::Status> TypedAnswerSink::Run(RouteEvent&) {
  co_return static_cast<absl::Status>(InternalError());
}

Awaitable<absl::Status> TypedAnswerSink::Completed(RouteEvent& event) {
  response_.mutable_chat()->Swap(event.mutable_answer()->mutable_typed());
  response_.set_request_id(request_id_.data(), request_id_.size());
  auto& completed = *event.mutable_completed();
  *response_.mutable_cost() = completed.cost();
  response_.mutable_receipt()->Swap(completed.mutable_receipt());
  if (turn_ != nullptr) {
    *response_.mutable_session() = OutcomeOf(*turn_, dropped_turns_);
  }
  co_return absl::OkStatus();
}

void TypedStreamSink::Started(const model_router::v1::Started& started) {
  dropped_turns_ = started.dropped_turns();
  if (begun_) return;
  ChatEvent event;
  auto& begin = *event.mutable_started();
  begin.set_request_id(request_id_.data(), request_id_.size());
  begin.set_provider(started.provider());
  begin.set_provider_model(started.provider_model());
  started_ = std::move(event);
}

void TypedStreamSink::AddStarted(Events& events) {
  begun_ = true;
  if (!started_) return;
  *events.Add() = *std::move(started_);
  started_.reset();
}

Awaitable<absl::Status> TypedStreamSink::Run(RouteEvent& event) {
  Events events;
  AddStarted(events);
  for (auto& delta : *event.mutable_deltas()->mutable_deltas()) {
    events.Add()->mutable_delta()->Swap(&delta);
  }
  co_return co_await Send(std::move(events));
}

Awaitable<absl::Status> TypedStreamSink::Completed(RouteEvent& event) {
  Events events;
  AddStarted(events);
  if (event.has_deltas()) {
    for (auto& delta : *event.mutable_deltas()->mutable_deltas()) {
      events.Add()->mutable_delta()->Swap(&delta);
    }
  }
  model_router::v1::Completed& completed = *event.mutable_completed();
  auto& end = *events.Add()->mutable_completed();
  end.set_finish_reason(completed.finish_reason());
  *end.mutable_usage() = completed.usage();
  *end.mutable_cost() = completed.cost();
  end.mutable_receipt()->Swap(completed.mutable_receipt());
  end.set_answer_id(completed.answer_id());
  end.set_answer_model(completed.answer_model());
  if (turn_ != nullptr) {
    *end.mutable_session() = OutcomeOf(*turn_, dropped_turns_);
  }
  co_return co_await Send(std::move(events));
}

ChatEvent TypedStreamSink::FailedEvent(const absl::Status& error) {
  ChatEvent event;
  auto& failed = *event.mutable_failed();
  failed.set_code(static_cast<int>(error.code()));
  failed.set_message(error.message().data(), error.message().size());
  *failed.mutable_detail() = DetailOrDefault(error);
  return event;
}

}  // namespace gateway::ingress
