#include "services/ingress/metrics.h"

#include <absl/container/flat_hash_map.h>
#include <absl/strings/str_cat.h>
#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <map>
#include <string>
#include <utility>

#include "common/concurrency/mutex.h"
#include "common/metrics/labelled.h"
#include "common/status/error.h"

namespace gateway::ingress {
namespace {

using prometheus::BuildCounter;
using prometheus::BuildGauge;
using prometheus::BuildHistogram;
using prometheus::Counter;
using prometheus::Family;
using prometheus::Gauge;
using prometheus::Histogram;

constexpr int kMaxAnswerSeries = 1000;

std::string Str(absl::string_view text) { return std::string(text); }

absl::string_view StreamEndName(StreamEnd end) {
  switch (end) {
    case StreamEnd::kCompleted:
      return "completed";
    case StreamEnd::kFailed:
      return "failed";
    case StreamEnd::kCancelled:
      return "cancelled";
    case StreamEnd::kDrained:
      return "drained";
  }
  return "failed";
}

// Seconds. The convention's own for durations; a finer start for what the
// gateway adds.
const Histogram::BucketBoundaries& DurationBuckets() {
  static const Histogram::BucketBoundaries buckets = {
      0.01, 0.02, 0.04, 0.08,  0.16,  0.32,  0.64,
      1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92};
  return buckets;
}
const Histogram::BucketBoundaries& TokenBuckets() {
  static const Histogram::BucketBoundaries buckets = {
      0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1,
      0.25,  0.5,   0.75, 1,    2.5,  5,    7.5,  10};
  return buckets;
}
const Histogram::BucketBoundaries& OverheadBuckets() {
  static const Histogram::BucketBoundaries buckets = {
      0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005,
      0.01,    0.025,  0.05,    0.1,    0.25,  1};
  return buckets;
}

}  // namespace

absl::string_view EndClassName(EndClass end) {
  switch (end) {
    case EndClass::kOk:
      return "ok";
    case EndClass::kCaller:
      return "caller";
    case EndClass::kPolicy:
      return "policy";
    case EndClass::kProvider:
      return "provider";
    case EndClass::kGateway:
      return "gateway";
    case EndClass::kCancelled:
      return "cancelled";
  }
  return "gateway";
}

EndClass EndClassOf(const absl::Status& status) {
  if (status.ok()) return EndClass::kOk;
  if (status.code() == absl::StatusCode::kCancelled) {
    return EndClass::kCancelled;
  }
  switch (FaultOf(status)) {
    case common::v1::FAULT_CALLER:
      return EndClass::kCaller;
    case common::v1::FAULT_POLICY:
      return EndClass::kPolicy;
    case common::v1::FAULT_PROVIDER:
      return EndClass::kProvider;
    default:
      return EndClass::kGateway;
  }
}

struct Metrics::Impl {
  Impl();
  void AddBounds();
  void Take(const Readings& now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);

  struct AnswerSeries {
    Histogram* duration;
    Histogram* time_to_first_token;
    Histogram* time_per_output_token;
  };
  AnswerSeries& SeriesOf(const Answer& answer)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);

  prometheus::Registry registry;
  Counter* requests[kProtocols][kMethods][kEndClasses] = {};
  Gauge* streams_active;
  Counter* streams[kProtocols][kStreamEnds] = {};
  Counter* rate_limited;
  Histogram* overhead;
  Gauge* requests_in_flight;
  Gauge* body_bytes;
  Gauge* http_connections;
  Counter* http_connections_refused;
  Counter* http_refused;
  Counter* grpc_refused;
  Counter* http_body_timeouts;
  Counter* http_write_timeouts;
  Counter* grpc_write_timeouts;
  Counter* telemetry_dropped;
  Family<Histogram>* duration;
  Family<Histogram>* time_to_first_token;
  Family<Histogram>* time_per_output_token;

  Mutex mu;
  // By the labels, joined.
  absl::flat_hash_map<std::string, AnswerSeries> answers ABSL_GUARDED_BY(mu);
  std::function<Readings()> readings ABSL_GUARDED_BY(mu);
};

