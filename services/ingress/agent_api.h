#ifndef GATEWAY_SERVICES_INGRESS_AGENT_API_H_
#define GATEWAY_SERVICES_INGRESS_AGENT_API_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include "common/clients/batch_aggregator.h"
#include "common/concurrency/awaitable.h"
#include "common/rpc/call.h"
#include "gateway/agent/v1/agent.pb.h"
#include "services/ingress/converse.h"
#include "services/ingress/exchange.h"
#include "services/ingress/typed_chat.h"

namespace gateway::ingress {

struct AgentApiOptions {
  TypedOptions typed;
  // A Converse call ends after so long with nothing in flight, a SubmitBatch
  // that sends nothing for so long.
  absl::Duration idle_timeout = absl::Seconds(300);
  // Of calls about sessions and batches, unless the client's is shorter.
  absl::Duration call_timeout = absl::Seconds(30);
};

// gateway.agent.v1.AgentService without gRPC: the same exchange as HTTP for
// chats, and the caller's account in front of sessions and batches.
// Thread-safe.
class AgentApi {
 public:
  // All outlive it.
  AgentApi(ExchangeServices* services, BatchAggregator* batches,
           AgentApiOptions options)
      : services_(services), batches_(batches), options_(options) {}

  Awaitable<absl::StatusOr<agent::v1::ChatResponse>> Chat(
      rpc::Call& call, const agent::v1::ChatRequest& request);
  Awaitable<absl::Status> StreamChat(
      rpc::Call& call, const agent::v1::StreamChatRequest& request,
      rpc::Sink<agent::v1::StreamChatResponse>& sink);
  Awaitable<absl::Status> Converse(
      rpc::Call& call, rpc::Source<agent::v1::ConverseRequest>& source,
      rpc::Sink<agent::v1::ConverseResponse>& sink);

  Awaitable<absl::StatusOr<agent::v1::ListModelsResponse>> ListModels(
      rpc::Call& call, const agent::v1::ListModelsRequest& request);

  Awaitable<absl::StatusOr<session_store::v1::Session>> CreateSession(
      rpc::Call& call, const agent::v1::CreateSessionRequest& request);
  Awaitable<absl::StatusOr<session_store::v1::Session>> GetSession(
      rpc::Call& call, const agent::v1::GetSessionRequest& request);
  Awaitable<absl::StatusOr<session_store::v1::ListSessionsResponse>>
  ListSessions(rpc::Call& call, const agent::v1::ListSessionsRequest& request);
  Awaitable<absl::StatusOr<session_store::v1::ListTurnsResponse>> ListTurns(
      rpc::Call& call, const agent::v1::ListTurnsRequest& request);
  Awaitable<absl::StatusOr<agent::v1::DeleteSessionResponse>> DeleteSession(
      rpc::Call& call, const agent::v1::DeleteSessionRequest& request);

  Awaitable<absl::StatusOr<batch_aggregator::v1::Batch>> SubmitBatch(
      rpc::Call& call, rpc::Source<agent::v1::SubmitBatchRequest>& source);
  Awaitable<absl::StatusOr<batch_aggregator::v1::Batch>> GetBatch(
      rpc::Call& call, const agent::v1::GetBatchRequest& request);
  Awaitable<absl::StatusOr<batch_aggregator::v1::ListBatchesResponse>>
  ListBatches(rpc::Call& call, const agent::v1::ListBatchesRequest& request);
  Awaitable<absl::StatusOr<batch_aggregator::v1::Batch>> CancelBatch(
      rpc::Call& call, const agent::v1::CancelBatchRequest& request);
  Awaitable<absl::Status> StreamBatchResults(
      rpc::Call& call, const agent::v1::StreamBatchResultsRequest& request,
      rpc::Sink<batch_aggregator::v1::StreamBatchResultsResponse>& sink);

  // Converse calls say that they go away, and end after their last turn.
  void BeginDrain() { conversations_.BeginDrain(); }

 private:
  // A call that is neither a chat nor anonymous.
  struct Admitted {
    // Null until it is known.
    ApiKey* caller = nullptr;
    Admission::Permit permit;
    common::v1::CallContext context;
  };

  Arrival ArrivalOf(rpc::Call& call, Method method) const;
  // Fills `admitted` as far as it gets.
  absl::Status Admit(const Arrival& arrival, absl::string_view user,
                     Admitted& admitted) const;
  rpc::Call Onward(const rpc::Call& call) const;
  rpc::Call StreamOnward(const rpc::Call& call, const Arrival& arrival) const;
  // The end of a call that is no chat.
  void End(const Arrival& arrival, const Admitted& admitted,
           const absl::Status& outcome) const;
  // What a failed call of a peer means to the caller of `call`.
  Awaitable<absl::Status> PeerError(const rpc::Call& call,
                                    const Arrival& arrival,
                                    const absl::Status& error) const;

  // Admits a call, and hands its context to `ask`, which asks a peer.
  template <class T, class Ask>
  Awaitable<absl::StatusOr<T>> Forward(rpc::Call& call, Method method,
                                       std::string user, Ask ask);

  ExchangeServices* const services_;
  BatchAggregator* const batches_;
  const AgentApiOptions options_;
  Conversations conversations_;
};

}  // namespace gateway::ingress

#endif  // GATEWAY_SERVICES_INGRESS_AGENT_API_H_
