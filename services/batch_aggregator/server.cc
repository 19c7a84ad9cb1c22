#include "services/batch_aggregator/server.h"

#include <algorithm>
#include <atomic>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/post.hpp>
#include <future>
#include <string>
#include <utility>
#include <vector>

#include "common/clients/checked_batch_aggregator.h"
#include "common/clients/grpc_batch_aggregator_server.h"
#include "common/clients/grpc_model_router.h"
#include "common/clients/grpc_session_store.h"
#include "common/concurrency/cgroup.h"
#include "common/concurrency/spawn.h"
#include "common/log/log.h"
#include "common/process/grpc_front.h"
#include "common/process/peer_links.h"
#include "common/process/store_keeper.h"
#include "common/status/macros.h"
#include "common/storage/memory_budget.h"
#include "services/batch_aggregator/metrics.h"
#include "services/batch_aggregator/rocksdb_batch_repository.h"

namespace gateway::batch_aggregator {
namespace {

constexpr absl::Duration kSweepInterval = absl::Minutes(1);
// Batches deleted in one step.
constexpr size_t kSweepStep = 64;

struct Peers {
  ModelRouter* router = nullptr;
  SessionStore* sessions = nullptr;
};

// What lives from Start to Stop.
struct Running {
  Running(const Options& options, const Server::Dependencies& dependencies,
          Peers peers, std::unique_ptr<RocksDbBatchRepository> opened,
          Metrics* metrics)
      : repository(std::move(opened)),
        io(dependencies.io->Next()),
        dispatcher(options.dispatcher, io.get_executor(),
                   {repository.get(), &blocking, peers.router, peers.sessions,
                    dependencies.clock, metrics, &watch}),
        service(options.batches, {repository.get(), &blocking, &dispatcher,
                                  &watch, dependencies.clock}) {}

  // Blocks until the dispatcher has ended. Not on an io thread. Idempotent.
  void StopDispatcher() {
    if (!std::exchange(dispatching, false)) return;
    boost::asio::post(
        io, [this] { cancel.emit(boost::asio::cancellation_type::terminal); });
    ended.get_future().wait();
  }

  const std::unique_ptr<RocksDbBatchRepository> repository;
  BoundedExecutor blocking{{.name = "batches",
                            .threads = std::max<size_t>(4, CpuQuota()),
                            .queue_size = 4096}};
  ResultWatch watch;
  boost::asio::io_context& io;  // of the dispatcher
  Dispatcher dispatcher;
  boost::asio::cancellation_signal cancel;  // of the io thread
  std::promise<void> ended;
  bool dispatching = false;
  BatchAggregatorService service;
  CheckedBatchAggregator direct{&service, Entry::kDirect};
  CheckedBatchAggregator grpc{&service, Entry::kGrpc};
};

class BatchAggregatorServer : public Server {
 public:
  BatchAggregatorServer(Options options, Dependencies dependencies)
      : options_(std::move(options)),
        dependencies_(dependencies),
        front_(dependencies.io) {}

  ~BatchAggregatorServer() override { Stop(); }

  std::string Name() const override { return "batch-aggregator"; }

  absl::Status Start() override {
    RocksDbBatchRepositoryOptions options;
    options.path = options_.service.data_dir;
    options.retention = options_.retention;
    options.memory_bytes =
        storage::MemoryBudget(options_.service.store_memory_bytes);
    options.env = dependencies_.env;
    ASSIGN_OR_RETURN(std::unique_ptr<RocksDbBatchRepository> repository,
                     RocksDbBatchRepository::Open(options));
    ASSIGN_OR_RETURN(BatchRepository::Unfinished unfinished,
                     repository->LoadUnfinished());
    ConnectPeers();
    running_ = std::make_unique<Running>(options_, dependencies_, peers_,
                                         std::move(repository), &metrics_);
    running_->dispatching = true;
    Spawn(running_->io.get_executor(),
          running_->dispatcher.Run(std::move(unfinished)),
          running_->cancel.slot(),
          [running = running_.get()] { running->ended.set_value(); });
    started_.store(running_.get());
    if (serve_grpc_) {
      RETURN_IF_ERROR(front_.Start(
          options_.service,
          {MakeBatchAggregatorService(front_.bridge(), &running_->grpc)}));
    }
    next_sweep_ = dependencies_.clock->Now();
    RocksDbBatchRepository* const store = running_->repository.get();
    keeper_.Start({.name = "batch-store",
                   .repair = [store] { return store->Repair(); },
                   .health = [store] { return store->Health(); },
                   .chore = [this] { SweepInTime(); }});
    return absl::OkStatus();
  }

