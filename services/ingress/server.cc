#include "services/ingress/server.h"

#include <absl/time/clock.h>

#include <atomic>
#include <string>
#include <utility>
#include <vector>

#include "common/clients/grpc_batch_aggregator.h"
#include "common/clients/grpc_metrics_collector.h"
#include "common/clients/grpc_model_router.h"
#include "common/clients/grpc_session_store.h"
#include "common/concurrency/background_flow.h"
#include "common/http/server.h"
#include "common/log/log.h"
#include "common/process/grpc_front.h"
#include "common/process/peer_links.h"
#include "common/resilience/concurrency_limit.h"
#include "common/status/macros.h"
#include "common/telemetry/reporter.h"
#include "services/ingress/agent_api.h"
#include "services/ingress/agent_grpc.h"
#include "services/ingress/http_api.h"
#include "services/ingress/http_errors.h"
#include "services/ingress/metrics.h"

namespace gateway::ingress {
namespace {

// How long a client that was cut has to take its last event.
constexpr absl::Duration kCutTimeout = absl::Seconds(1);
// What is left once its connection is closed ends within this: a turn that is
// being saved goes on for a while. It is waited for in any case, and longer is
// worth a line in the log.
constexpr absl::Duration kCloseTime = absl::Seconds(10);
// How long the last request records may take.
constexpr absl::Duration kFlushTimeout = absl::Seconds(2);

// The clients of the peers that are elsewhere.
struct RemotePeers {
  std::unique_ptr<ModelRouter> router;
  std::unique_ptr<SessionStore> sessions;
  std::unique_ptr<BatchAggregator> batches;
  std::unique_ptr<TelemetryReceiver> telemetry;
};

RemotePeers Connect(const Options& options, process::PeerLinks& links,
                    Peers& peers) {
  // Makes the client of a peer that is not in this process.
  const auto reach = [&](const char* name, const std::string& target,
                         bool has_replicas, auto make, auto& client,
                         auto& peer) {
    if (peer != nullptr) {
      links.AddInProcess(name);
      return;
    }
    client = make(links.Connect(
        name, {.target = target,
               .max_message_bytes = options.service.max_message_bytes,
               .follows_readiness = has_replicas}));
    peer = client.get();
  };
  const PeerTargets& at = options.peers;
  RemotePeers remote;
  reach("model-router", at.model_router, /*has_replicas=*/true,
        MakeGrpcModelRouter, remote.router, peers.router);
  reach("session-store", at.session_store, /*has_replicas=*/false,
        MakeGrpcSessionStore, remote.sessions, peers.sessions);
  reach("batch-aggregator", at.batch_aggregator, /*has_replicas=*/false,
        MakeGrpcBatchAggregator, remote.batches, peers.batches);
  reach("metrics-collector", at.metrics_collector, /*has_replicas=*/false,
        MakeGrpcTelemetryReceiver, remote.telemetry, peers.telemetry);
  return remote;
}

telemetry::ReporterOptions ReporterOptionsOf(const Options& options) {
  telemetry::ReporterOptions reporter;
  reporter.service = "ingress";
  reporter.queue_size = options.telemetry_queue_size;
  return reporter;
}

HttpChatOptions HttpChatOptionsOf(const Options& options) {
  return {.deadline = options.deadline,
          .heartbeat_interval = options.heartbeat_interval};
}

AgentApiOptions AgentApiOptionsOf(const Options& options) {
  AgentApiOptions agent;
  agent.typed.deadline = options.deadline;
  agent.typed.max_body_bytes = options.service.max_body_bytes;
  agent.idle_timeout = options.idle_timeout;
  return agent;
}

http::ServerOptions HttpServerOptionsOf(const Options& options,
                                        ConcurrencyLimit* bodies,
                                        http::ErrorRenderer* renderer) {
  http::ServerOptions server;
  server.address = options.service.http.host;
  server.port = options.service.http.port;
  server.max_header_bytes = options.http.max_header_bytes;
  server.max_body_bytes = static_cast<size_t>(options.service.max_body_bytes);
  server.bodies = bodies;
  server.max_connections = options.http.max_connections;
  server.header_timeout = options.http.header_timeout;
  server.idle_timeout = options.http.idle_timeout;
  server.write_timeout = options.service.write_timeout;
  server.error_renderer = renderer;
  return server;
}

// What lives from Start to Stop.
struct Running {
  Running(const Options& options, const Server::Dependencies& dependencies,
          Peers given, Metrics* metrics)
      : peers(given),
        remote(Connect(options, links, peers)),
        bodies(options.service.max_body_bytes_in_flight),
        keys(options.keys),
        admission(options.admission),
        catalogue(peers.router, dependencies.clock),
        reporter(peers.telemetry, dependencies.clock,
                 ReporterOptionsOf(options)),
        http_api(&services, HttpChatOptionsOf(options)),
        http_errors(metrics),
        agent_api(&services, peers.batches, AgentApiOptionsOf(options)),
        following(dependencies.io->Next()),
        watching(dependencies.io->Next()),
        reporting(dependencies.io->Next()) {
    sessions.store = peers.sessions;
    sessions.clock = dependencies.clock;
    services.keys = &keys;
    services.admission = &admission;
    services.catalogue = &catalogue;
    services.router = peers.router;
    services.sessions = &sessions;
    services.reporter = &reporter;
    services.metrics = metrics;
    services.clock = dependencies.clock;
    services.bodies = &bodies;
    services.options.Set(options.exchange);
    links.SetComplaint("model-router", [this] {
      return catalogue.connected() ? "" : "not reached";
    });
    links.SetComplaint("session-store", [this] {
      return sessions.away.load(std::memory_order_relaxed) ? "did not answer"
                                                           : "";
    });
  }

