#include "services/ingress/agent_grpc.h"

#include <memory>

#include "gateway/agent/v1/agent.grpc.pb.h"

namespace gateway::ingress {
namespace {

namespace pb = agent::v1;
namespace batch_pb = batch_aggregator::v1;
namespace session_pb = session_store::v1;
using Context = grpc::CallbackServerContext;

class AgentAdapter final : public pb::AgentService::CallbackService {
 public:
  AgentAdapter(const rpc::ServerBridge& bridge, AgentApi* api)
      : bridge_(bridge), api_(api) {}

  grpc::ServerUnaryReactor* Chat(Context* context,
                                 const pb::ChatRequest* request,
                                 pb::ChatResponse* response) override {
    return Unary(context, request, response, &AgentApi::Chat);
  }

  grpc::ServerWriteReactor<pb::StreamChatResponse>* StreamChat(
      Context* context, const pb::StreamChatRequest* request) override {
    return rpc::ServeServerStream<pb::StreamChatResponse>(
        bridge_, context, *request,
        [this, request](rpc::Call& call,
                        rpc::Sink<pb::StreamChatResponse>& sink) {
          return api_->StreamChat(call, *request, sink);
        });
  }

  grpc::ServerBidiReactor<pb::ConverseRequest, pb::ConverseResponse>* Converse(
      Context* context) override {
    return rpc::ServeBidi<pb::ConverseRequest, pb::ConverseResponse>(
        bridge_, context,
        [this](rpc::Call& call, rpc::Source<pb::ConverseRequest>& source,
               rpc::Sink<pb::ConverseResponse>& sink) {
          return api_->Converse(call, source, sink);
        });
  }

  grpc::ServerUnaryReactor* ListModels(
      Context* context, const pb::ListModelsRequest* request,
      pb::ListModelsResponse* response) override {
    return Unary(context, request, response, &AgentApi::ListModels);
  }

  grpc::ServerUnaryReactor* CreateSession(
      Context* context, const pb::CreateSessionRequest* request,
      session_pb::Session* response) override {
    return Unary(context, request, response, &AgentApi::CreateSession);
  }
  grpc::ServerUnaryReactor* GetSession(Context* context,
                                       const pb::GetSessionRequest* request,
                                       session_pb::Session* response) override {
    return Unary(context, request, response, &AgentApi::GetSession);
  }
  grpc::ServerUnaryReactor* ListSessions(
      Context* context, const pb::ListSessionsRequest* request,
      session_pb::ListSessionsResponse* response) override {
    return Unary(context, request, response, &AgentApi::ListSessions);
  }
  grpc::ServerUnaryReactor* ListTurns(
      Context* context, const pb::ListTurnsRequest* request,
      session_pb::ListTurnsResponse* response) override {
    return Unary(context, request, response, &AgentApi::ListTurns);
  }
  grpc::ServerUnaryReactor* DeleteSession(
      Context* context, const pb::DeleteSessionRequest* request,
      pb::DeleteSessionResponse* response) override {
    return Unary(context, request, response, &AgentApi::DeleteSession);
  }

  grpc::ServerReadReactor<pb::SubmitBatchRequest>* SubmitBatch(
      Context* context, batch_pb::Batch* response) override {
    return rpc::ServeClientStream<pb::SubmitBatchRequest>(
        bridge_, context, response,
        [this](rpc::Call& call, rpc::Source<pb::SubmitBatchRequest>& source) {
          return api_->SubmitBatch(call, source);
        });
  }
  grpc::ServerUnaryReactor* GetBatch(Context* context,
                                     const pb::GetBatchRequest* request,
                                     batch_pb::Batch* response) override {
    return Unary(context, request, response, &AgentApi::GetBatch);
  }
  grpc::ServerUnaryReactor* ListBatches(
      Context* context, const pb::ListBatchesRequest* request,
      batch_pb::ListBatchesResponse* response) override {
    return Unary(context, request, response, &AgentApi::ListBatches);
  }
  grpc::ServerUnaryReactor* CancelBatch(Context* context,
                                        const pb::CancelBatchRequest* request,
                                        batch_pb::Batch* response) override {
    return Unary(context, request, response, &AgentApi::CancelBatch);
  }
  // Following a batch may last for hours, so the drain does not wait for it.
  grpc::ServerWriteReactor<batch_pb::StreamBatchResultsResponse>*
  StreamBatchResults(Context* context,
                     const pb::StreamBatchResultsRequest* request) override {
    return rpc::ServeServerStream<batch_pb::StreamBatchResultsResponse>(
        bridge_, context, *request,
        [this, request](rpc::Call& call,
                        rpc::Sink<batch_pb::StreamBatchResultsResponse>& sink) {
          return api_->StreamBatchResults(call, *request, sink);
        },
        request->follow() ? rpc::DrainRule::kEnd : rpc::DrainRule::kFinish);
  }

 private:
  template <class Request, class Response>
  grpc::ServerUnaryReactor* Unary(
      Context* context, const Request* request, Response* response,
      Awaitable<absl::StatusOr<Response>> (AgentApi::*method)(rpc::Call&,
                                                              const Request&)) {
    return rpc::ServeUnary(bridge_, context, *request, response,
                           [this, request, method](rpc::Call& call) {
                             return (api_->*method)(call, *request);
                           });
  }

  const rpc::ServerBridge bridge_;
  AgentApi* const api_;
};

}  // namespace

rpc::NamedService MakeAgentService(const rpc::ServerBridge& bridge,
                                   AgentApi* api) {
  return {pb::AgentService::service_full_name(),
          std::make_shared<AgentAdapter>(bridge, api)};
}

}  // namespace gateway::ingress