Metrics::Impl::Impl() {
  auto& all = BuildCounter()
                  .Name("agentgw_requests_total")
                  .Help("Requests, by how they came and how they ended.")
                  .Register(registry);
  const auto count = [&](Protocol protocol, Method method) {
    for (int end = 0; end < kEndClasses; ++end) {
      requests[static_cast<int>(protocol)][static_cast<int>(method)][end] =
          &all.Add({{"protocol", Str(ProtocolName(protocol))},
                    {"method", Str(MethodName(method))},
                    {"class", Str(EndClassName(EndClass(end)))}});
    }
  };
  count(Protocol::kHttp, Method::kChatCompletions);
  count(Protocol::kSse, Method::kChatCompletions);
  count(Protocol::kHttp, Method::kModels);
  count(Protocol::kHttp, Method::kOther);
  for (const Method method :
       {Method::kChat, Method::kStreamChat, Method::kConverse,
        Method::kListModels, Method::kSessions, Method::kBatches}) {
    count(Protocol::kGrpc, method);
  }
  streams_active = &BuildGauge()
                        .Name("agentgw_streams_active")
                        .Help("Streamed answers under way.")
                        .Register(registry)
                        .Add({});
  auto& ended = BuildCounter()
                    .Name("agentgw_streams_total")
                    .Help("Streamed answers, by how they ended.")
                    .Register(registry);
  for (const Protocol protocol : {Protocol::kSse, Protocol::kGrpc}) {
    for (int end = 0; end < kStreamEnds; ++end) {
      streams[static_cast<int>(protocol)][end] =
          &ended.Add({{"protocol", Str(ProtocolName(protocol))},
                      {"end", Str(StreamEndName(StreamEnd(end)))}});
    }
  }
  rate_limited = &BuildCounter()
                      .Name("agentgw_ratelimited_total")
                      .Help("Requests refused by a bound on those in flight.")
                      .Register(registry)
                      .Add({});
  overhead = &BuildHistogram()
                  .Name("agentgw_overhead_seconds")
                  .Help("Added to the time to an answer's first byte.")
                  .Register(registry)
                  .Add({}, OverheadBuckets());
  telemetry_dropped = &BuildCounter()
                           .Name("agentgw_telemetry_dropped_total")
                           .Help("Request records that were dropped here.")
                           .Register(registry)
                           .Add({});
  AddBounds();
  duration = &BuildHistogram()
                  .Name("gen_ai_server_request_duration_seconds")
                  .Help("Whole answers, as clients saw them.")
                  .Register(registry);
  time_to_first_token = &BuildHistogram()
                             .Name("gen_ai_server_time_to_first_token_seconds")
                             .Help("Streams: to the first token.")
                             .Register(registry);
  time_per_output_token =
      &BuildHistogram()
           .Name("gen_ai_server_time_per_output_token_seconds")
           .Help("Streams: between tokens after the first.")
           .Register(registry);
}

void Metrics::Impl::Take(const Readings& now) {
  const auto set = [](Counter& counter, uint64_t value) {
    metrics::SetTotal(counter, static_cast<double>(value));
  };
  requests_in_flight->Set(static_cast<double>(now.requests_in_flight));
  body_bytes->Set(static_cast<double>(now.body_bytes));
  http_connections->Set(static_cast<double>(now.http_connections));
  set(*http_connections_refused, now.http_connections_refused);
  set(*http_refused, now.http_refused);
  set(*grpc_refused, now.grpc_refused);
  set(*http_body_timeouts, now.http_body_timeouts);
  set(*http_write_timeouts, now.http_write_timeouts);
  set(*grpc_write_timeouts, now.grpc_write_timeouts);
  set(*telemetry_dropped, now.telemetry_dropped);
}