  std::vector<process::Check> Checks() const override {
    std::vector<process::Check> checks = keeper_.Checks();
    if (started_.load() == nullptr) return checks;
    for (process::Check& check : links_.Checks()) {
      checks.push_back(std::move(check));
    }
    return checks;
  }

  std::vector<prometheus::MetricFamily> CollectMetrics() const override {
    if (const Running* running = started_.load()) {
      metrics_.SetOpenBatches(running->repository->OpenBatches());
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
                              : process::BusyOf(running->blocking);
  }

  std::vector<process::Peer> PeerStates() const override {
    return started_.load() == nullptr ? std::vector<process::Peer>()
                                      : links_.States();
  }

  // All of its keys are read at the start.
  absl::Status Reload(const config::v1::Config&) override {
    return absl::OkStatus();
  }

  void BeginDrain() override {
    keeper_.BeginDrain();
    if (running_ != nullptr) {
      running_->service.BeginDrain();
      running_->dispatcher.Drain();
    }
    front_.BeginDrain();
  }

  size_t Active() const override {
    const Running* running = started_.load();
    return front_.Active() +
           (running == nullptr ? 0 : running->dispatcher.Active());
  }

  void CancelRemaining() override {
    if (running_ != nullptr) running_->StopDispatcher();
    front_.CancelRemaining();
  }

  void Stop() override {
    keeper_.Stop();
    front_.Stop();
    started_.store(nullptr);
    if (running_ == nullptr) return;
    running_->StopDispatcher();
    running_->blocking.Stop();
    running_.reset();
  }

  BatchAggregator* batch_aggregator() override { return &running_->direct; }
  void UsePeers(ModelRouter* router, SessionStore* sessions) override {
    peers_ = {router, sessions};
  }
  void ServeGrpc(bool serve) override { serve_grpc_ = serve; }
  int grpc_port() const override { return front_.port(); }

 private:
  void ConnectPeers() {
    const int bytes = options_.service.max_message_bytes;
    if (peers_.router == nullptr) {
      router_client_ = MakeGrpcModelRouter(links_.Connect(
          "model-router", {.target = options_.model_router_target,
                           .max_message_bytes = bytes}));
      peers_.router = router_client_.get();
    } else {
      links_.AddInProcess("model-router");
    }
    if (peers_.sessions == nullptr) {
      sessions_client_ = MakeGrpcSessionStore(links_.Connect(
          "session-store", {.target = options_.session_store_target,
                            .max_message_bytes = bytes,
                            .follows_readiness = false}));
      peers_.sessions = sessions_client_.get();
    } else {
      links_.AddInProcess("session-store");
    }
  }

  // Of the keeper.
  void SweepInTime() {
    const absl::Time now = dependencies_.clock->Now();
    if (now < next_sweep_) return;
    next_sweep_ = now + kSweepInterval;
    bool more = true;
    while (more && !keeper_.draining()) {
      const absl::StatusOr<bool> deleted =
          running_->repository->DeleteExpired(now, kSweepStep);
      if (!deleted.ok()) {
        LOG_WARNING("batch", "expired batches cannot be deleted",
                    {{"error", deleted.status()}});
      }
      more = deleted.ok() && *deleted;
    }
  }

  const Options options_;
  const Dependencies dependencies_;
  bool serve_grpc_ = true;
  mutable Metrics metrics_;
  std::unique_ptr<ModelRouter> router_client_;
  std::unique_ptr<SessionStore> sessions_client_;
  Peers peers_;
  process::PeerLinks links_;  // filled before started_ is set
  process::GrpcFront front_;
  std::unique_ptr<Running> running_;
  // What other threads may look at.
  std::atomic<Running*> started_{nullptr};
  absl::Time next_sweep_;  // of the keeper
  process::StoreKeeper keeper_;
};

}  // namespace

std::unique_ptr<Server> Server::Create(Options options,
                                       Dependencies dependencies) {
  return std::make_unique<BatchAggregatorServer>(std::move(options),
                                                 dependencies);
}

}  // namespace gateway::batch_aggregator
