#include "common/rpc/server.h"

#include <absl/strings/str_cat.h>
#include <absl/time/clock.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/resource_quota.h>

#include <algorithm>
#include <climits>
#include <string>
#include <thread>
#include <utility>

#include "common/concurrency/thread.h"
#include "common/rpc/callback_threads.h"
#include "common/rpc/http2_settings.h"

namespace gateway::rpc {

namespace {

// grpc::ServerBuilder as SetHttp2 wants it.
struct BuilderArguments {
  grpc::ServerBuilder& builder;
  void SetInt(const char* name, int value) {
    builder.AddChannelArgument(name, value);
  }
};

// The reflection library puts itself into every server of a process that links
// it; this leaves it in those that ask for it.
class ReflectionOption final : public grpc::ServerBuilderOption {
 public:
  explicit ReflectionOption(bool wanted) : wanted_(wanted) {}

  void UpdateArguments(grpc::ChannelArguments*) override {}
  void UpdatePlugins(std::vector<std::unique_ptr<grpc::ServerBuilderPlugin>>*
                         plugins) override {
    auto reflection =
        std::make_unique<grpc::reflection::ProtoServerReflectionPlugin>();
    std::erase_if(*plugins, [&](const auto& plugin) {
      return plugin->name() == reflection->name();
    });
    if (wanted_) plugins->push_back(std::move(reflection));
  }

 private:
  const bool wanted_;
};

int Milliseconds(absl::Duration duration) {
  return static_cast<int>(absl::ToInt64Milliseconds(
      std::min(duration, absl::Milliseconds(INT_MAX))));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Server>> Server::Start(
    const ServerOptions& options, std::vector<NamedService> services,
    CallTracker* calls) {
  KeepCallbackThreads();
  grpc::EnableDefaultHealthCheckService(true);
  grpc::ServerBuilder builder;
  BuilderArguments arguments{builder};
  SetHttp2(arguments);
  // Two servers must not share a port unnoticed.
  arguments.SetInt(GRPC_ARG_ALLOW_REUSEPORT, 0);
  arguments.SetInt(GRPC_ARG_MAX_CONNECTION_AGE_MS,
                   Milliseconds(options.max_connection_age));
  arguments.SetInt(GRPC_ARG_MAX_CONNECTION_AGE_GRACE_MS,
                   Milliseconds(options.max_connection_age_grace));
  arguments.SetInt(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                   30'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  arguments.SetInt(GRPC_ARG_MAX_CONCURRENT_STREAMS,
                   options.max_calls_per_connection);
  grpc::ResourceQuota buffers("rpc-server");
  buffers.Resize(static_cast<size_t>(options.max_buffer_bytes));
  builder.SetResourceQuota(buffers);
  builder.SetMaxReceiveMessageSize(options.max_message_bytes);
  builder.SetOption(std::make_unique<ReflectionOption>(options.reflection));

  int port = 0;
  if (!options.address.empty()) {
    builder.AddListeningPort(options.address, grpc::InsecureServerCredentials(),
                             &port);
  }
  for (const NamedService& named : services) {
    builder.RegisterService(named.service.get());
  }
  std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr) {
    return absl::UnavailableError(
        absl::StrCat("cannot listen on ", options.address));
  }
  return std::unique_ptr<Server>(
      new Server(std::move(services), calls, std::move(server), port));
}

Server::Server(std::vector<NamedService> services, CallTracker* calls,
               std::unique_ptr<grpc::Server> server, int port)
    : services_(std::move(services)),
      calls_(calls),
      server_(std::move(server)),
      port_(port) {
  SetReady(false);
  SetLive(true);
}

Server::~Server() { Stop(); }

void Server::SetReady(bool ready) {
  grpc::HealthCheckServiceInterface* health = server_->GetHealthCheckService();
  health->SetServingStatus("", ready);
  health->SetServingStatus("readiness", ready);
  for (const NamedService& named : services_) {
    health->SetServingStatus(named.name, ready);
  }
}

void Server::SetLive(bool live) {
  server_->GetHealthCheckService()->SetServingStatus("liveness", live);
}

void Server::BeginDrain() {
  if (drain_.joinable() || stopped_) return;
  calls_->BeginDrain();
  // Shutdown says GOAWAY, and then waits for the calls.
  drain_ = StartThread("rpc-drain", [this] {
    server_->Shutdown(absl::ToChronoTime(absl::Now() + absl::Hours(24)));
    shut_down_.store(true);
  });
}

void Server::EndCalls() {
  calls_->EndAll();
  calls_->AwaitIdle(absl::Now() + absl::Seconds(1));
}

void Server::Stop() {
  if (std::exchange(stopped_, true)) return;
  EndCalls();
  if (!drain_.joinable()) {
    server_->Shutdown(absl::ToChronoTime(absl::Now()));
  } else {
    // What is left are calls of gRPC's own services: health watches.
    while (!shut_down_.load()) {
      grpc_server_cancel_all_calls(server_->c_server());
      absl::SleepFor(absl::Milliseconds(1));
    }
    drain_.join();
  }
  server_->Wait();
}

}  // namespace gateway::rpc
