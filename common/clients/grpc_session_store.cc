#include "common/clients/grpc_session_store.h"

#include <utility>

#include "common/rpc/client_bridge.h"
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

class GrpcSessionStore final : public SessionStore {
 public:
  explicit GrpcSessionStore(std::shared_ptr<grpc::Channel> channel)
      : stub_(session_store::v1::SessionService::NewStub(std::move(channel))) {}

  Awaitable<absl::StatusOr<Session>> CreateSession(
      rpc::Call& call, const CreateSessionRequest& request) override {
    return rpc::CallUnary(stub_->async(), &Async::CreateSession, call, request);
  }

  Awaitable<absl::StatusOr<Session>> GetSession(
      rpc::Call& call, const GetSessionRequest& request) override {
    return rpc::CallUnary(stub_->async(), &Async::GetSession, call, request);
  }

  Awaitable<absl::StatusOr<ListSessionsResponse>> ListSessions(
      rpc::Call& call, const ListSessionsRequest& request) override {
    return rpc::CallUnary(stub_->async(), &Async::ListSessions, call, request);
  }

  Awaitable<absl::StatusOr<ListTurnsResponse>> ListTurns(
      rpc::Call& call, const ListTurnsRequest& request) override {
    return rpc::CallUnary(stub_->async(), &Async::ListTurns, call, request);
  }

  Awaitable<absl::StatusOr<DeleteSessionResponse>> DeleteSession(
      rpc::Call& call, const DeleteSessionRequest& request) override {
    return rpc::CallUnary(stub_->async(), &Async::DeleteSession, call, request);
  }

  Awaitable<absl::StatusOr<BeginTurnResponse>> BeginTurn(
      rpc::Call& call, const BeginTurnRequest& request) override {
    return rpc::CallUnary(stub_->async(), &Async::BeginTurn, call, request);
  }

  Awaitable<absl::StatusOr<RenewLeaseResponse>> RenewLease(
      rpc::Call& call, const RenewLeaseRequest& request) override {
    return rpc::CallUnary(stub_->async(), &Async::RenewLease, call, request);
  }

  Awaitable<absl::StatusOr<CommitTurnResponse>> CommitTurn(
      rpc::Call& call, const CommitTurnRequest& request) override {
    return rpc::CallUnary(stub_->async(), &Async::CommitTurn, call, request);
  }

  Awaitable<absl::StatusOr<AbandonTurnResponse>> AbandonTurn(
      rpc::Call& call, const AbandonTurnRequest& request) override {
    return rpc::CallUnary(stub_->async(), &Async::AbandonTurn, call, request);
  }

  Awaitable<absl::StatusOr<ReadContextResponse>> ReadContext(
      rpc::Call& call, const ReadContextRequest& request) override {
    return rpc::CallUnary(stub_->async(), &Async::ReadContext, call, request);
  }

 private:
  using Async =
      session_store::v1::SessionService::StubInterface::async_interface;

  const std::unique_ptr<session_store::v1::SessionService::StubInterface> stub_;
};

}  // namespace

std::unique_ptr<SessionStore> MakeGrpcSessionStore(
    std::shared_ptr<grpc::Channel> channel) {
  return std::make_unique<GrpcSessionStore>(std::move(channel));
}

}  // namespace gateway
