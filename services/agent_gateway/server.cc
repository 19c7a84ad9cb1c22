#include "services/agent_gateway/server.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_split.h>

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "common/metrics/export.h"
#include "common/process/service_options.h"
#include "common/status/macros.h"
#include "services/agent_gateway/compose_config.h"
#include "services/batch_aggregator/config.h"
#include "services/batch_aggregator/server.h"
#include "services/ingress/config.h"
#include "services/ingress/server.h"
#include "services/metrics_collector/config.h"
#include "services/metrics_collector/server.h"
#include "services/model_router/config.h"
#include "services/model_router/server.h"
#include "services/session_store/config.h"
#include "services/session_store/server.h"

namespace gateway::agent_gateway {
namespace {

constexpr char kName[] = "agent-gateway";

struct Options {
  process::ServiceOptions service;
  metrics_collector::Options metrics_collector;
  session_store::Options session_store;
  model_router::Options model_router;
  batch_aggregator::Options batch_aggregator;
  ingress::Options ingress;
};

// Takes the value, or notes the faults.
template <class T>
void Take(absl::StatusOr<T> from, T& to, process::Faults& faults) {
  faults.Add(from.status());
  if (from.ok()) to = *std::move(from);
}

absl::StatusOr<Options> ReadOptions(const config::v1::Config& config) {
  const config::v1::Config composed = ComposeConfig(config);
  process::Faults faults;
  Options options;
  Take(process::ReadServiceOptions(composed, kName), options.service, faults);
  Take(metrics_collector::ReadOptions(composed), options.metrics_collector,
       faults);
  Take(session_store::ReadOptions(composed), options.session_store, faults);
  Take(model_router::ReadOptions(composed), options.model_router, faults);
  Take(batch_aggregator::ReadOptions(composed), options.batch_aggregator,
       faults);
  Take(ingress::ReadOptions(composed, kName), options.ingress, faults);
  RETURN_IF_ERROR(faults.ToStatus());
  return options;
}

class AgentGateway final : public Server {
 public:
  AgentGateway(Options options, IoPool* io)
      : options_(std::move(options)),
        metrics_collector_(metrics_collector::Server::Create(
            options_.metrics_collector, {.io = io})),
        session_store_(
            session_store::Server::Create(options_.session_store, {.io = io})),
        model_router_(
            model_router::Server::Create(options_.model_router, {.io = io})),
        batch_aggregator_(batch_aggregator::Server::Create(
            options_.batch_aggregator, {.io = io})),
        ingress_(ingress::Server::Create(options_.ingress, {.io = io})),
        parts_{metrics_collector_.get(), session_store_.get(),
               model_router_.get(), batch_aggregator_.get(), ingress_.get()} {
    metrics_collector_->ServeGrpc(false);
    session_store_->ServeGrpc(false);
    model_router_->ServeGrpc(false);
    batch_aggregator_->ServeGrpc(false);
  }

  ~AgentGateway() override { Stop(); }

  std::string Name() const override { return kName; }

  // Each is started once those that it calls run.
  absl::Status Start() override {
    RETURN_IF_ERROR(metrics_collector_->Start());
    RETURN_IF_ERROR(session_store_->Start());
    model_router_->UseRecorder(metrics_collector_->usage_recorder());
    RETURN_IF_ERROR(model_router_->Start());
    batch_aggregator_->UsePeers(model_router_->model_router(),
                                session_store_->session_store());
    RETURN_IF_ERROR(batch_aggregator_->Start());
    ingress_->UsePeers({.router = model_router_->model_router(),
                        .sessions = session_store_->session_store(),
                        .batches = batch_aggregator_->batch_aggregator(),
                        .telemetry = metrics_collector_->telemetry_receiver()});
    return ingress_->Start();
  }

  std::vector<process::Check> Checks() const override {
    std::vector<process::Check> all;
    for (const process::Service* part : parts_) {
      for (process::Check& check : part->Checks()) {
        check.name = absl::StrCat(part->Name(), "/", check.name);
        all.push_back(std::move(check));
      }
    }
    return all;
  }

  std::vector<prometheus::MetricFamily> CollectMetrics() const override {
    std::vector<prometheus::MetricFamily> all;
    for (const process::Service* part : parts_) {
      std::vector<prometheus::MetricFamily> families = part->CollectMetrics();
      metrics::AddLabel("service", part->Name(), families);
      std::move(families.begin(), families.end(), std::back_inserter(all));
    }
    return all;
  }

  process::ShutdownOptions Shutdown() const override {
    return options_.service.shutdown;
  }

  // One gRPC server tells for all.
  void SetHealth(bool ready, bool live) override {
    ingress_->SetHealth(ready, live);
  }

  std::vector<process::Busy> BusyLoops() const override {
    return Gather(&process::Service::BusyLoops);
  }
  std::vector<process::Peer> PeerStates() const override {
    return Gather(&process::Service::PeerStates);
  }
  std::vector<std::pair<std::string, int64_t>> Statistics() const override {
    return session_store_->Statistics();
  }

  // model-router first: it alone may refuse what has been checked.
  absl::Status Reload(const config::v1::Config& config) override {
    const config::v1::Config composed = ComposeConfig(config);
    for (process::Service* part :
         {static_cast<process::Service*>(model_router_.get()),
          static_cast<process::Service*>(ingress_.get()),
          static_cast<process::Service*>(metrics_collector_.get())}) {
      RETURN_IF_ERROR(part->Reload(composed));
    }
    return absl::OkStatus();
  }

  // The others work on until ingress has nothing more to ask of them; batches
  // stop to send at once.
  void BeginDrain() override {
    ingress_->BeginDrain();
    batch_aggregator_->BeginDrain();
  }

  size_t Active() const override {
    return ingress_->Active() + batch_aggregator_->Active();
  }

  size_t Undelivered() const override { return model_router_->Undelivered(); }

  void CancelRemaining() override {
    ingress_->CancelRemaining();
    batch_aggregator_->CancelRemaining();
  }

  void Stop() override {
    if (std::exchange(stopped_, true)) return;
    for (auto it = parts_.rbegin(); it != parts_.rend(); ++it) (*it)->Stop();
  }

  int http_port() const override { return ingress_->http_port(); }
  int grpc_port() const override { return ingress_->grpc_port(); }

 private:
  // What all parts say, one after the other.
  template <class T>
  std::vector<T> Gather(std::vector<T> (process::Service::*say)() const) const {
    std::vector<T> all;
    for (const process::Service* part : parts_) {
      for (T& one : (part->*say)()) all.push_back(std::move(one));
    }
    return all;
  }

  const Options options_;
  const std::unique_ptr<metrics_collector::Server> metrics_collector_;
  const std::unique_ptr<session_store::Server> session_store_;
  const std::unique_ptr<model_router::Server> model_router_;
  const std::unique_ptr<batch_aggregator::Server> batch_aggregator_;
  const std::unique_ptr<ingress::Server> ingress_;
  // Leaves first.
  const std::vector<process::Service*> parts_;
  bool stopped_ = false;
};

}  // namespace

absl::Status Check(const config::v1::Config& config) {
  return ReadOptions(config).status();
}

absl::StatusOr<std::unique_ptr<Server>> Server::Create(
    const config::v1::Config& config, IoPool* io) {
  ASSIGN_OR_RETURN(Options options, ReadOptions(config));
  return std::make_unique<AgentGateway>(std::move(options), io);
}

}  // namespace gateway::agent_gateway
