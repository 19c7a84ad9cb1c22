#include "services/metrics_collector/server.h"

#include <atomic>

#include "common/clients/checked_metrics_collector.h"
#include "common/clients/grpc_metrics_collector_server.h"
#include "common/log/log.h"
#include "common/process/grpc_front.h"
#include "common/process/store_keeper.h"
#include "common/status/macros.h"
#include "common/storage/database.h"
#include "common/storage/memory_budget.h"
#include "services/metrics_collector/maintenance.h"
#include "services/metrics_collector/metrics_collector_service.h"
#include "services/metrics_collector/rocksdb_request_log.h"
#include "services/metrics_collector/rocksdb_store.h"
#include "services/metrics_collector/rocksdb_usage_ledger.h"

namespace gateway::metrics_collector {
namespace {

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
                     options.usage_retention, options.request_log_bytes,
                     options.usage_bytes}) {}

  const std::unique_ptr<storage::Database> database;
  RocksdbUsageLedger ledger;
  const std::unique_ptr<RocksdbRequestLog> log;
  OpenRequests open;
  Privacy privacy;
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
                     OpenStore({.path = options_.service.data_dir,
                                .memory_bytes = storage::MemoryBudget(
                                    options_.service.store_memory_bytes),
                                .env = dependencies_.env}));
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
    keeper_.Start({.name = "metrics-collector",
                   .repair = [this] { return Repair(); },
                   .health = [this] { return running_->database->Health(); },
                   .chore = [this] { Maintain(); }});
    return absl::OkStatus();
  }

  std::vector<process::Check> Checks() const override {
    return keeper_.Checks();
  }

  std::vector<prometheus::MetricFamily> CollectMetrics() const override {
    if (const Running* running = started_.load()) {
      metrics_.write_stopped.Set(running->database->WriteStopped() ? 1 : 0);
      metrics_.SetDamages(running->database->damages());
    }
    auto families = metrics_.registry->Collect();
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
    if (running == nullptr) return {};
    std::vector<process::Busy> busy = process::BusyOf(running->disk);
    for (auto& query : process::BusyOf(running->queries)) {
      busy.push_back(std::move(query));
    }
    return busy;
  }
  // Hot: monitoring.enabled, monitoring.contents.
  absl::Status Reload(const config::v1::Config& config) override {
    ASSIGN_OR_RETURN(const Options options, ReadOptions(config));
    running_->privacy.Set(options.covert, options.contents);
    return absl::OkStatus();
  }
  void BeginDrain() override { front_.BeginDrain(); }
  size_t Active() const override { return front_.Active(); }
  void CancelRemaining() override { front_.CancelRemaining(); }

  void Stop() override {
    keeper_.Stop();
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
  absl::Status Repair() {
    const bool damaged = !running_->database->Health().ok();
    const absl::Status reopened = running_->database->Reopen();
    // What a failed write left behind is known only after it.
    if (damaged && reopened.ok()) {
      reload_ = true;
      running_->ledger.Reload();
    }
    if (reload_ && running_->log->Reload().ok()) reload_ = false;
    return reopened;
  }

  void Maintain() {
    const absl::Time now = dependencies_.clock->Now();
    // What failed is tried again by the next round.
    Note("closing lost requests", running_->maintenance.CloseLost(now));
    if (now < next_sweep_) return;
    Note("deleting what is old", running_->maintenance.Sweep(now));
    next_sweep_ = now + kSweepInterval;
  }

  static void Note(const char* what, const absl::Status& status) {
    if (status.ok()) return;
    LOG_WARNING_EVERY(absl::Minutes(1), "metrics", "maintenance has failed",
                      {{"at", what}, {"error", status.ToString()}});
  }

  const Options options_;
  const Dependencies dependencies_;
  // The keeper's thread alone.
  bool reload_ = false;
  absl::Time next_sweep_ = absl::InfinitePast();
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
  return std::make_unique<MetricsCollectorServer>(std::move(options),
                                                  dependencies);
}

}  // namespace gateway::metrics_collector
