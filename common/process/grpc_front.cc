#include "common/process/grpc_front.h"

#include <utility>

namespace gateway::process {

GrpcFront::GrpcFront(IoPool* io, bool expose_metadata)
    : bridge_{*io, calls_, expose_metadata} {}

GrpcFront::~GrpcFront() { Stop(); }

absl::Status GrpcFront::Start(const ServiceOptions& options,
                              std::vector<rpc::NamedService> services,
                              bool reflection) {
  rpc::ServerOptions server;
  server.address = options.grpc.ToString();
  server.max_message_bytes = options.max_message_bytes;
  server.reflection = reflection;
  auto started = rpc::Server::Start(server, std::move(services), &calls_);
  if (!started.ok()) return started.status();
  server_ = *std::move(started);
  server_->SetReady(true);
  return absl::OkStatus();
}

void GrpcFront::SetReady(bool ready) {
  if (server_ != nullptr) server_->SetReady(ready);
}

void GrpcFront::BeginDrain() {
  if (server_ != nullptr) server_->BeginDrain();
}

void GrpcFront::CancelRemaining() {
  if (server_ != nullptr) server_->EndCalls();
}

void GrpcFront::Stop() { server_.reset(); }

}  // namespace gateway::process
