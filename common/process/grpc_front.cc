#include "common/process/grpc_front.h"

#include <prometheus/metric_family.h>

#include <algorithm>
#include <string>
#include <utility>

namespace gateway::process {
namespace {

// What connections take by themselves.
constexpr int64_t kMinBufferBytes = 64 << 20;

prometheus::MetricFamily Family(const char* name, const char* help,
                                prometheus::MetricType type, double value) {
  prometheus::ClientMetric metric;
  (type == prometheus::MetricType::Gauge ? metric.gauge.value
                                         : metric.counter.value) = value;
  return {name, help, type, {std::move(metric)}};
}

}  // namespace

GrpcFront::GrpcFront(IoPool* io, bool expose_metadata)
    : bridge_{*io, calls_, expose_metadata} {}

GrpcFront::~GrpcFront() { Stop(); }

absl::Status GrpcFront::Start(const ServiceOptions& options,
                              std::vector<rpc::NamedService> services,
                              bool reflection, ConcurrencyLimit* bodies) {
  if (bodies == nullptr) {
    own_bodies_ =
        std::make_unique<ConcurrencyLimit>(options.max_body_bytes_in_flight);
    bodies = own_bodies_.get();
  }
  bodies_ = bodies;
  calls_.SetLimits({.write_timeout = options.write_timeout, .bodies = bodies});
  rpc::ServerOptions server;
  server.address = options.grpc.ToString();
  server.max_message_bytes = options.max_message_bytes;
  server.max_buffer_bytes =
      std::max(options.max_body_bytes_in_flight, kMinBufferBytes);
  server.reflection = reflection;
  auto started = rpc::Server::Start(server, std::move(services), &calls_);
  if (!started.ok()) return started.status();
  server_ = *std::move(started);
  server_->SetReady(true);
  started_.store(true);
  return absl::OkStatus();
}

void GrpcFront::AddMetrics(
    std::vector<prometheus::MetricFamily>& families) const {
  using prometheus::MetricType;
  if (!started_.load()) return;
  families.push_back(
      Family("agentgw_rpc_calls_in_flight", "Calls of the mesh that run here.",
             MetricType::Gauge, static_cast<double>(calls_.in_flight())));
  families.push_back(Family(
      "agentgw_rpc_body_bytes", "Requests of the mesh that are held here.",
      MetricType::Gauge, static_cast<double>(bodies_->in_use())));
  families.push_back(Family(
      "agentgw_rpc_refused_total", "Calls beyond the bound on the bytes held.",
      MetricType::Counter, static_cast<double>(stats().refused.load())));
  families.push_back(Family(
      "agentgw_rpc_write_timeouts_total",
      "Calls whose client took nothing of its answer for too long.",
      MetricType::Counter, static_cast<double>(stats().write_timeouts.load())));
}

void GrpcFront::SetHealth(bool ready, bool live) {
  if (server_ == nullptr) return;
  server_->SetReady(ready);
  server_->SetLive(live);
}

void GrpcFront::BeginDrain() {
  if (server_ != nullptr) server_->BeginDrain();
}

void GrpcFront::CancelRemaining() {
  if (server_ != nullptr) server_->EndCalls();
}

void GrpcFront::Stop() { server_.reset(); }

}  // namespace gateway::process