void Metrics::Impl::AddBounds() {
  const auto gauge = [this](const char* name, const char* help) {
    return &BuildGauge().Name(name).Help(help).Register(registry).Add({});
  };
  requests_in_flight =
      gauge("agentgw_requests_in_flight", "Requests that are admitted now.");
  body_bytes = gauge("agentgw_body_bytes",
                     "Requests that are held now, over HTTP and gRPC.");
  http_connections = gauge("agentgw_http_connections",
                           "HTTP connections of clients that are open.");
  http_connections_refused =
      &BuildCounter()
           .Name("agentgw_http_connections_refused_total")
           .Help("HTTP connections over the bound on them.")
           .Register(registry)
           .Add({});
  auto& refused =
      BuildCounter()
          .Name("agentgw_refused_total")
          .Help(
              "Requests refused before they were looked at: over HTTP "
              "malformed, too large, too slow or beyond the bound on bytes "
              "held, over gRPC the last.")
          .Register(registry);
  http_refused = &refused.Add({{"protocol", "http"}});
  grpc_refused = &refused.Add({{"protocol", "grpc"}});
  http_body_timeouts =
      &BuildCounter()
           .Name("agentgw_body_timeouts_total")
           .Help("HTTP requests refused because their body came too slowly.")
           .Register(registry)
           .Add({});
  auto& timeouts =
      BuildCounter()
          .Name("agentgw_write_timeouts_total")
          .Help("Clients that took nothing of their answer for too long.")
          .Register(registry);
  http_write_timeouts = &timeouts.Add({{"protocol", "http"}});
  grpc_write_timeouts = &timeouts.Add({{"protocol", "grpc"}});
}

Metrics::Impl::AnswerSeries& Metrics::Impl::SeriesOf(const Answer& answer) {
  thread_local std::string key;
  key.clear();
  absl::StrAppend(&key, answer.provider, "\n", answer.request_model, "\n",
                  answer.response_model, "\n", answer.error_type);
  if (const auto it = answers.find(key); it != answers.end()) {
    return it->second;
  }
  const bool full = answers.size() >= kMaxAnswerSeries;
  const auto label = [full](absl::string_view value) {
    return value.empty() || full ? std::string("other") : Str(value);
  };
  std::map<std::string, std::string> labels = {
      {"operation", "chat"},
      {"provider", label(answer.provider)},
      {"request_model", label(answer.request_model)},
      {"response_model", label(answer.response_model)},
      {"error_type", Str(answer.error_type)}};
  const AnswerSeries series = {
      &duration->Add(labels, DurationBuckets()),
      &time_to_first_token->Add(labels, TokenBuckets()),
      &time_per_output_token->Add(labels, TokenBuckets())};
  // Beyond the bound all share one series, looked up anew each time.
  if (full) {
    thread_local AnswerSeries other;
    other = series;
    return other;
  }
  return answers.emplace(key, series).first->second;
}

Metrics::Metrics() : impl_(std::make_unique<Impl>()) {}
Metrics::~Metrics() = default;

void Metrics::RequestEnded(Protocol protocol, Method method, EndClass end) {
  Counter* const counter =
      impl_->requests[static_cast<int>(protocol)][static_cast<int>(method)]
                     [static_cast<int>(end)];
  if (counter != nullptr) counter->Increment();
}

void Metrics::RateLimited() { impl_->rate_limited->Increment(); }

void Metrics::StreamBegan() { impl_->streams_active->Increment(); }

void Metrics::StreamEnded(Protocol protocol, StreamEnd end) {
  impl_->streams_active->Decrement();
  impl_->streams[static_cast<int>(protocol)][static_cast<int>(end)]
      ->Increment();
}

void Metrics::Overhead(absl::Duration overhead) {
  impl_->overhead->Observe(
      absl::ToDoubleSeconds(std::max(overhead, absl::ZeroDuration())));
}

void Metrics::Answered(const Answer& answer) {
  Impl::AnswerSeries series;
  {
    MutexLock lock(impl_->mu);
    series = impl_->SeriesOf(answer);
  }
  series.duration->Observe(absl::ToDoubleSeconds(answer.duration));
  if (answer.time_to_first_token <= absl::ZeroDuration()) return;
  series.time_to_first_token->Observe(
      absl::ToDoubleSeconds(answer.time_to_first_token));
  if (answer.output_tokens > 1) {
    const absl::Duration rest = answer.duration - answer.time_to_first_token;
    series.time_per_output_token->Observe(absl::ToDoubleSeconds(rest) /
                                          (answer.output_tokens - 1));
  }
}

void Metrics::SetReadings(std::function<Readings()> readings) {
  MutexLock lock(impl_->mu);
  impl_->readings = std::move(readings);
}

std::vector<prometheus::MetricFamily> Metrics::Collect() const {
  {
    MutexLock lock(impl_->mu);
    if (impl_->readings) impl_->Take(impl_->readings());
  }
  return impl_->registry.Collect();
}

}  // namespace gateway::ingress
