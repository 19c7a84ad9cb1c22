#include "services/ingress/smoke_grpc.h"

#include <absl/strings/str_cat.h>
#include <absl/time/clock.h>
#include <grpcpp/grpcpp.h>

#include <memory>

#include "gateway/agent/v1/agent.grpc.pb.h"

namespace gateway::ingress {
namespace {

using agent::v1::AgentService;

std::unique_ptr<AgentService::Stub> Connect(const GrpcSmoke& mesh,
                                            grpc::ClientContext& context) {
  context.set_deadline(absl::ToChronoTime(absl::Now() + mesh.timeout));
  context.set_wait_for_ready(true);
  if (!mesh.key.empty()) {
    context.AddMetadata("authorization", absl::StrCat("Bearer ", mesh.key));
  }
  return AgentService::NewStub(
      grpc::CreateChannel(mesh.target, grpc::InsecureChannelCredentials()));
}

absl::Status Told(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  return absl::UnavailableError(
      absl::StrCat("code ", static_cast<int>(status.error_code()), ": ",
                   status.error_message()));
}

}  // namespace

absl::Status TryGrpcStream(const GrpcSmoke& mesh, const std::string& model) {
  grpc::ClientContext context;
  const auto stub = Connect(mesh, context);
  agent::v1::StreamChatRequest request;
  request.mutable_chat()->set_model(model);
  chat::v1::Message& message = *request.mutable_chat()->add_messages();
  message.set_role(chat::v1::ROLE_USER);
  message.add_content()->mutable_text()->set_text("Hello");
  const auto stream = stub->StreamChat(&context, request);
  agent::v1::StreamChatResponse response;
  bool completed = false;
  while (stream->Read(&response)) {
    for (const auto& event : response.events()) {
      completed = completed || event.has_completed();
    }
  }
  const absl::Status ended = Told(stream->Finish());
  if (!ended.ok()) return ended;
  if (!completed) return absl::UnavailableError("the stream has no end");
  return absl::OkStatus();
}

absl::Status DeleteSession(const GrpcSmoke& mesh,
                           const std::string& session_id) {
  grpc::ClientContext context;
  const auto stub = Connect(mesh, context);
  agent::v1::DeleteSessionRequest request;
  request.set_session_id(session_id);
  agent::v1::DeleteSessionResponse response;
  return Told(stub->DeleteSession(&context, request, &response));
}

}  // namespace gateway::ingress
