#include "common/process/grpc_front.h"

#include <algorithm>
#include <utility>

namespace gateway::process {
namespace {

// What connections take by themselves.
constexpr int64_t kMinBufferBytes = 64 << 20;

}  // namespace

GrpcFront::GrpcFront(IoPool* io, bool expose_metadata)
    : bridge_{*io, calls_, expose_metadata} {}

GrpcFront::~GrpcFront() { Stop(); }

absl::Status GrpcFront::Start(const ServiceOptions& options,
                              std::vector<rpc::NamedService> services,
                              bool reflection, ConcurrencyLimit* bodies) {
  if (bodies == nullptr) {
    bodies_ =
        std::make_unique<ConcurrencyLimit>(options.max_body_bytes_in_flight);
    bodies = bodies_.get();
  }
  calls_.SetLimits({.write_timeout = options.write_timeout, .bodies = bodies});
  rpc::ServerOptions server;
  server.address = options.grpc.ToString();
  server.max_message_bytes = options.max_message_bytes;
  server.max_buffer_bytes =
      std::max(options.max_body_bytes_in_flight, kMinBufferBytes);
  server.reflection = reflection;
  auto started = rpc::Server::Start(server, std::move(services), &calls_);
  if (!started.ok()) return started.status();
  server_ = *std::move(started);
  server_->SetReady(true);
  return absl::OkStatus();
}

void GrpcFront::SetHealth(bool ready, bool live) {
  if (server_ == nullptr) return;
  server_->SetReady(ready);
  server_->SetLive(live);
}

void GrpcFront::BeginDrain() {
  if (server_ != nullptr) server_->BeginDrain();
}

void GrpcFront::CancelRemaining() {
  if (server_ != nullptr) server_->EndCalls();
}

void GrpcFront::Stop() { server_.reset(); }

}  // namespace gateway::process
