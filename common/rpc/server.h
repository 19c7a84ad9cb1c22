#ifndef GATEWAY_COMMON_RPC_SERVER_H_
#define GATEWAY_COMMON_RPC_SERVER_H_

#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "common/rpc/call_tracker.h"

namespace grpc {
class Server;
class Service;
}  // namespace grpc

namespace gateway::rpc {

// A service to serve, under its full name: the generated class's
// service_full_name().
struct NamedService {
  std::string name;
  std::shared_ptr<grpc::Service> service;
};

struct ServerOptions {
  // Where to listen; port 0 takes a free one. Empty: in process only.
  std::string address = "0.0.0.0:0";
  // Largest message taken: the body limit and 1 MiB around it.
  int max_message_bytes = 33 << 20;
  // A connection is asked to go at this age, so that clients find new servers.
  absl::Duration max_connection_age = absl::Seconds(300);
  // How long its calls may go on after that.
  absl::Duration max_connection_age_grace = absl::Hours(1);
  // Calls of one connection at once; a client makes further ones wait.
  int max_calls_per_connection = 4096;
  // What may be held for messages on their way in and out, of calls that are
  // admitted or not. Near it reading slows down; beyond it calls are ended.
  int64_t max_buffer_bytes = 512 << 20;
  // Serves grpc.reflection: for public servers.
  bool reflection = false;
};

// A gRPC server with grpc.health.v1: "" and "readiness" follow SetReady, as
// does each service by its full name; "liveness" follows SetLive. All begin as
// NOT_SERVING, liveness as SERVING.
//
// To drain: SetReady(false); after a delay BeginDrain(); when no call is in
// flight, or it takes too long, Stop().
class Server {
 public:
  // Starts to listen. `calls`, which the services count in, outlives the
  // server. UNAVAILABLE if the address cannot be bound.
  static absl::StatusOr<std::unique_ptr<Server>> Start(
      const ServerOptions& options, std::vector<NamedService> services,
      CallTracker* calls);

  ~Server();  // Stop()
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // 0 if the server only serves its own process.
  int port() const { return port_; }
  // For in-process channels.
  grpc::Server& grpc() { return *server_; }

  // Thread-safe.
  void SetReady(bool ready);
  void SetLive(bool live);

  // Tells clients to go elsewhere (GOAWAY), refuses new calls and ends those
  // that never end by themselves. The others go on. Returns at once.
  void BeginDrain();

  // Ends what is left: UNAVAILABLE `draining`. Blocks until it is gone, a
  // second at most.
  void EndCalls();

  // EndCalls(), and frees the port. Idempotent. Like all of the drain for a
  // plain thread, never for an io thread or a reaction; the io threads have to
  // run until it returns.
  void Stop();

 private:
  Server(std::vector<NamedService> services, CallTracker* calls,
         std::unique_ptr<grpc::Server> server, int port);

  const std::vector<NamedService> services_;
  CallTracker* const calls_;
  const std::unique_ptr<grpc::Server> server_;
  const int port_;
  // Of the caller's thread.
  std::jthread drain_;
  bool stopped_ = false;
  // grpc::Server::Shutdown has returned.
  std::atomic<bool> shut_down_{false};
};

}  // namespace gateway::rpc

#endif  // GATEWAY_COMMON_RPC_SERVER_H_
