#include "services/metrics_collector/server.h"

#include <optional>
#include <thread>

#include "common/clients/checked_metrics_collector.h"
#include "common/clients/grpc_metrics_collector_server.h"
#include "common/concurrency/mutex.h"
#include "common/process/grpc_front.h"
#include "common/status/macros.h"
#include "common/storage/database.h"
#include "services/metrics_collector/maintenance.h"
#include "services/metrics_collector/metrics_collector_service.h"
#include "services/metrics_collector/rocksdb_request_log.h"
#include "services/metrics_collector/rocksdb_usage_ledger.h"

namespace gateway::metrics_collector {
namespace {

constexpr absl::Duration kMaintenanceInterval = absl::Seconds(5);
constexpr absl::Duration kSweepInterval = absl::Minutes(1);

// What lives from Start to Stop.
struct Running {
  Running(const Options& options, Server::Dependencies dependencies,
          std::unique_ptr<storage::Database> opened,
          std::unique_ptr<RocksdbRequestLog> request_log, Metrics* metrics)
      : database(std::move(opened)),
        ledger(database.get(), 0, 1),
        log(std::move(request_log)),
        privacy(options.covert, options.contents),
        service({&ledger, log.get(), &open, &privacy, &disk, dependencies.clock,
                 metrics}),
        maintenance(&ledger, log.get(), &open, metrics,
                    {options.contents_retention, options.request_retention,
                     options.usage_retention, options.request_log_bytes}) {}

  const std::unique_ptr<storage::Database> database;
  RocksdbUsageLedger ledger;
  const std::unique_ptr<RocksdbRequestLog> log;
  OpenRequests open;
  const Privacy privacy;
  BoundedExecutor disk{{.name = "disk", .threads = 2, .queue_size = 1024}};
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
    ASSIGN_OR_RETURN(
        std::unique_ptr<storage::Database> database,
        storage::Database::Open(
            {.path = options_.service.data_dir,
             .column_families = {"usage", "usage_index", "requests", "contents",
                                 "meta"}}));
    ASSIGN_OR_RETURN(
        std::unique_ptr<RocksdbRequestLog> log,
        RocksdbRequestLog::Open(database.get(),
                                {.requests = 2, .contents = 3, .meta = 4}));
    running_ =
        std::make_unique<Running>(options_, dependencies_, std::move(database),
                                  std::move(log), &metrics_);
    RETURN_IF_ERROR(running_->maintenance.Resume(dependencies_.clock->Now()));
    started_.store(running_.get());
    maintainer_ = std::thread([this] { Maintain(); });
    if (!serve_grpc_) return absl::OkStatus();
    return front_.Start(
        options_.service,
        {MakeUsageRecorderService(front_.bridge(), &running_->grpc_usage),
         MakeTelemetryReceiverService(front_.bridge(),
                                      &running_->grpc_telemetry),
         MakeMetricsQueryService(front_.bridge(), &running_->grpc_query)});
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
  void AnnounceDrain() override { front_.AnnounceDrain(); }
  void BeginDrain() override { front_.BeginDrain(); }
  size_t Active() const override { return front_.Active(); }
  void CancelRemaining() override { front_.CancelRemaining(); }

  void Stop() override {
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
      // A failure shows in Checks, and the next round tries again.
      (void)running_->database->Reopen();
      (void)running_->maintenance.CloseLost(now);
      if (now >= next_sweep) {
        (void)running_->maintenance.Sweep(now);
        next_sweep = now + kSweepInterval;
      }
      mu_.Lock();
      if (!stopping_) wake_.WaitFor(mu_, kMaintenanceInterval);
    }
  }

  const Options options_;
  const Dependencies dependencies_;
  bool serve_grpc_ = true;
  Metrics metrics_;
  process::GrpcFront front_;
  std::unique_ptr<Running> running_;
  // What the ops thread may look at.
  std::atomic<Running*> started_{nullptr};
  Mutex mu_;
  CondVar wake_;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  std::thread maintainer_;
};

}  // namespace

std::unique_ptr<Server> Server::Create(Options options,
                                       Dependencies dependencies) {
  return std::make_unique<MetricsCollectorServer>(std::move(options),
                                                  dependencies);
}

}  // namespace gateway::metrics_collector
