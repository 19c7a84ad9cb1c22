#ifndef GATEWAY_SERVICES_SESSION_STORE_SERVER_H_
#define GATEWAY_SERVICES_SESSION_STORE_SERVER_H_

#include <memory>

#include "common/clients/session_store.h"
#include "common/concurrency/io_pool.h"
#include "common/process/service.h"
#include "common/time/clock.h"
#include "services/session_store/config.h"

namespace rocksdb {
class Env;
}

namespace gateway::session_store {

// session-store: the tree of turns behind its gRPC service.
class Server : public process::Service {
 public:
  // All outlive the server.
  struct Dependencies {
    IoPool* io;
    Clock* clock = RealClock();
    // The disk. Null: the system's. Tests inject faults here.
    rocksdb::Env* env = nullptr;
  };

  // Opens nothing yet.
  static std::unique_ptr<Server> Create(Options options,
                                        Dependencies dependencies);

  // For callers in the same process, from Start to Stop.
  virtual SessionStore* session_store() = 0;
  // Whether gRPC is served too. Before Start.
  virtual void ServeGrpc(bool serve) = 0;
  virtual int grpc_port() const = 0;
};

}  // namespace gateway::session_store

#endif  // GATEWAY_SERVICES_SESSION_STORE_SERVER_H_