  Peers peers;
  process::PeerLinks links;
  const RemotePeers remote;
  // Over HTTP and gRPC.
  ConcurrencyLimit bodies;
  ApiKeys keys;
  Admission admission;
  ModelCatalogue catalogue;
  telemetry::Reporter reporter;
  SessionAccess sessions;
  ExchangeServices services;
  HttpApi http_api;
  HttpErrorRenderer http_errors;
  AgentApi agent_api;
  BackgroundFlow following;
  BackgroundFlow watching;
  BackgroundFlow reporting;
  std::unique_ptr<http::Server> http;
};

class IngressServer final : public Server {
 public:
  IngressServer(Options options, Dependencies dependencies)
      : options_(std::move(options)),
        dependencies_(dependencies),
        front_(dependencies.io, /*expose_metadata=*/true) {}

  ~IngressServer() override { Stop(); }

  std::string Name() const override { return "ingress"; }

  void UsePeers(Peers peers) override { peers_ = peers; }

  absl::Status Start() override {
    running_ =
        std::make_unique<Running>(options_, dependencies_, peers_, &metrics_);
    std::vector<boost::asio::io_context*> ios;
    for (size_t i = 0; i < dependencies_.io->size(); ++i) {
      ios.push_back(&dependencies_.io->At(i));
    }
    ASSIGN_OR_RETURN(
        running_->http,
        http::Server::Create(HttpServerOptionsOf(options_, &running_->bodies,
                                                 &running_->http_errors),
                             std::move(ios), &running_->http_api));
    RETURN_IF_ERROR(
        front_.Start(options_.service,
                     {MakeAgentService(front_.bridge(), &running_->agent_api)},
                     /*reflection=*/true, &running_->bodies));
    metrics_.SetReadings([this] { return Read(); });
    running_->following.Start(running_->catalogue.Run());
    running_->watching.Start(WatchForStore(running_->sessions));
    running_->reporting.Start(running_->reporter.Run());
    running_->http->Start();
    started_.store(running_.get());
    LOG_INFO("ingress", "serving",
             {{"http_port", http_port()},
              {"grpc_port", grpc_port()},
              {"open_mode", running_->keys.open()}});
    return absl::OkStatus();
  }

