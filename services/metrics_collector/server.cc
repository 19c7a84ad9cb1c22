#include "services/metrics_collector/server.h"

#include <atomic>
#include <thread>

#include "common/clients/checked_metrics_collector.h"
#include "common/clients/grpc_metrics_collector_server.h"
#include "common/concurrency/mutex.h"
#include "common/concurrency/thread.h"
#include "common/log/log.h"
#include "common/process/grpc_front.h"
#include "common/status/macros.h"
#include "common/storage/database.h"
#include "services/metrics_collector/maintenance.h"
#include "services/metrics_collector/metrics_collector_service.h"
#include "services/metrics_collector/rocksdb_request_log.h"
#include "services/metrics_collector/rocksdb_store.h"
#include "services/metrics_collector/rocksdb_usage_ledger.h"

namespace gateway::metrics_collector {
namespace {

constexpr absl::Duration kMaintenanceInterval = absl::Seconds(1);
constexpr absl::Duration kSweepInterval = absl::Minutes(1);

// What lives from Start to Stop.
struct Running {
  Running(const Options& options, Server::Dependencies dependencies,
          std::unique_ptr<storage::Database> opened,
          std::unique_ptr<RocksdbRequestLog> request_log, Metrics* metrics)
      : database(std::move(opened)),
        ledger(database.get()),
        log(std::move(request_log)),
        privacy(options.covert, options.contents),
        service({.ledger = &ledger,
                 .log = log.get(),
                 .open = &open,
                 .privacy = &privacy,
                 .disk = &disk,
                 .queries = &queries,
                 .clock = dependencies.clock,
                 .metrics = metrics}),
        maintenance(&ledger, log.get(), &open, metrics,
                    {options.contents_retention, options.request_retention,
                     options.usage_retention, options.request_log_bytes}) {}

  const std::unique_ptr<storage::Database> database;
  RocksdbUsageLedger ledger;
  const std::unique_ptr<RocksdbRequestLog> log;
  OpenRequests open;
  const Privacy privacy;
  BoundedExecutor disk{{.name = "disk", .threads = 2, .queue_size = 1024}};
  // One at a time: the senders want the other core.
  BoundedExecutor queries{{.name = "queries", .threads = 1, .queue_size = 16}};
  MetricsCollectorService service;
  Maintenance maintenance;
  CheckedUsageRecorder direct_usage{&service, Entry::kDirect};
  CheckedTelemetryReceiver direct_telemetry{&service, Entry::kDirect};
  CheckedUsageRecorder grpc_usage{&service, Entry::kGrpc};
  CheckedTelemetryReceiver grpc_telemetry{&service, Entry::kGrpc};
  CheckedMetricsQuery grpc_query{&service, Entry::kGrpc};
};

class MetricsCollectorServer : public Server {
 public:
  MetricsCollectorServer(Options options, Dependencies dependencies)
      : options_(std::move(options)),
        dependencies_(dependencies),
        front_(dependencies.io) {}

  ~MetricsCollectorServer() override { Stop(); }

  std::string Name() const override { return "metrics-collector"; }

  absl::Status Start() override {
    ASSIGN_OR_RETURN(std::unique_ptr<storage::Database> database,
                     OpenStore(options_.service.data_dir, dependencies_.env));
    ASSIGN_OR_RETURN(std::unique_ptr<RocksdbRequestLog> log,
                     RocksdbRequestLog::Open(database.get()));
    running_ =
        std::make_unique<Running>(options_, dependencies_, std::move(database),
                                  std::move(log), &metrics_);
    RETURN_IF_ERROR(running_->maintenance.Resume(dependencies_.clock->Now()));
    if (serve_grpc_) {
      RETURN_IF_ERROR(front_.Start(
          options_.service,
          {MakeUsageRecorderService(front_.bridge(), &running_->grpc_usage),
           MakeTelemetryReceiverService(front_.bridge(),
                                        &running_->grpc_telemetry),
           MakeMetricsQueryService(front_.bridge(), &running_->grpc_query)}));
    }
    started_.store(running_.get());
    maintainer_ = StartThread("maintenance", [this] { Maintain(); });
    return absl::OkStatus();
  }

