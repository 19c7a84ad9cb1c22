#include "common/clients/grpc_session_store_server.h"

#include <memory>

#include "gateway/session_store/v1/session_store.grpc.pb.h"

namespace gateway {

namespace {

using session_store::v1::AbandonTurnRequest;
using session_store::v1::AbandonTurnResponse;
using session_store::v1::BeginTurnRequest;
using session_store::v1::BeginTurnResponse;
using session_store::v1::CommitTurnRequest;
using session_store::v1::CommitTurnResponse;
using session_store::v1::CreateSessionRequest;
using session_store::v1::DeleteSessionRequest;
using session_store::v1::DeleteSessionResponse;
using session_store::v1::GetSessionRequest;
using session_store::v1::ListSessionsRequest;
using session_store::v1::ListSessionsResponse;
using session_store::v1::ListTurnsRequest;
using session_store::v1::ListTurnsResponse;
using session_store::v1::ReadContextRequest;
using session_store::v1::ReadContextResponse;
using session_store::v1::RenewLeaseRequest;
using session_store::v1::RenewLeaseResponse;
using session_store::v1::Session;

class SessionStoreAdapter final
    : public session_store::v1::SessionService::CallbackService {
 public:
  SessionStoreAdapter(const rpc::ServerBridge& bridge, SessionStore* target)
      : bridge_(bridge), target_(target) {}

  grpc::ServerUnaryReactor* CreateSession(grpc::CallbackServerContext* context,
                                          const CreateSessionRequest* request,
                                          Session* response) override {
    return rpc::ServeUnary(bridge_, context, *request, response,
                           [this, request](rpc::Call& call) {
                             return target_->CreateSession(call, *request);
                           });
  }

  grpc::ServerUnaryReactor* GetSession(grpc::CallbackServerContext* context,
                                       const GetSessionRequest* request,
                                       Session* response) override {
    return rpc::ServeUnary(bridge_, context, *request, response,
                           [this, request](rpc::Call& call) {
                             return target_->GetSession(call, *request);
                           });
  }

  grpc::ServerUnaryReactor* ListSessions(
      grpc::CallbackServerContext* context, const ListSessionsRequest* request,
      ListSessionsResponse* response) override {
    return rpc::ServeUnary(bridge_, context, *request, response,
                           [this, request](rpc::Call& call) {
                             return target_->ListSessions(call, *request);
                           });
  }

  grpc::ServerUnaryReactor* ListTurns(grpc::CallbackServerContext* context,
                                      const ListTurnsRequest* request,
                                      ListTurnsResponse* response) override {
    return rpc::ServeUnary(bridge_, context, *request, response,
                           [this, request](rpc::Call& call) {
                             return target_->ListTurns(call, *request);
                           });
  }

  grpc::ServerUnaryReactor* DeleteSession(
      grpc::CallbackServerContext* context, const DeleteSessionRequest* request,
      DeleteSessionResponse* response) override {
    return rpc::ServeUnary(bridge_, context, *request, response,
                           [this, request](rpc::Call& call) {
                             return target_->DeleteSession(call, *request);
                           });
  }

  grpc::ServerUnaryReactor* BeginTurn(grpc::CallbackServerContext* context,
                                      const BeginTurnRequest* request,
                                      BeginTurnResponse* response) override {
    return rpc::ServeUnary(bridge_, context, *request, response,
                           [this, request](rpc::Call& call) {
                             return target_->BeginTurn(call, *request);
                           });
  }

  grpc::ServerUnaryReactor* RenewLease(grpc::CallbackServerContext* context,
                                       const RenewLeaseRequest* request,
                                       RenewLeaseResponse* response) override {
    return rpc::ServeUnary(bridge_, context, *request, response,
                           [this, request](rpc::Call& call) {
                             return target_->RenewLease(call, *request);
                           });
  }

  grpc::ServerUnaryReactor* CommitTurn(grpc::CallbackServerContext* context,
                                       const CommitTurnRequest* request,
                                       CommitTurnResponse* response) override {
    return rpc::ServeUnary(bridge_, context, *request, response,
                           [this, request](rpc::Call& call) {
                             return target_->CommitTurn(call, *request);
                           });
  }

  grpc::ServerUnaryReactor* AbandonTurn(
      grpc::CallbackServerContext* context, const AbandonTurnRequest* request,
      AbandonTurnResponse* response) override {
    return rpc::ServeUnary(bridge_, context, *request, response,
                           [this, request](rpc::Call& call) {
                             return target_->AbandonTurn(call, *request);
                           });
  }

  grpc::ServerUnaryReactor* ReadContext(
      grpc::CallbackServerContext* context, const ReadContextRequest* request,
      ReadContextResponse* response) override {
    return rpc::ServeUnary(bridge_, context, *request, response,
                           [this, request](rpc::Call& call) {
                             return target_->ReadContext(call, *request);
                           });
  }

 private:
  const rpc::ServerBridge bridge_;
  SessionStore* const target_;
};

}  // namespace

rpc::NamedService MakeSessionStoreService(const rpc::ServerBridge& bridge,
                                          SessionStore* target) {
  return {session_store::v1::SessionService::service_full_name(),
          std::make_shared<SessionStoreAdapter>(bridge, target)};
}

}  // namespace gateway
