#include "common/process/grpc_front.h"

#include <pthread.h>

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
  if (server_ == nullptr || shutdown_.joinable()) return;
  shutdown_ = std::thread([this] {
    pthread_setname_np(pthread_self(), "grpc-drain");
    server_->Shutdown(absl::InfiniteFuture());
  });
}

void GrpcFront::CancelRemaining() { calls_.EndAll(); }

void GrpcFront::Stop() {
  if (server_ == nullptr) return;
  BeginDrain();
  calls_.EndAll();
  shutdown_.join();
  server_.reset();
}

}  // namespace gateway::process
