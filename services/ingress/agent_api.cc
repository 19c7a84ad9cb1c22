#include "services/ingress/agent_api.h"

#include <algorithm>
#include <boost/asio/this_coro.hpp>
#include <utility>

#include "common/clients/request_id.h"
#include "common/concurrency/spawn.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "services/ingress/batch_source.h"
#include "services/ingress/mesh_error.h"
#include "services/ingress/session_wish.h"
#include "services/ingress/shielded.h"
#include "services/ingress/typed_chat.h"

namespace gateway::ingress {
namespace {

namespace batch_pb = batch_aggregator::v1;
namespace session_pb = session_store::v1;

using agent::v1::ChatResponse;
using agent::v1::StreamChatResponse;
using agent::v1::SubmitBatchRequest;
using common::v1::CallContext;

absl::string_view Get(const rpc::Call& call, absl::string_view key) {
  if (call.metadata == nullptr) return {};
  const auto value = call.metadata->Get(key);
  return value ? *value : absl::string_view();
}

absl::string_view Credential(const rpc::Call& call) {
  const absl::string_view token = BearerToken(Get(call, "authorization"));
  if (!token.empty()) return token;
  const absl::string_view key = Get(call, "x-api-key");
  return key.empty() ? Get(call, "api-key") : key;
}

class StreamChatSink final : public TypedStreamSink {
 public:
  StreamChatSink(absl::string_view request_id,
                 rpc::Sink<StreamChatResponse>& sink)
      : TypedStreamSink(request_id), sink_(sink) {}

  // Before the first event the call's status says it alone.
  Awaitable<void> Failed(const absl::Status& error) override {
    if (!begun()) co_return;
    Events events;
    *events.Add() = FailedEvent(error);
    // A cancelled flow may write no more, but the client of one that the drain
    // cut is still there.
    auto sending = Send(std::move(events));
    (void)co_await Shielded(std::move(sending));
  }

 private:
  Awaitable<absl::Status> Send(Events events) override {
    StreamChatResponse response;
    response.mutable_events()->Swap(&events);
    co_return co_await sink_.Write(std::move(response));
  }

