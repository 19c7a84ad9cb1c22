#include "services/model_router/server.h"

#include <absl/strings/str_cat.h>

#include <atomic>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "common/clients/checked_model_router.h"
#include "common/clients/grpc_metrics_collector.h"
#include "common/clients/grpc_model_router_server.h"
#include "common/concurrency/background_flow.h"
#include "common/http/resolver.h"
#include "common/log/log.h"
#include "common/process/grpc_front.h"
#include "common/process/peer_links.h"
#include "common/status/macros.h"
#include "services/model_router/metrics.h"
#include "services/model_router/mock_provider.h"
#include "services/model_router/model_router_service.h"
#include "services/model_router/openai_provider.h"
#include "services/model_router/usage_delivery.h"

namespace gateway::model_router {
namespace {

// What is left for the last usage rows when a drain took all of its time: 10 s
// of the grace, less 5.
constexpr absl::Duration kFlushTime = absl::Seconds(5);

uint64_t Draw() {
  thread_local std::mt19937_64 generator{std::random_device()()};
  return generator();
}

// What belongs to one state of the config, and lives until its last call has
// ended.
struct Generation {
  std::shared_ptr<const Catalogue> catalogue;
  std::vector<std::unique_ptr<ModelProvider>> providers;
  std::unique_ptr<RouteObserver> observer;
};

// What lives from Start to Stop.
struct Running {
  Running(const Server::Dependencies& dependencies,
          std::unique_ptr<UsageSpool> opened)
      : spool(std::move(opened)), delivering(dependencies.io->Next()) {}

  const std::shared_ptr<http::Resolver> resolver =
      std::make_shared<http::Resolver>(http::Resolver::Options());
  const std::unique_ptr<UsageSpool> spool;
  std::unique_ptr<UsageRecorder> grpc_recorder;
  std::unique_ptr<UsageDelivery> delivery;
  std::unique_ptr<ModelRouterService> service;
  // The service keeps the caller's deadline by itself, in both ways in.
  std::unique_ptr<CheckedModelRouter> checked;
  BackgroundFlow delivering;
};

class ModelRouterServer final : public Server {
 public:
  ModelRouterServer(Options options, Dependencies dependencies)
      : options_(std::move(options)),
        dependencies_(dependencies),
        front_(dependencies.io) {}

  ~ModelRouterServer() override { Stop(); }

  std::string Name() const override { return "model-router"; }

  absl::Status Start() override {
    ASSIGN_OR_RETURN(
        std::unique_ptr<UsageSpool> spool,
        UsageSpool::Open(options_.spool, dependencies_.clock->Now()));
    if (spool->waiting_rows() > 0) {
      LOG_INFO("router", "usage rows of an earlier run are waiting",
               {{"rows", spool->waiting_rows()}});
    }
    running_ = std::make_unique<Running>(dependencies_, std::move(spool));
    RETURN_IF_ERROR(BuildService());
    if (serve_grpc_) {
      RETURN_IF_ERROR(front_.Start(
          options_.service,
          {MakeModelRouterService(front_.bridge(), running_->checked.get())}));
    }
    running_->delivering.Start(running_->delivery->Run());
    started_.store(running_.get());
    return absl::OkStatus();
  }

  std::vector<process::Check> Checks() const override {
    const Running* running = started_.load();
    if (running == nullptr) return {};
    std::vector<process::Check> checks = links_.Checks();
    process::Check& spool = checks.emplace_back();
    spool.name = "usage_spool";
    const absl::Status health = running->spool->Health();
    if (!health.ok()) {
      spool.state = process::Check::State::kFailed;
      spool.reason = std::string(health.message());
    }
    return checks;
  }

