// What one call over gRPC costs both sides together, in CPU time: the whole
// process is measured, so the client's flow and the server's count alike.
//
//   rpc_hop [calls in flight] [seconds]

#include <absl/strings/str_format.h>
#include <absl/time/clock.h>
#include <absl/time/time.h>
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "common/clients/checked_model_router.h"
#include "common/clients/grpc_model_router.h"
#include "common/clients/grpc_model_router_server.h"
#include "common/concurrency/io_pool.h"
#include "common/concurrency/spawn.h"
#include "common/rpc/channel.h"
#include "common/rpc/server.h"

namespace gateway {
namespace {

using model_router::v1::Catalogue;
using model_router::v1::PlanBatchRequest;
using model_router::v1::PlanBatchResponse;
using model_router::v1::RouteEvent;
using model_router::v1::RouteRequest;
using model_router::v1::WatchCatalogueRequest;

constexpr absl::Duration kPace = absl::Milliseconds(2);

// Sends as many events as `grant.max_output_tokens` says; paced if the model is
// "paced".
class EventSource final : public ModelRouter {
 public:
  Awaitable<absl::Status> Route(rpc::Call& call, const RouteRequest& request,
                                rpc::Sink<RouteEvent>& sink) override {
    const int64_t events = request.grant().max_output_tokens();
    const bool paced = request.model() == "paced";
    boost::asio::steady_timer timer(co_await boost::asio::this_coro::executor);
    timer.expires_after(std::chrono::seconds(0));
    for (int64_t i = 0; i < events; ++i) {
      if (paced && i > 0) {
        timer.expires_at(timer.expiry() + absl::ToChronoNanoseconds(kPace));
        co_await timer.async_wait(kAwait);
      }
      RouteEvent event;
      event.mutable_frames()->set_data(std::string(200, 'x'));
      event.mutable_frames()->add_ends(200);
      if (i + 1 == events) event.mutable_completed()->set_answer_id("a");
      absl::Status written = co_await sink.Write(std::move(event));
      if (!written.ok()) co_return written;
    }
    co_return absl::OkStatus();
  }
  Awaitable<absl::Status> WatchCatalogue(rpc::Call&,
                                         const WatchCatalogueRequest&,
                                         rpc::Sink<Catalogue>&) override {
    co_return absl::UnimplementedError("");
  }
  Awaitable<absl::StatusOr<PlanBatchResponse>> PlanBatch(
      rpc::Call&, const PlanBatchRequest&) override {
    co_return PlanBatchResponse();
  }
};

class CountingSink final : public rpc::Sink<RouteEvent> {
 public:
  Awaitable<absl::Status> Write(RouteEvent event) override {
    ++events;
    co_return absl::OkStatus();
  }
  int64_t events = 0;
};

double CpuMicros() {
  rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 +
         usage.ru_utime.tv_usec + usage.ru_stime.tv_usec;
}

struct Shape {
  const char* name;
  int64_t events;  // 0: a unary call
  bool paced;
};

class Run {
 public:
  Run(ModelRouter& router, Shape shape, absl::Time end)
      : router_(router), shape_(shape), end_(end) {}

  Awaitable<void> Caller() {
    PlanBatchRequest plan;
    plan.mutable_context()->set_request_id("req_1");
    plan.mutable_context()->mutable_account()->set_tenant("default");
    RouteRequest route;
    *route.mutable_context() = plan.context();
    route.set_model(shape_.paced ? "paced" : "instant");
    route.mutable_encoded()->set_body(std::string(500, 'x'));
    route.mutable_grant()->set_max_output_tokens(shape_.events);
    while (absl::Now() < end_) {
      const absl::Time start = absl::Now();
      rpc::Call call{.deadline = start + absl::Seconds(60)};
      if (shape_.events == 0) {
        auto planned = co_await router_.PlanBatch(call, plan);
        if (!planned.ok()) std::abort();
      } else {
        CountingSink sink;
        absl::Status routed = co_await router_.Route(call, route, sink);
        if (!routed.ok() || sink.events != shape_.events) {
          std::fprintf(stderr, "%s after %ld events\n",
                       routed.ToString().c_str(), sink.events);
          std::abort();
        }
      }
      calls_.fetch_add(1);
      micros_.fetch_add(absl::ToInt64Microseconds(absl::Now() - start));
    }
    callers_.fetch_sub(1);
  }

  void Go(IoPool& io, int callers) {
    callers_ = callers;
    for (int i = 0; i < callers; ++i) {
      SpawnDetached(io.Next().get_executor(), Caller());
    }
    while (callers_.load() > 0) absl::SleepFor(absl::Milliseconds(5));
  }

  int64_t calls() const { return calls_.load(); }
  int64_t micros() const { return micros_.load(); }

 private:
  ModelRouter& router_;
  const Shape shape_;
  const absl::Time end_;
  std::atomic<int> callers_{0};
  std::atomic<int64_t> calls_{0};
  std::atomic<int64_t> micros_{0};
};

int Main(int argc, char** argv) {
  const int callers = argc > 1 ? std::atoi(argv[1]) : 32;
  const absl::Duration span = absl::Seconds(argc > 2 ? std::atof(argv[2]) : 2);
  IoPool client_io(1, "client");
  IoPool server_io(1, "server");
  rpc::CallTracker calls;
  EventSource source;
  CheckedModelRouter checked(&source, Entry::kGrpc);
  CheckedModelRouter direct(&source, Entry::kDirect);
  auto server = rpc::Server::Start(
      {.address = "127.0.0.1:0"},
      {MakeModelRouterService({server_io, calls}, &checked)}, &calls);
  if (!server.ok()) return 1;
  (*server)->SetReady(true);
  auto tcp = MakeGrpcModelRouter(rpc::MakeChannel(
      {.target = absl::StrFormat("127.0.0.1:%d", (*server)->port())}));
  auto in_process =
      MakeGrpcModelRouter(rpc::MakeInProcessChannel((*server)->grpc()));

  const Shape kShapes[] = {{"unary", 0, false},
                           {"1 event", 1, false},
                           {"5 events", 5, false},
                           {"50 events", 50, false},
                           {"50 paced", 50, true}};
  const struct {
    const char* name;
    ModelRouter& router;
  } kWays[] = {{"direct", direct}, {"in-process", *in_process}, {"tcp", *tcp}};
  std::printf("%d in flight\n%-12s %-10s %10s %12s %12s\n", callers, "way",
              "shape", "calls/s", "cpu us/call", "latency us");
  for (const auto& way : kWays) {
    for (const Shape& shape : kShapes) {
      Run warm(way.router, shape, absl::Now() + absl::Milliseconds(200));
      warm.Go(client_io, callers);
      Run run(way.router, shape, absl::Now() + span);
      const double cpu = CpuMicros();
      const absl::Time start = absl::Now();
      run.Go(client_io, callers);
      std::printf("%-12s %-10s %10.0f %12.1f %12.1f\n", way.name, shape.name,
                  run.calls() / absl::ToDoubleSeconds(absl::Now() - start),
                  (CpuMicros() - cpu) / run.calls(),
                  static_cast<double>(run.micros()) / run.calls());
      std::fflush(stdout);
    }
  }
  tcp.reset();
  in_process.reset();
  (*server)->Stop();
  client_io.Stop();
  server_io.Stop();
  return 0;
}

}  // namespace
}  // namespace gateway

int main(int argc, char** argv) { return gateway::Main(argc, argv); }
