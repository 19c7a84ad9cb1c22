#ifndef GATEWAY_SERVICES_MODEL_ROUTER_SERVER_H_
#define GATEWAY_SERVICES_MODEL_ROUTER_SERVER_H_

#include <absl/time/time.h>

#include <memory>

#include "common/clients/metrics_collector.h"
#include "common/clients/model_router.h"
#include "common/concurrency/io_pool.h"
#include "common/process/service.h"
#include "common/time/clock.h"
#include "services/model_router/config.h"

namespace gateway::model_router {

// model-router: the catalogue, the providers and the usage spool behind one
// gRPC service.
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

  // For callers in the same process, from Start to Stop, on threads of the io
  // pool.
  virtual ModelRouter* model_router() = 0;
  // The ledger of the same process, which takes calls until Stop has returned.
  // Before Start. Default: metrics-collector over gRPC.
  virtual void UseRecorder(UsageRecorder* recorder) = 0;
  // Whether gRPC is served too. Before Start. Default true.
  virtual void ServeGrpc(bool serve) = 0;
  virtual int grpc_port() const = 0;
};

}  // namespace gateway::model_router

#endif  // GATEWAY_SERVICES_MODEL_ROUTER_SERVER_H_