  std::vector<process::Check> Checks() const override {
    const Running* running = started_.load();
    return running == nullptr ? std::vector<process::Check>()
                              : running->links.Checks();
  }

  std::vector<prometheus::MetricFamily> CollectMetrics() const override {
    return metrics_.Collect();
  }

  process::ShutdownOptions Shutdown() const override {
    return options_.service.shutdown;
  }

  void SetHealth(bool ready, bool live) override {
    front_.SetHealth(ready, live);
  }

  std::vector<process::Peer> PeerStates() const override {
    const Running* running = started_.load();
    return running == nullptr ? std::vector<process::Peer>()
                              : running->links.States();
  }

  // Hot: keys, limits.maxRequestsInFlight, streaming, monitoring.enabled and
  // monitoring.contents.
  absl::Status Reload(const config::v1::Config& config) override {
    ASSIGN_OR_RETURN(Options options, ReadOptions(config, options_.section));
    running_->keys.Replace(std::move(options.keys));
    running_->admission.SetOptions(options.admission);
    running_->services.options.Set(options.exchange);
    return absl::OkStatus();
  }

  void BeginDrain() override {
    if (running_ == nullptr) return;
    running_->http->StopAccepting();
    running_->http->BeginDrain();
    running_->agent_api.BeginDrain();
    front_.BeginDrain();
  }

  size_t Active() const override {
    if (running_ == nullptr) return 0;
    return static_cast<size_t>(running_->http->active()) + front_.Active();
  }

  void CancelRemaining() override {
    if (running_ == nullptr) return;
    running_->services.cutting.store(true);
    running_->admission.BeginDrain();
    running_->http->CancelHandlers();
    front_.CancelRemaining();
    running_->http->AwaitIdle(absl::Now() + kCutTimeout);
  }

  void Stop() override {
    if (running_ == nullptr) return;
    // The checks and the metrics look at it no longer.
    started_.store(nullptr);
    running_->admission.BeginDrain();
    if (running_->http != nullptr) {
      running_->http->CloseAll();
      while (!running_->http->AwaitClosed(absl::Now() + kCloseTime)) {
        LOG_ERROR("ingress", "requests do not end",
                  {{"active", running_->http->active()}});
      }
    }
    front_.Stop();
    running_->reporter.Stop();
    running_->reporting.Stop(kFlushTimeout);
    running_->following.Stop();
    running_->watching.Stop();
    // None if its port was taken.
    if (running_->http != nullptr) {
      metrics_.SetReadings([last = Read()] { return last; });
    }
    running_->http.reset();
    running_.reset();
  }

  int http_port() const override {
    return running_ == nullptr || running_->http == nullptr
               ? 0
               : running_->http->port();
  }
  int grpc_port() const override { return front_.port(); }

 private:
  // While http runs.
  Metrics::Readings Read() const {
    const http::ServerStats& http = running_->http->stats();
    const rpc::CallStats& grpc = front_.stats();
    Metrics::Readings now;
    now.telemetry_dropped = running_->reporter.dropped();
    now.requests_in_flight = running_->admission.in_flight();
    now.body_bytes = running_->bodies.in_use();
    now.http_connections = http.connections.load();
    now.http_connections_refused = http.connections_refused.load();
    now.http_refused = http.refused.load();
    now.grpc_refused = grpc.refused.load();
    now.http_body_timeouts = http.body_timeouts.load();
    now.http_write_timeouts = http.write_timeouts.load();
    now.grpc_write_timeouts = grpc.write_timeouts.load();
    return now;
  }

  const Options options_;
  const Dependencies dependencies_;
  Peers peers_;
  mutable Metrics metrics_;
  process::GrpcFront front_;
  std::unique_ptr<Running> running_;
  // What the ops thread may look at.
  std::atomic<Running*> started_{nullptr};
};

}  // namespace

std::unique_ptr<Server> Server::Create(Options options,
                                       Dependencies dependencies) {
  return std::make_unique<IngressServer>(std::move(options), dependencies);
}

}  // namespace gateway::ingress
