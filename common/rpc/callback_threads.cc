#include "common/rpc/callback_threads.h"

#include <absl/synchronization/mutex.h>
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <memory>

namespace gateway::rpc {

void KeepCallbackThreads() {
  // gRPC locks through Abseil, which in its packaged build looks for cycles at
  // every lock: a twentieth of what a call costs.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  // A server that nobody can reach, never destroyed, is a user that stays.
  [[maybe_unused]] static grpc::Server* const user = [] {
    static auto& service = *new grpc::CallbackGenericService;
    grpc::ServerBuilder builder;
    builder.RegisterCallbackGenericService(&service);
    return builder.BuildAndStart().release();
  }();
}

}  // namespace gateway::rpc