  std::vector<process::Check> Checks() const override {
    const Running* running = started_.load();
    if (running == nullptr) return {};
    const absl::Status health = running->database->Health();
    if (health.ok()) return {{.name = "database"}};
    return {{.name = "database",
             .state = process::Check::State::kFailed,
             .reason = std::string(health.message())}};
  }

  std::vector<prometheus::MetricFamily> CollectMetrics() const override {
    if (const Running* running = started_.load()) {
      metrics_.write_stopped.Set(running->database->WriteStopped() ? 1 : 0);
    }
    return metrics_.registry->Collect();
  }

  process::ShutdownOptions Shutdown() const override {
    return options_.service.shutdown;
  }
  void AnnounceDrain() override {
    draining_.store(true);
    front_.AnnounceDrain();
  }
  void BeginDrain() override { front_.BeginDrain(); }
  size_t Active() const override { return front_.Active(); }
  void CancelRemaining() override { front_.CancelRemaining(); }

  void Stop() override {
    draining_.store(true);
    {
      MutexLock lock(mu_);
      stopping_ = true;
    }
    wake_.NotifyAll();
    if (maintainer_.joinable()) maintainer_.join();
    front_.Stop();
    started_.store(nullptr);
    running_.reset();
  }

  UsageRecorder* usage_recorder() override { return &running_->direct_usage; }
  TelemetryReceiver* telemetry_receiver() override {
    return &running_->direct_telemetry;
  }
  void ServeGrpc(bool serve) override { serve_grpc_ = serve; }
  int grpc_port() const override { return front_.port(); }

 private:
  void Maintain() {
    absl::Time next_sweep = dependencies_.clock->Now();
    MutexLock lock(mu_);
    while (!stopping_) {
      mu_.Unlock();
      const absl::Time now = dependencies_.clock->Now();
      FollowHealth();
      // A failure shows in Checks, and the next round tries again.
      (void)running_->maintenance.CloseLost(now);
      if (now >= next_sweep) {
        (void)running_->maintenance.Sweep(now);
        next_sweep = now + kSweepInterval;
      }
      mu_.Lock();
      if (!stopping_) wake_.WaitFor(mu_, kMaintenanceInterval);
    }
  }

  // Opens the store again once it can be written; gRPC's health goes with it
  // until the drain ends it for good.
  void FollowHealth() {
    storage::Database& database = *running_->database;
    if (!database.Health().ok()) {
      SetReady(false);
      if (database.Reopen().ok()) reload_ = true;
    }
    // What a failed write left behind is known only now.
    if (reload_ && running_->log->Reload().ok()) reload_ = false;
    SetReady(database.Health().ok());
  }

  void SetReady(bool ready) {
    if (std::exchange(ready_, ready) == ready) return;
    front_.SetReady(ready && !draining_.load());
    // The drain may have begun in between.
    if (draining_.load()) front_.SetReady(false);
    LOG_WARNING("metrics", ready ? "the store can be written again"
                                 : "the store cannot be written");
  }

  const Options options_;
  const Dependencies dependencies_;
  std::atomic<bool> draining_{false};
  // The maintenance thread's.
  bool ready_ = true;
  bool reload_ = false;
  bool serve_grpc_ = true;
  Metrics metrics_;
  process::GrpcFront front_;
  std::unique_ptr<Running> running_;
  // What the ops thread may look at.
  std::atomic<Running*> started_{nullptr};
  Mutex mu_;
  CondVar wake_;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  std::jthread maintainer_;
};

}  // namespace

std::unique_ptr<Server> Server::Create(Options options,
                                       Dependencies dependencies) {
  return std::make_unique<MetricsCollectorServer>(std::move(options),
                                                  dependencies);
}

}  // namespace gateway::metrics_collector
