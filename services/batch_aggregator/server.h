#ifndef GATEWAY_SERVICES_BATCH_AGGREGATOR_SERVER_H_
#define GATEWAY_SERVICES_BATCH_AGGREGATOR_SERVER_H_

#include <memory>

#include "common/clients/batch_aggregator.h"
#include "common/clients/model_router.h"
#include "common/clients/session_store.h"
#include "common/concurrency/io_pool.h"
#include "common/process/service.h"
#include "common/time/clock.h"
#include "services/batch_aggregator/config.h"

namespace rocksdb {
class Env;
}

namespace gateway::batch_aggregator {

// batch-aggregator: batches in RocksDB behind their gRPC service, and the
// dispatcher that answers them.
class Server : public process::Service {
 public:
  // All outlive the server.
  struct Dependencies {
    IoPool* io = nullptr;
    Clock* clock = RealClock();
    // The disk. Null: the system's. Tests inject faults here.
    rocksdb::Env* env = nullptr;
  };

  // Opens nothing yet.
  static std::unique_ptr<Server> Create(Options options,
                                        Dependencies dependencies);

  // For callers in the same process, from Start to Stop, on threads of the io
  // pool.
  virtual BatchAggregator* batch_aggregator() = 0;
  // Peers of the same process, which take calls until Stop has returned.
  // Before Start. Default: over gRPC, where the config says that they are.
  virtual void UsePeers(ModelRouter* router, SessionStore* sessions) = 0;
  // Whether gRPC is served too. Before Start. Default true.
  virtual void ServeGrpc(bool serve) = 0;
  virtual int grpc_port() const = 0;
};

}  // namespace gateway::batch_aggregator

#endif  // GATEWAY_SERVICES_BATCH_AGGREGATOR_SERVER_H_
