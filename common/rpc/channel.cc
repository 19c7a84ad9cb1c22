#include "common/rpc/channel.h"

#include <grpcpp/channel.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/support/channel_arguments.h>

#include "common/rpc/callback_threads.h"
#include "common/rpc/http2_settings.h"

namespace gateway::rpc {

namespace {

constexpr char kServiceConfig[] = R"({
  "loadBalancingConfig": [{"round_robin": {}}],
  "healthCheckConfig": {"serviceName": "readiness"}
})";
constexpr char kServiceConfigOfOne[] = R"({
  "loadBalancingConfig": [{"round_robin": {}}]
})";

}  // namespace

std::shared_ptr<grpc::Channel> MakeChannel(const ChannelOptions& options) {
  KeepCallbackThreads();
  grpc::ChannelArguments arguments;
  arguments.SetServiceConfigJSON(
      options.follows_readiness ? kServiceConfig : kServiceConfigOfOne);
  // A service config from DNS would say how to call the mesh.
  arguments.SetInt(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
  arguments.SetInt(GRPC_ARG_DNS_MIN_TIME_BETWEEN_RESOLUTIONS_MS, 10'000);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  // What a peer's restart costs beyond the restart itself.
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 500);
  // Also the limit of one attempt to connect.
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 2'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 60'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 20'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  // The mesh talks on its own network only.
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetMaxReceiveMessageSize(options.max_message_bytes);
  arguments.SetMaxSendMessageSize(options.max_message_bytes);
  SetHttp2(arguments);
  return grpc::CreateCustomChannel(
      options.target, grpc::InsecureChannelCredentials(), arguments);
}

std::shared_ptr<grpc::Channel> MakeInProcessChannel(grpc::Server& server) {
  KeepCallbackThreads();
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(-1);
  return server.InProcessChannel(arguments);
}

bool IsConnected(grpc::Channel& channel) {
  return channel.GetState(/*try_to_connect=*/true) == GRPC_CHANNEL_READY;
}

}  // namespace gateway::rpc