  std::vector<prometheus::MetricFamily> CollectMetrics() const override {
    if (const Running* running = started_.load()) {
      metrics_.SetSpool(running->spool->bytes(),
                        running->spool->dropped_rows());
      const http::ResolverStats& lookups = running->resolver->stats();
      metrics_.SetLookups({.all = lookups.lookups.load(),
                           .failed = lookups.failures.load(),
                           .refused = lookups.refused.load(),
                           .stale = lookups.stale.load(),
                           .pending = running->resolver->pending()});
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

  std::vector<process::Peer> PeerStates() const override {
    const Running* running = started_.load();
    if (running == nullptr) return {};
    std::vector<process::Peer> peers = links_.States();
    for (const auto& provider : running->service->catalogue()->providers()) {
      peers.push_back({absl::StrCat("provider ", provider->name),
                       provider->dialect == Dialect::kMock
                           ? "in process"
                           : provider->base_url});
    }
    return peers;
  }

  // Hot: providers, models, routing and stream.coalesce.
  absl::Status Reload(const config::v1::Config& config) override {
    ASSIGN_OR_RETURN(const Options options, ReadOptions(config));
    ASSIGN_OR_RETURN(RouterParts parts, PartsOf(options));
    running_->service->Replace(std::move(parts));
    return absl::OkStatus();
  }

  void BeginDrain() override {
    if (running_ != nullptr) running_->service->BeginDrain();
    front_.BeginDrain();
  }

  size_t Active() const override {
    const Running* running = started_.load();
    const size_t routes = running == nullptr
                              ? 0
                              : static_cast<size_t>(running->service->active());
    return std::max(routes, front_.Active());
  }

  size_t Undelivered() const override {
    const Running* running = started_.load();
    return running == nullptr
               ? 0
               : static_cast<size_t>(running->spool->waiting_rows());
  }

  void CancelRemaining() override { front_.CancelRemaining(); }

  void Stop() override {
    front_.Stop();
    if (running_ == nullptr) return;
    FlushUsage();
    started_.store(nullptr);
    running_.reset();
  }

  ModelRouter* model_router() override { return running_->checked.get(); }
  void UseRecorder(UsageRecorder* recorder) override { recorder_ = recorder; }
  void ServeGrpc(bool serve) override { serve_grpc_ = serve; }
  int grpc_port() const override { return front_.port(); }

 private:
  absl::Status BuildService() {
    Running& running = *running_;
    UsageRecorder* recorder = recorder_;
    if (recorder == nullptr) {
      running.grpc_recorder = MakeGrpcUsageRecorder(links_.Connect(
          "metrics-collector",
          {.target = options_.collector_target,
           .max_message_bytes = options_.service.max_message_bytes,
           .follows_readiness = false}));
      recorder = running.grpc_recorder.get();
    } else {
      links_.AddInProcess("metrics-collector");
    }
    running.delivery = std::make_unique<UsageDelivery>(
        running.spool.get(), recorder, dependencies_.clock, options_.delivery);
    ASSIGN_OR_RETURN(RouterParts parts, PartsOf(options_));
    running.service = std::make_unique<ModelRouterService>(std::move(parts));
    running.checked = std::make_unique<CheckedModelRouter>(
        running.service.get(), Entry::kGrpc);
    return absl::OkStatus();
  }

  // What calls need, by one state of the config.
  absl::StatusOr<RouterParts> PartsOf(const Options& options) {
    auto generation = std::make_shared<Generation>();
    generation->catalogue = options.catalogue;
    generation->observer = metrics_.Observe(*options.catalogue);
    RouterParts parts;
    for (const auto& provider : options.catalogue->providers()) {
      ASSIGN_OR_RETURN(std::unique_ptr<ModelProvider> made,
                       MakeProvider(options, *provider));
      parts.providers.push_back(made.get());
      generation->providers.push_back(std::move(made));
    }
    parts.catalogue = options.catalogue;
    parts.spool = running_->spool.get();
    parts.observer = generation->observer.get();
    parts.clock = dependencies_.clock;
    parts.max_event_bytes =
        static_cast<size_t>(options_.service.max_message_bytes);
    parts.draw = Draw;
    parts.owned = std::move(generation);
    return parts;
  }

  absl::StatusOr<std::unique_ptr<ModelProvider>> MakeProvider(
      const Options& options, const Provider& provider) {
    if (provider.dialect == Dialect::kMock) {
      return std::make_unique<MockProvider>(&provider, dependencies_.clock);
    }
    return OpenAiProvider::Create(
        provider,
        {.key = options.keys[provider.index],
         .coalesce = options.coalesce,
         .target_count = options.catalogue->target_count(),
         .resolver = running_->resolver,
         .stats = metrics_.ClientsOf(provider.name)},
        *dependencies_.io, dependencies_.clock);
  }

  void FlushUsage() {
    Running& running = *running_;
    running.delivering.Stop();
    running.delivering.Start(
        running.delivery->Flush(dependencies_.clock->Now() + kFlushTime));
    running.delivering.Await();
    if (running.spool->waiting_rows() > 0) {
      LOG_WARNING("router",
                  "usage rows were not delivered: the next start delivers "
                  "them, and they are lost if the directory is not kept",
                  {{"rows", running.spool->waiting_rows()},
                   {"directory", options_.spool.directory}});
    }
  }

  const Options options_;
  const Dependencies dependencies_;
  UsageRecorder* recorder_ = nullptr;
  bool serve_grpc_ = true;
  mutable Metrics metrics_;
  process::PeerLinks links_;  // filled before started_ is set
  process::GrpcFront front_;
  std::unique_ptr<Running> running_;
  // What the ops thread may look at.
  std::atomic<Running*> started_{nullptr};
};

}  // namespace

std::unique_ptr<Server> Server::Create(Options options,
                                       Dependencies dependencies) {
  return std::make_unique<ModelRouterServer>(std::move(options), dependencies);
}

}  // namespace gateway::model_router
