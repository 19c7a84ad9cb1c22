#ifndef GATEWAY_SERVICES_INGRESS_SERVER_H_
#define GATEWAY_SERVICES_INGRESS_SERVER_H_

#include <memory>

#include "common/clients/batch_aggregator.h"
#include "common/clients/metrics_collector.h"
#include "common/clients/model_router.h"
#include "common/clients/session_store.h"
#include "common/concurrency/io_pool.h"
#include "common/process/service.h"
#include "common/time/clock.h"
#include "services/ingress/config.h"

namespace gateway::ingress {

// Peers that live in this process. Each that is null is called over gRPC.
struct Peers {
  ModelRouter* router = nullptr;
  SessionStore* sessions = nullptr;
  BatchAggregator* batches = nullptr;
  TelemetryReceiver* telemetry = nullptr;
};

// ingress: HTTP and gRPC in front of the mesh.
class Server : public process::Service {
 public:
  // Both outlive the server.
  struct Dependencies {
    IoPool* io = nullptr;
    Clock* clock = RealClock();
  };

  // Opens nothing yet.
  static std::unique_ptr<Server> Create(Options options,
                                        Dependencies dependencies);

  // Before Start. They outlive Stop.
  virtual void UsePeers(Peers peers) = 0;

  // The listeners' ports; 0 before Start.
  virtual int http_port() const = 0;
  virtual int grpc_port() const = 0;
};

}  // namespace gateway::ingress

#endif  // GATEWAY_SERVICES_INGRESS_SERVER_H_
