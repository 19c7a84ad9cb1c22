#ifndef GATEWAY_SERVICES_METRICS_COLLECTOR_SERVER_H_
#define GATEWAY_SERVICES_METRICS_COLLECTOR_SERVER_H_

#include <memory>
#include <string>
#include <vector>

#include "common/clients/metrics_collector.h"
#include "common/concurrency/io_pool.h"
#include "common/process/service.h"
#include "common/time/clock.h"
#include "services/metrics_collector/config.h"

namespace rocksdb {
class Env;
}

namespace gateway::metrics_collector {

// metrics-collector: the ledger and the request log behind their gRPC services.
class Server : public process::Service {
 public:
  // All outlive the server.
  struct Dependencies {
    IoPool* io;
    Clock* clock = RealClock();
    // For the store; see storage::DatabaseOptions.
    rocksdb::Env* env = nullptr;
  };

  // Opens nothing yet.
  static std::unique_ptr<Server> Create(Options options,
                                        Dependencies dependencies);

  // For callers in the same process, from Start to Stop.
  virtual UsageRecorder* usage_recorder() = 0;
  virtual TelemetryReceiver* telemetry_receiver() = 0;
  // Whether gRPC is served too. Before Start.
  virtual void ServeGrpc(bool serve) = 0;
  virtual int grpc_port() const = 0;
};

}  // namespace gateway::metrics_collector

#endif  // GATEWAY_SERVICES_METRICS_COLLECTOR_SERVER_H_
