#ifndef GATEWAY_COMMON_CLIENTS_GRPC_SESSION_STORE_H_
#define GATEWAY_COMMON_CLIENTS_GRPC_SESSION_STORE_H_

#include <grpcpp/channel.h>

#include <memory>

#include "common/clients/session_store.h"

namespace gateway {

// session-store in another process. Thread-safe.
std::unique_ptr<SessionStore> MakeGrpcSessionStore(
    std::shared_ptr<grpc::Channel> channel);

}  // namespace gateway

#endif  // GATEWAY_COMMON_CLIENTS_GRPC_SESSION_STORE_H_
