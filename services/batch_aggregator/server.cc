#include "services/batch_aggregator/server.h"

#include <algorithm>
#include <atomic>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/post.hpp>
#include <future>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "common/clients/checked_batch_aggregator.h"
#include "common/clients/grpc_batch_aggregator_server.h"
#include "common/clients/grpc_model_router.h"
#include "common/clients/grpc_session_store.h"
#include "common/concurrency/cgroup.h"
#include "common/concurrency/mutex.h"
#include "common/concurrency/spawn.h"
#include "common/concurrency/thread.h"
#include "common/log/log.h"
#include "common/process/grpc_front.h"
#include "common/rpc/channel.h"
#include "common/status/macros.h"
#include "services/batch_aggregator/metrics.h"
#include "services/batch_aggregator/rocksdb_batch_repository.h"

namespace gateway::batch_aggregator {
namespace {

// How soon the store is opened again, and gRPC's health tells of it.
constexpr absl::Duration kMaintenanceInterval = absl::Seconds(1);
constexpr absl::Duration kSweepInterval = absl::Minutes(1);
// Batches deleted in one step.
constexpr size_t kSweepStep = 64;

int64_t MemoryBytes(const Options& options) {
  if (options.memory_bytes > 0) return options.memory_bytes;
  const std::optional<int64_t> limit = Cgroup().MemoryLimitBytes();
  if (!limit.has_value()) return 64 << 20;
  return std::clamp<int64_t>(*limit / 8, 16 << 20, 512 << 20);
}

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
    RocksDbBatchRepositoryOptions store;
    store.path = options_.service.data_dir;
    store.retention = options_.retention;
    store.memory_bytes = MemoryBytes(options_);
    store.env = dependencies_.env;
    ASSIGN_OR_RETURN(std::unique_ptr<RocksDbBatchRepository> repository,
                     RocksDbBatchRepository::Open(store));
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
    maintainer_ = StartThread("batch-store", [this] { Maintain(); });
    started_.store(running_.get());
    if (!serve_grpc_) return absl::OkStatus();
    return front_.Start(
        options_.service,
        {MakeBatchAggregatorService(front_.bridge(), &running_->grpc)});
  }

  std::vector<process::Check> Checks() const override {
    const Running* running = started_.load();
    if (running == nullptr) return {};
    const absl::Status health = running->repository->Health();
    if (health.ok()) return {{.name = "database"}};
    return {{.name = "database",
             .state = process::Check::State::kFailed,
             .reason = std::string(health.message())}};
  }

  std::vector<prometheus::MetricFamily> CollectMetrics() const override {
    if (const Running* running = started_.load()) {
      metrics_.SetOpenBatches(running->repository->OpenBatches());
      metrics_.SetWriteStopped(running->repository->WriteStopped());
      metrics_.SetDamages(running->repository->Damages());
    }
    return metrics_.Collect();
  }

  process::ShutdownOptions Shutdown() const override {
    return options_.service.shutdown;
  }

  void AnnounceDrain() override {
    draining_.store(true);
    front_.AnnounceDrain();
  }

  void BeginDrain() override {
    draining_.store(true);
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
    draining_.store(true);
    front_.Stop();
    if (maintainer_.joinable()) {
      {
        MutexLock lock(mu_);
        stopping_ = true;
      }
      wake_.NotifyAll();
      maintainer_.join();
    }
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
      router_client_ = MakeGrpcModelRouter(
          rpc::MakeChannel({options_.model_router_target, bytes}));
      peers_.router = router_client_.get();
    }
    if (peers_.sessions == nullptr) {
      sessions_client_ = MakeGrpcSessionStore(
          rpc::MakeChannel({options_.session_store_target, bytes}));
      peers_.sessions = sessions_client_.get();
    }
  }

  void Maintain() {
    absl::Time next_sweep = dependencies_.clock->Now();
    bool healthy = true;
    while (true) {
      // A failure shows in the checks, and the next round tries again.
      (void)running_->repository->Repair();
      FollowHealth(healthy);
      const absl::Time now = dependencies_.clock->Now();
      if (now >= next_sweep) {
        Sweep(now);
        next_sweep = now + kSweepInterval;
      }
      MutexLock lock(mu_);
      if (!stopping_) wake_.WaitFor(mu_, kMaintenanceInterval);
      if (stopping_) return;
    }
  }

  // gRPC's health goes with the store's until the drain ends it for good.
  void FollowHealth(bool& healthy) {
    const bool now = running_->repository->Health().ok();
    if (now == healthy) return;
    healthy = now;
    if (draining_.load()) return;
    front_.SetReady(healthy);
    // The drain may have begun in between.
    if (draining_.load()) front_.SetReady(false);
    LOG_WARNING("batch", healthy ? "the store can be written again"
                                 : "the store cannot be written");
  }

  void Sweep(absl::Time now) {
    while (true) {
      const absl::StatusOr<bool> more =
          running_->repository->DeleteExpired(now, kSweepStep);
      if (!more.ok()) {
        LOG_WARNING("batch", "expired batches cannot be deleted",
                    {{"error", more.status()}});
      }
      MutexLock lock(mu_);
      if (!more.ok() || !*more || stopping_) return;
    }
  }

  const Options options_;
  const Dependencies dependencies_;
  bool serve_grpc_ = true;
  std::atomic<bool> draining_{false};
  mutable Metrics metrics_;
  std::unique_ptr<ModelRouter> router_client_;
  std::unique_ptr<SessionStore> sessions_client_;
  Peers peers_;
  process::GrpcFront front_;
  std::unique_ptr<Running> running_;
  // What other threads may look at.
  std::atomic<Running*> started_{nullptr};

  Mutex mu_;
  CondVar wake_;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  std::jthread maintainer_;
};

}  // namespace

std::unique_ptr<Server> Server::Create(Options options,
                                       Dependencies dependencies) {
  return std::make_unique<BatchAggregatorServer>(std::move(options),
                                                 dependencies);
}

}  // namespace gateway::batch_aggregator
