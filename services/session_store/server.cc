#include "services/session_store/server.h"

#include <algorithm>
#include <atomic>
#include <string>
#include <utility>
#include <vector>

#include "common/clients/checked_session_store.h"
#include "common/clients/grpc_session_store_server.h"
#include "common/concurrency/background_flow.h"
#include "common/concurrency/bounded_executor.h"
#include "common/concurrency/cgroup.h"
#include "common/log/log.h"
#include "common/process/grpc_front.h"
#include "common/process/store_keeper.h"
#include "common/status/macros.h"
#include "common/storage/memory_budget.h"
#include "services/session_store/metrics.h"
#include "services/session_store/rocksdb_session_repository.h"
#include "services/session_store/session_cleaner.h"
#include "services/session_store/session_store_service.h"
#include "services/session_store/session_tree.h"

namespace gateway::session_store {
namespace {

// What lives from Start to Stop.
struct Running {
  Running(const Options& options, const Server::Dependencies& dependencies,
          std::unique_ptr<RocksDbSessionRepository> opened, Metrics* metrics)
      : repository(std::move(opened)),
        tree(options.tree, repository.get(), dependencies.clock),
        service(&tree, &executor, dependencies.clock, metrics),
        cleaner(options.cleaner, &tree, repository.get(), &executor,
                dependencies.clock, metrics),
        cleaning(dependencies.io->Next()) {}

  const std::unique_ptr<RocksDbSessionRepository> repository;
  SessionTree tree;
  BoundedExecutor executor{{.name = "sessions",
                            .threads = std::max<size_t>(2, CpuQuota()),
                            .queue_size = 4096}};
  SessionStoreService service;
  SessionCleaner cleaner;
  CheckedSessionStore direct{&service, Entry::kDirect};
  CheckedSessionStore grpc{&service, Entry::kGrpc};
  BackgroundFlow cleaning;
};

class SessionStoreServer : public Server {
 public:
  SessionStoreServer(Options options, Dependencies dependencies)
      : options_(std::move(options)),
        dependencies_(dependencies),
        front_(dependencies.io) {}

  ~SessionStoreServer() override { Stop(); }

  std::string Name() const override { return "session-store"; }

  absl::Status Start() override {
    RocksDbSessionRepositoryOptions store;
    store.path = options_.service.data_dir;
    store.memory_bytes =
        storage::MemoryBudget(options_.service.store_memory_bytes);
    store.env = dependencies_.env;
    ASSIGN_OR_RETURN(std::unique_ptr<RocksDbSessionRepository> repository,
                     RocksDbSessionRepository::Open(store));
    LOG_INFO("session", "store opened",
             {{"path", store.path},
              {"sessions", repository->TotalSessionCount()},
              {"memory_bytes", store.memory_bytes}});
    running_ = std::make_unique<Running>(options_, dependencies_,
                                         std::move(repository), &metrics_);
    if (serve_grpc_) {
      RETURN_IF_ERROR(front_.Start(
          options_.service,
          {MakeSessionStoreService(front_.bridge(), &running_->grpc)}));
    }
    running_->cleaning.Start(running_->cleaner.Run());
    started_.store(running_.get());
    RocksDbSessionRepository* const sessions = running_->repository.get();
    keeper_.Start({.name = "session-store",
                   .repair = [sessions] { return sessions->Repair(); },
                   .health = [sessions] { return sessions->Health(); },
                   .chore = nullptr});
    return absl::OkStatus();
  }

  std::vector<process::Check> Checks() const override {
    return keeper_.Checks();
  }

  std::vector<prometheus::MetricFamily> CollectMetrics() const override {
    if (const Running* running = started_.load()) {
      metrics_.SetSessions(running->repository->TotalSessionCount());
      metrics_.SetWriteStopped(running->repository->WriteStopped());
      metrics_.SetDamages(running->repository->Damages());
    }
    auto families = metrics_.Collect();
    front_.AddMetrics(families);
    return families;
  }

  process::ShutdownOptions Shutdown() const override {
    return options_.service.shutdown;
  }

  void SetHealth(bool ready, bool live) override {
    front_.SetHealth(ready, live);
  }

  std::vector<process::Busy> BusyLoops() const override {
    const Running* running = started_.load();
    return running == nullptr ? std::vector<process::Busy>()
                              : process::BusyOf(running->executor);
  }

  std::vector<std::pair<std::string, int64_t>> Statistics() const override {
    const Running* running = started_.load();
    if (running == nullptr) return {};
    return {{"sessions", running->repository->TotalSessionCount()},
            {"calls_running", static_cast<int64_t>(front_.Active())},
            {"work_waiting", static_cast<int64_t>(running->executor.Waiting())},
            {"write_stopped", running->repository->WriteStopped() ? 1 : 0}};
  }

  // All of its keys are read at the start.
  absl::Status Reload(const config::v1::Config&) override {
    return absl::OkStatus();
  }

  void BeginDrain() override { front_.BeginDrain(); }
  size_t Active() const override { return front_.Active(); }
  void CancelRemaining() override { front_.CancelRemaining(); }

  void Stop() override {
    keeper_.Stop();
    front_.Stop();
    started_.store(nullptr);
    if (running_ == nullptr) return;
    running_->cleaning.Stop();
    running_->executor.Stop();
    running_.reset();
  }

  SessionStore* session_store() override { return &running_->direct; }
  void ServeGrpc(bool serve) override { serve_grpc_ = serve; }
  int grpc_port() const override { return front_.port(); }

 private:
  const Options options_;
  const Dependencies dependencies_;
  bool serve_grpc_ = true;
  mutable Metrics metrics_;
  process::GrpcFront front_;
  std::unique_ptr<Running> running_;
  // What the ops thread may look at.
  std::atomic<Running*> started_{nullptr};
  process::StoreKeeper keeper_;
};

}  // namespace

std::unique_ptr<Server> Server::Create(Options options,
                                       Dependencies dependencies) {
  return std::make_unique<SessionStoreServer>(std::move(options), dependencies);
}

}  // namespace gateway::session_store
