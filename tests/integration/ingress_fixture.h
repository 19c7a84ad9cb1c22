#ifndef GATEWAY_TESTS_INTEGRATION_INGRESS_FIXTURE_H_
#define GATEWAY_TESTS_INTEGRATION_INGRESS_FIXTURE_H_

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "common/concurrency/io_pool.h"
#include "services/ingress/server.h"
#include "tests/fakes/fake_batch_aggregator.h"
#include "tests/fakes/memory_session_store.h"
#include "tests/fakes/recording_telemetry_receiver.h"
#include "tests/fakes/scripted_model_router.h"

namespace gateway::ingress {

// ingress on real sockets, alone among scripted peers. The key `secret` is
// acme's, may use `m` and `org/m` and four requests at once; `guest` is
// globex's, for `m` alone, one at a time.
class IngressFixture : public ::testing::Test {
 protected:
  IngressFixture() {
    router_.SetModels({"m", "org/m"});
    options_.service.grpc = {.host = "127.0.0.1", .port = 0};
    options_.service.http = {.host = "127.0.0.1", .port = 0};
    ApiKeyOptions secret;
    secret.id = "k1";
    secret.tenant = "acme";
    secret.sha256 = Sha256("secret");
    secret.models = {"m", "org/m", "gone"};
    secret.max_concurrency = 4;
    ApiKeyOptions guest;
    guest.id = "k2";
    guest.tenant = "globex";
    guest.sha256 = Sha256("guest");
    guest.models = {"m"};
    guest.max_concurrency = 1;
    options_.keys = {secret, guest};
  }

  ~IngressFixture() override {
    if (server_ != nullptr) server_->Stop();
  }

  // After changes of options_.
  void Start() {
    server_ = Server::Create(options_, {.io = &io_});
    server_->UsePeers({.router = &router_,
                       .sessions = &store_,
                       .batches = &batches_,
                       .telemetry = &telemetry_});
    const absl::Status started = server_->Start();
    ASSERT_TRUE(started.ok()) << started;
    // Until the catalogue is known.
    ASSERT_TRUE(Eventually([&] {
      for (const process::Check& check : server_->Checks()) {
        if (check.state != process::Check::State::kOk) return false;
      }
      return true;
    }));
  }

  // A stream that never ends by itself.
  static Awaitable<absl::Status> Flood(
      const model_router::v1::RouteRequest& request,
      rpc::Sink<model_router::v1::RouteEvent>& sink) {
    const std::string text(64 * 1024, 'x');
    absl::Status sent = co_await sink.Write(StartedEvent());
    while (sent.ok()) sent = co_await sink.Write(RunEvent(request, text));
    co_return sent;
  }

  // The sum of a gauge over all its series.
  double Gauge(const std::string& name) const {
    double sum = 0;
    for (const auto& family : server_->CollectMetrics()) {
      if (family.name != name) continue;
      for (const auto& metric : family.metric) sum += metric.gauge.value;
    }
    return sum;
  }

  static bool Eventually(const std::function<bool()>& condition) {
    const auto end =
        std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (!condition()) {
      if (std::chrono::steady_clock::now() > end) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    return true;
  }

  // Waits until the record of the `count`th request has come.
  std::vector<metrics_collector::v1::RequestRecord> AwaitRecords(
      size_t count) const {
    Eventually([&] { return telemetry_.records().size() >= count; });
    return telemetry_.records();
  }

  ScriptedModelRouter router_;
  MemorySessionStore store_;
  FakeBatchAggregator batches_;
  RecordingTelemetryReceiver telemetry_;
  Options options_;
  IoPool io_{2};
  std::unique_ptr<Server> server_;
};

}  // namespace gateway::ingress

#endif  // GATEWAY_TESTS_INTEGRATION_INGRESS_FIXTURE_H_
