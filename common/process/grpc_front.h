#ifndef GATEWAY_COMMON_PROCESS_GRPC_FRONT_H_
#define GATEWAY_COMMON_PROCESS_GRPC_FRONT_H_

#include <absl/status/status.h>

#include <atomic>
#include <memory>
#include <vector>

#include "common/concurrency/io_pool.h"
#include "common/process/service_options.h"
#include "common/resilience/concurrency_limit.h"
#include "common/rpc/call_tracker.h"
#include "common/rpc/server.h"
#include "common/rpc/server_bridge.h"

namespace prometheus {
struct MetricFamily;
}

namespace gateway::process {

// The gRPC side of a service, in the steps of process::Service: serve, announce
// the drain, refuse, cancel, stop. Used by the main thread.
class GrpcFront {
 public:
  // `io` outlives it. `expose_metadata` for a public service.
  explicit GrpcFront(IoPool* io, bool expose_metadata = false);
  ~GrpcFront();

  // For the services that are given to Start.
  const rpc::ServerBridge& bridge() const { return bridge_; }

  // `bodies`, if given, is shared with another way in, and outlives it.
  absl::Status Start(const ServiceOptions& options,
                     std::vector<rpc::NamedService> services,
                     bool reflection = false,
                     ConcurrencyLimit* bodies = nullptr);
  // 0 before Start.
  int port() const { return server_ == nullptr ? 0 : server_->port(); }

  // What gRPC health tells. By any thread, one at a time, between Start and
  // Stop.
  void SetHealth(bool ready, bool live);
  // GOAWAY; new calls are refused. Returns at once.
  void BeginDrain();
  size_t Active() const { return calls_.in_flight(); }
  const rpc::CallStats& stats() const { return calls_.stats(); }
  // The series of the calls inside the mesh, `agentgw_rpc_…`; none before
  // Start. Any thread.
  void AddMetrics(std::vector<prometheus::MetricFamily>& families) const;
  void CancelRemaining();
  void Stop();

 private:
  // Of the bytes of requests, unless it is shared.
  std::unique_ptr<ConcurrencyLimit> own_bodies_;
  ConcurrencyLimit* bodies_ = nullptr;  // set in Start
  rpc::CallTracker calls_;
  const rpc::ServerBridge bridge_;
  std::unique_ptr<rpc::Server> server_;
  // What AddMetrics reads is there.
  std::atomic<bool> started_{false};
};

}  // namespace gateway::process

#endif  // GATEWAY_COMMON_PROCESS_GRPC_FRONT_H_
