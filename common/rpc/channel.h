#ifndef GATEWAY_COMMON_RPC_CHANNEL_H_
#define GATEWAY_COMMON_RPC_CHANNEL_H_

#include <memory>
#include <string>

namespace grpc {
class Channel;
class ChannelArguments;
class Server;
}  // namespace grpc

namespace gateway::rpc {

struct ChannelOptions {
  // As gRPC names it: `dns:///session-store:50051`, `127.0.0.1:50051`.
  std::string target;
  // Largest message taken or sent; as the server's.
  int max_message_bytes = 33 << 20;
  // Skips addresses whose health service says that they are not ready. Not for
  // a peer of one instance: it takes work while it announces its end, and there
  // is no other to go to.
  bool follows_readiness = true;
};

// A channel to a peer of the mesh: round robin over its addresses. Connects on
// the first call, and by itself whenever the connection is lost; calls fail at
// once while there is none.
std::shared_ptr<grpc::Channel> MakeChannel(const ChannelOptions& options);

// The same to a server of this process.
std::shared_ptr<grpc::Channel> MakeInProcessChannel(grpc::Server& server);

// Whether a call would find a connection; begins to make one if not. Never
// blocks.
bool IsConnected(grpc::Channel& channel);

}  // namespace gateway::rpc

#endif  // GATEWAY_COMMON_RPC_CHANNEL_H_