  rpc::Sink<StreamChatResponse>& sink_;
};

}  // namespace

Arrival AgentApi::ArrivalOf(rpc::Call& call, Method method) const {
  Arrival arrival;
  arrival.protocol = Protocol::kGrpc;
  arrival.method = method;
  arrival.request_id = NewRequestId();
  arrival.time = services_->clock->Now();
  arrival.credential = Credential(call);
  arrival.user = Get(call, "x-user-id");
  arrival.client_request_id = Get(call, "x-client-request-id");
  arrival.traceparent = Get(call, "traceparent");
  if (call.response_metadata != nullptr) {
    call.response_metadata->Add("x-request-id", arrival.request_id);
  }
  return arrival;
}

absl::Status AgentApi::Admit(const Arrival& arrival, absl::string_view user,
                             Admitted& admitted) const {
  ASSIGN_OR_RETURN(admitted.caller,
                   services_->Recognise(arrival, admitted.context));
  ASSIGN_OR_RETURN(admitted.permit, services_->Admit(*admitted.caller));
  if (user.empty()) user = arrival.user;
  RETURN_IF_ERROR(CheckUser(user, "user"));
  admitted.context.mutable_account()->set_user(user.data(), user.size());
  return absl::OkStatus();
}

rpc::Call AgentApi::Onward(const rpc::Call& call) const {
  rpc::Call onward;
  onward.deadline =
      std::min(call.deadline, services_->clock->Now() + options_.call_timeout);
  return onward;
}

rpc::Call AgentApi::StreamOnward(const rpc::Call& call,
                                 const Arrival& arrival) const {
  rpc::Call onward;
  onward.deadline = std::min(call.deadline,
                             arrival.time + options_.typed.deadline.max_stream);
  return onward;
}

void AgentApi::End(const Arrival& arrival, const Admitted& admitted,
                   const absl::Status& outcome) const {
  services_->End(
      arrival,
      admitted.caller == nullptr ? nullptr : &admitted.context.account(),
      outcome);
}

Awaitable<absl::Status> AgentApi::PeerError(const rpc::Call& call,
                                            const Arrival& arrival,
                                            const absl::Status& error) const {
  const bool cancelled = co_await IsCancelled();
  if (cancelled) co_return services_->Left(arrival.time, call.deadline);
  if (call.Expired(services_->clock->Now())) {
    co_return DeadlineExceeded().Build();
  }
  co_return arrival.method == Method::kSessions ? SessionStoreError(error)
                                                : MeshError(error);
}

template <class T, class Ask>
Awaitable<absl::StatusOr<T>> AgentApi::Forward(rpc::Call& call, Method method,
                                               std::string user, Ask ask) {
  const Arrival arrival = ArrivalOf(call, method);
  Admitted admitted;
  absl::Status outcome = Admit(arrival, user, admitted);
  absl::StatusOr<T> result;
  if (outcome.ok()) {
    rpc::Call onward = Onward(call);
    result = co_await ask(onward, admitted.context);
    outcome = result.status();
    if (!outcome.ok()) outcome = co_await PeerError(call, arrival, outcome);
  }
  End(arrival, admitted, outcome);
  if (!outcome.ok()) co_return outcome;
  co_return result;
}

Awaitable<absl::StatusOr<ChatResponse>> AgentApi::Chat(
    rpc::Call& call, const agent::v1::ChatRequest& request) {
  const Arrival arrival = ArrivalOf(call, Method::kChat);
  TypedReader reader(
      request.chat(), request.has_session() ? &request.session() : nullptr,
      /*stream=*/false, options_.typed, arrival.time, call.deadline);
  ChatResponse response;
  TypedAnswerSink sink(arrival.request_id, response);
  Exchange exchange(*services_, arrival, sink);
  const absl::Status outcome = co_await exchange.Run(reader);
  if (!outcome.ok()) co_return outcome;
  co_return response;
}

Awaitable<absl::Status> AgentApi::StreamChat(
    rpc::Call& call, const agent::v1::StreamChatRequest& request,
    rpc::Sink<StreamChatResponse>& sink) {
  const Arrival arrival = ArrivalOf(call, Method::kStreamChat);
  TypedReader reader(
      request.chat(), request.has_session() ? &request.session() : nullptr,
      /*stream=*/true, options_.typed, arrival.time, call.deadline);
  StreamChatSink events(arrival.request_id, sink);
  Exchange exchange(*services_, arrival, events);
  co_return co_await exchange.Run(reader);
}

Awaitable<absl::Status> AgentApi::Converse(
    rpc::Call& call, rpc::Source<agent::v1::ConverseRequest>& source,
    rpc::Sink<agent::v1::ConverseResponse>& sink) {
  const Arrival arrival = ArrivalOf(call, Method::kConverse);
  // Turns are admitted one by one; a stranger need not wait for that.
  const absl::Status known =
      services_->keys->Authenticate(arrival.credential).status();
  if (!known.ok()) {
    services_->End(arrival, nullptr, known);
    co_return known;
  }
  const ConversationOptions options = {.typed = options_.typed,
                                       .idle_timeout = options_.idle_timeout};
  const auto executor = co_await boost::asio::this_coro::executor;
  Conversation conversation(conversations_, *services_, arrival, call, options,
                            source, sink, executor);
  co_return co_await conversation.Run();
}

Awaitable<absl::StatusOr<agent::v1::ListModelsResponse>> AgentApi::ListModels(
    rpc::Call& call, const agent::v1::ListModelsRequest&) {
  const Arrival arrival = ArrivalOf(call, Method::kListModels);
  Admitted admitted;
  const auto list = [&]() -> absl::StatusOr<agent::v1::ListModelsResponse> {
    ASSIGN_OR_RETURN(admitted.caller,
                     services_->Recognise(arrival, admitted.context));
    const auto catalogue = services_->catalogue->snapshot();
    if (catalogue == nullptr) {
      return MakeError(reason::kUnavailable,
                       "The models are not known yet. Please try again.")
          .Build();
    }
    agent::v1::ListModelsResponse response;
    for (const auto* model : catalogue->Visible(*admitted.caller)) {
      auto& out = *response.add_models();
      out.set_id(model->name());
      out.set_owned_by(model->owned_by());
      out.mutable_create_time()->set_seconds(model->created());
      out.set_context_tokens(model->context_tokens());
      out.set_max_output_tokens(model->max_output_tokens());
    }
    return response;
  };
  auto models = list();
  End(arrival, admitted, models.status());
  co_return models;
}

Awaitable<absl::StatusOr<session_pb::Session>> AgentApi::CreateSession(
    rpc::Call& call, const agent::v1::CreateSessionRequest& request) {
  auto ask = [&](rpc::Call& onward, const CallContext& context)
      -> Awaitable<absl::StatusOr<session_pb::Session>> {
    if (!request.session_id().empty()) {
      CO_RETURN_IF_ERROR(CheckSessionId(request.session_id(), "session_id"));
    }
    session_pb::CreateSessionRequest out;
    *out.mutable_context() = context;
    out.set_session_id(request.session_id());
    co_return co_await services_->sessions->store->CreateSession(onward, out);
  };
  return Forward<session_pb::Session>(call, Method::kSessions, request.user(),
                                      std::move(ask));
}

Awaitable<absl::StatusOr<session_pb::Session>> AgentApi::GetSession(
    rpc::Call& call, const agent::v1::GetSessionRequest& request) {
  auto ask = [&](rpc::Call& onward, const CallContext& context)
      -> Awaitable<absl::StatusOr<session_pb::Session>> {
    CO_RETURN_IF_ERROR(CheckSessionId(request.session_id(), "session_id"));
    session_pb::GetSessionRequest out;
    *out.mutable_context() = context;
    out.set_session_id(request.session_id());
    co_return co_await services_->sessions->store->GetSession(onward, out);
  };
  return Forward<session_pb::Session>(call, Method::kSessions, request.user(),
                                      std::move(ask));
}

Awaitable<absl::StatusOr<session_pb::ListSessionsResponse>>
AgentApi::ListSessions(rpc::Call& call,
                       const agent::v1::ListSessionsRequest& request) {
  auto ask = [&](rpc::Call& onward, const CallContext& context)
      -> Awaitable<absl::StatusOr<session_pb::ListSessionsResponse>> {
    session_pb::ListSessionsRequest out;
    *out.mutable_context() = context;
    out.set_page_size(request.page_size());
    out.set_page_token(request.page_token());
    co_return co_await services_->sessions->store->ListSessions(onward, out);
  };
  return Forward<session_pb::ListSessionsResponse>(
      call, Method::kSessions, request.user(), std::move(ask));
}

Awaitable<absl::StatusOr<session_pb::ListTurnsResponse>> AgentApi::ListTurns(
    rpc::Call& call, const agent::v1::ListTurnsRequest& request) {
  auto ask = [&](rpc::Call& onward, const CallContext& context)
      -> Awaitable<absl::StatusOr<session_pb::ListTurnsResponse>> {
    CO_RETURN_IF_ERROR(CheckSessionId(request.session_id(), "session_id"));
    session_pb::ListTurnsRequest out;
    *out.mutable_context() = context;
    out.set_session_id(request.session_id());
    out.set_page_size(request.page_size());
    out.set_page_token(request.page_token());
    co_return co_await services_->sessions->store->ListTurns(onward, out);
  };
  return Forward<session_pb::ListTurnsResponse>(call, Method::kSessions,
                                                request.user(), std::move(ask));
}

Awaitable<absl::StatusOr<agent::v1::DeleteSessionResponse>>
AgentApi::DeleteSession(rpc::Call& call,
                        const agent::v1::DeleteSessionRequest& request) {
  auto ask = [&](rpc::Call& onward, const CallContext& context)
      -> Awaitable<absl::StatusOr<agent::v1::DeleteSessionResponse>> {
    CO_RETURN_IF_ERROR(CheckSessionId(request.session_id(), "session_id"));
    session_pb::DeleteSessionRequest out;
    *out.mutable_context() = context;
    out.set_session_id(request.session_id());
    const auto deleted =
        co_await services_->sessions->store->DeleteSession(onward, out);
    if (!deleted.ok()) co_return deleted.status();
    co_return agent::v1::DeleteSessionResponse();
  };
  return Forward<agent::v1::DeleteSessionResponse>(
      call, Method::kSessions, request.user(), std::move(ask));
}

Awaitable<absl::StatusOr<batch_pb::Batch>> AgentApi::SubmitBatch(
    rpc::Call& call, rpc::Source<SubmitBatchRequest>& source) {
  const Arrival arrival = ArrivalOf(call, Method::kBatches);
  Admitted admitted;
  BatchSource items(source, options_.idle_timeout);
  absl::Status outcome = Admit(arrival, "", admitted);
  if (outcome.ok()) {
    outcome = co_await items.Open(*admitted.caller, admitted.context);
  }
  absl::StatusOr<batch_pb::Batch> batch;
  if (outcome.ok()) {
    // A batch may be large: it has as long as a stream.
    rpc::Call onward = StreamOnward(call, arrival);
    batch = co_await batches_->SubmitBatch(onward, items);
    outcome = batch.status();
  }
  if (!outcome.ok()) outcome = co_await PeerError(call, arrival, outcome);
  End(arrival, admitted, outcome);
  if (!outcome.ok()) co_return outcome;
  co_return batch;
}

Awaitable<absl::StatusOr<batch_pb::Batch>> AgentApi::GetBatch(
    rpc::Call& call, const agent::v1::GetBatchRequest& request) {
  auto ask = [&](rpc::Call& onward, const CallContext& context)
      -> Awaitable<absl::StatusOr<batch_pb::Batch>> {
    batch_pb::GetBatchRequest out;
    *out.mutable_context() = context;
    out.set_batch_id(request.batch_id());
    co_return co_await batches_->GetBatch(onward, out);
  };
  return Forward<batch_pb::Batch>(call, Method::kBatches, "", std::move(ask));
}

Awaitable<absl::StatusOr<batch_pb::ListBatchesResponse>> AgentApi::ListBatches(
    rpc::Call& call, const agent::v1::ListBatchesRequest& request) {
  auto ask = [&](rpc::Call& onward, const CallContext& context)
      -> Awaitable<absl::StatusOr<batch_pb::ListBatchesResponse>> {
    batch_pb::ListBatchesRequest out;
    *out.mutable_context() = context;
    out.set_page_size(request.page_size());
    out.set_page_token(request.page_token());
    co_return co_await batches_->ListBatches(onward, out);
  };
  return Forward<batch_pb::ListBatchesResponse>(call, Method::kBatches, "",
                                                std::move(ask));
}

Awaitable<absl::StatusOr<batch_pb::Batch>> AgentApi::CancelBatch(
    rpc::Call& call, const agent::v1::CancelBatchRequest& request) {
  auto ask = [&](rpc::Call& onward, const CallContext& context)
      -> Awaitable<absl::StatusOr<batch_pb::Batch>> {
    batch_pb::CancelBatchRequest out;
    *out.mutable_context() = context;
    out.set_batch_id(request.batch_id());
    co_return co_await batches_->CancelBatch(onward, out);
  };
  return Forward<batch_pb::Batch>(call, Method::kBatches, "", std::move(ask));
}

Awaitable<absl::Status> AgentApi::StreamBatchResults(
    rpc::Call& call, const agent::v1::StreamBatchResultsRequest& request,
    rpc::Sink<batch_pb::StreamBatchResultsResponse>& sink) {
  const Arrival arrival = ArrivalOf(call, Method::kBatches);
  Admitted admitted;
  absl::Status outcome = Admit(arrival, "", admitted);
  if (outcome.ok()) {
    batch_pb::StreamBatchResultsRequest out;
    *out.mutable_context() = admitted.context;
    out.set_batch_id(request.batch_id());
    out.set_cursor(request.cursor());
    out.set_follow(request.follow());
    rpc::Call onward = StreamOnward(call, arrival);
    outcome = co_await batches_->StreamBatchResults(onward, out, sink);
    if (!outcome.ok()) {
      outcome = co_await PeerError(call, arrival, outcome);
    }
  }
  End(arrival, admitted, outcome);
  co_return outcome;
}

}  // namespace gateway::ingress
