#include "services/model_router/metrics.h"

#include <algorithm>
#include <array>
#include <atomic>

#include "common/metrics/labelled.h"
#include "common/status/error.h"
#include "services/model_router/pricing.h"

namespace gateway::model_router {
namespace {

using metrics::CounterFamily;
using metrics::GaugeFamily;
using metrics::HistogramFamily;
using metrics::SetTotal;
using Buckets = prometheus::Histogram::BucketBoundaries;

// How an attempt ended: the label `class`.
enum Class { kOk, kCaller, kPolicy, kProvider, kGateway, kCancelled };
constexpr size_t kClasses = 6;
constexpr const char* kClassNames[kClasses] = {
    "ok", "caller", "policy", "provider", "gateway", "cancelled"};

// first * factor^k for k = 0..13: what the GenAI conventions ask for.
Buckets Exponential(double first, double factor) {
  Buckets buckets;
  for (int k = 0; k < 14; ++k) {
    buckets.push_back(first);
    first *= factor;
  }
  return buckets;
}

Class ClassOf(const absl::Status& status) {
  if (status.ok()) return kOk;
  if (absl::IsCancelled(status)) return kCancelled;
  switch (FaultOf(status)) {
    case Fault::FAULT_CALLER:
      return kCaller;
    case Fault::FAULT_POLICY:
      return kPolicy;
    case Fault::FAULT_PROVIDER:
      return kProvider;
    default:
      return kGateway;
  }
}

}  // namespace

// The metrics of one catalogue's targets.
class Metrics::OfCatalogue final : public RouteObserver {
 public:
  OfCatalogue(Metrics& metrics, const Catalogue& catalogue);

  void OnAttemptBegun(const Target& target) override;
  void OnAttemptEnded(const AttemptReport& report) override;
  void OnFallback(const Target& from, const Target& to,
                  absl::string_view reason) override;

 private:
  // The metrics of one target.
  struct OfTarget {
    std::array<prometheus::Counter*, kClasses> attempts;
    prometheus::Counter* cost = nullptr;
    prometheus::Counter* unpriced = nullptr;
    prometheus::Histogram* input_tokens = nullptr;
    prometheus::Histogram* output_tokens = nullptr;
    prometheus::Histogram* duration = nullptr;
    prometheus::Histogram* first_token = nullptr;
    prometheus::Histogram* per_token = nullptr;
  };

  Metrics& metrics_;
  std::vector<OfTarget> targets_;
};

// The connections to one provider.
class Metrics::OfClients {
 public:
  OfClients(prometheus::Registry& registry, const std::string& provider);

  const std::shared_ptr<http::ClientStats>& stats() const { return stats_; }
  // Shows what they have counted.
  void Read();

 private:
  const std::shared_ptr<http::ClientStats> stats_ =
      std::make_shared<http::ClientStats>();
  prometheus::Gauge& busy_;
  prometheus::Gauge& idle_;
  prometheus::Gauge& waiting_;
  prometheus::Counter& connects_;
  prometheus::Counter& connect_failures_;
  prometheus::Counter& reused_;
  prometheus::Counter& discarded_;
  prometheus::Counter& resends_;
};

Metrics::OfClients::OfClients(prometheus::Registry& registry,
                              const std::string& provider)
    : busy_(GaugeFamily(registry, "agentgw_upstream_connections",
                        "Connections to providers that are open.")
                .Add({{"provider", provider}, {"state", "busy"}})),
      idle_(GaugeFamily(registry, "agentgw_upstream_connections",
                        "Connections to providers that are open.")
                .Add({{"provider", provider}, {"state", "idle"}})),
      waiting_(GaugeFamily(registry, "agentgw_upstream_waiting",
                           "Attempts that wait for a connection to be free.")
                   .Add({{"provider", provider}})),
      connects_(CounterFamily(registry, "agentgw_upstream_connects_total",
                              "Connections begun.")
                    .Add({{"provider", provider}})),
      connect_failures_(
          CounterFamily(registry, "agentgw_upstream_connect_failures_total",
                        "Connections that failed or took too long.")
              .Add({{"provider", provider}})),
      reused_(CounterFamily(registry,
                            "agentgw_upstream_connections_reused_total",
                            "Attempts on a connection that was kept.")
                  .Add({{"provider", provider}})),
      discarded_(CounterFamily(registry,
                               "agentgw_upstream_connections_discarded_total",
                               "Kept connections found closed before use.")
                     .Add({{"provider", provider}})),
      resends_(CounterFamily(registry, "agentgw_retries_total",
                             "Requests sent again since a kept connection "
                             "died before the answer.")
                   .Add({{"provider", provider}})) {}

void Metrics::OfClients::Read() {
  const int64_t idle = stats_->idle_connections.load();
  const int64_t open = stats_->open_connections.load();
  // The two are not read as one.
  busy_.Set(static_cast<double>(std::max<int64_t>(open - idle, 0)));
  idle_.Set(static_cast<double>(idle));
  waiting_.Set(static_cast<double>(stats_->waiting.load()));
  SetTotal(connects_, static_cast<double>(stats_->connects.load()));
  SetTotal(connect_failures_,
           static_cast<double>(stats_->connect_failures.load()));
  SetTotal(reused_, static_cast<double>(stats_->reused.load()));
  SetTotal(discarded_, static_cast<double>(stats_->discarded.load()));
  SetTotal(resends_, static_cast<double>(stats_->silent_retries.load()));
}

Metrics::Metrics()
    : in_flight_(GaugeFamily(registry_, "agentgw_upstream_inflight",
                             "Attempts at providers that run now.")
                     .Add({})),
      spool_bytes_(GaugeFamily(registry_, "agentgw_usage_spool_bytes",
                               "Usage rows that wait for the ledger.")
                       .Add({})),
      dropped_rows_(GaugeFamily(registry_, "agentgw_usage_spool_dropped_rows",
                                "Usage rows lost since the start.")
                        .Add({})),
      skipped_events_(
          CounterFamily(registry_, "agentgw_upstream_skipped_events_total",
                        "Events of providers' streams that were no JSON.")
              .Add({})),
      lookups_(CounterFamily(registry_, "agentgw_dns_lookups_total",
                             "Lookups of providers' host names.")
                   .Add({})),
      failed_lookups_(CounterFamily(registry_, "agentgw_dns_failures_total",
                                    "Lookups that gave no address.")
                          .Add({})),
      refused_lookups_(
          CounterFamily(registry_, "agentgw_dns_refused_total",
                        "Host names not looked up: too many waited.")
              .Add({})),
      stale_lookups_(
          CounterFamily(registry_, "agentgw_dns_stale_total",
                        "Connections to addresses that a host name had before.")
              .Add({})),
      pending_lookups_(
          GaugeFamily(registry_, "agentgw_dns_pending",
                      "Host names that are looked up or wait for it.")
              .Add({})),
      fallbacks_(CounterFamily(
          registry_, "agentgw_fallbacks_total",
          "Failed attempts after which another target was asked.")),
      attempts_(CounterFamily(registry_, "agentgw_upstream_requests_total",
                              "Attempts at providers that have ended.")),
      cost_(CounterFamily(registry_, "agentgw_cost_nanousd_total",
                          "Cost at the price table's rates, 10^-9 USD.")),
      unpriced_(
          CounterFamily(registry_, "agentgw_unpriced_attempts_total",
                        "Attempts with tokens whose price is not known.")),
      tokens_(HistogramFamily(registry_, "gen_ai_client_token_usage",
                              "Tokens of an attempt, by kind.")),
      duration_(HistogramFamily(registry_,
                                "gen_ai_client_operation_duration_seconds",
                                "From an attempt's begin to its end.")),
      first_token_(HistogramFamily(
          registry_, "gen_ai_client_operation_time_to_first_chunk_seconds",
          "From an attempt's begin to its first token.")),
      per_token_(HistogramFamily(
          registry_, "gen_ai_client_operation_time_per_output_chunk_seconds",
          "Between the tokens behind the first one.")) {}

Metrics::~Metrics() = default;

std::shared_ptr<http::ClientStats> Metrics::ClientsOf(
    const std::string& provider) {
  MutexLock lock(mu_);
  std::unique_ptr<OfClients>& clients = clients_[provider];
  if (clients == nullptr) {
    clients = std::make_unique<OfClients>(registry_, provider);
  }
  return clients->stats();
}

std::vector<prometheus::MetricFamily> Metrics::Collect() {
  {
    MutexLock lock(mu_);
    for (const auto& [provider, clients] : clients_) clients->Read();
  }
  return registry_.Collect();
}

std::unique_ptr<RouteObserver> Metrics::Observe(const Catalogue& catalogue) {
  return std::make_unique<OfCatalogue>(*this, catalogue);
}

Metrics::OfCatalogue::OfCatalogue(Metrics& metrics, const Catalogue& catalogue)
    : metrics_(metrics) {
  const Buckets token_buckets = Exponential(1, 4);
  const Buckets second_buckets = Exponential(0.01, 2);

  targets_.resize(catalogue.target_count());
  for (const auto& model : catalogue.models()) {
    for (const Target& target : model->targets) {
      OfTarget& of = targets_[target.index];
      const prometheus::Labels own = {{"provider", target.provider->name},
                                      {"model", target.model}};
      for (size_t i = 0; i < kClasses; ++i) {
        prometheus::Labels labels = own;
        labels["class"] = kClassNames[i];
        of.attempts[i] = &metrics_.attempts_.Add(labels);
      }
      prometheus::Labels priced = own;
      priced["tier"] = "default";
      of.cost = &metrics_.cost_.Add(priced);
      of.unpriced = &metrics_.unpriced_.Add(own);
      prometheus::Labels gen_ai = {
          {"gen_ai_operation_name", "chat"},
          {"gen_ai_provider_name", target.provider->name},
          {"gen_ai_request_model", model->name},
          {"gen_ai_response_model", target.model}};
      of.duration = &metrics_.duration_.Add(gen_ai, second_buckets);
      of.first_token = &metrics_.first_token_.Add(gen_ai, second_buckets);
      of.per_token = &metrics_.per_token_.Add(gen_ai, second_buckets);
      gen_ai["gen_ai_token_type"] = "input";
      of.input_tokens = &metrics_.tokens_.Add(gen_ai, token_buckets);
      gen_ai["gen_ai_token_type"] = "output";
      of.output_tokens = &metrics_.tokens_.Add(gen_ai, token_buckets);
    }
  }
}

void Metrics::OfCatalogue::OnAttemptBegun(const Target& target) {
  metrics_.in_flight_.Increment();
}

void Metrics::OfCatalogue::OnAttemptEnded(const AttemptReport& report) {
  metrics_.in_flight_.Decrement();
  OfTarget& of = targets_[report.target.index];
  of.attempts[ClassOf(report.status)]->Increment();
  of.duration->Observe(absl::ToDoubleSeconds(report.elapsed));
  if (report.cost.priced()) {
    of.cost->Increment(static_cast<double>(report.cost.pico_usd()) / 1000);
  } else {
    of.unpriced->Increment();
  }
  const int64_t output = report.usage.output_tokens();
  if (output > 0 || report.status.ok()) {
    of.input_tokens->Observe(static_cast<double>(InputTokens(report.usage)));
    of.output_tokens->Observe(static_cast<double>(output));
  }
  if (report.first_token) {
    of.first_token->Observe(absl::ToDoubleSeconds(*report.first_token));
    if (output > 1 && report.status.ok()) {
      of.per_token->Observe(absl::ToDoubleSeconds(report.streamed) /
                            static_cast<double>(output - 1));
    }
  }
  if (report.skipped_events > 0) {
    metrics_.skipped_events_.Increment(
        static_cast<double>(report.skipped_events));
  }
}

void Metrics::OfCatalogue::OnFallback(const Target& from, const Target& to,
                                      absl::string_view reason) {
  // All from closed sets: the catalogue, and the list of reasons.
  metrics_.fallbacks_
      .Add({{"from_model", from.row->name},
            {"to_model", to.row->name},
            {"reason", std::string(reason)}})
      .Increment();
}

void Metrics::SetSpool(int64_t bytes, int64_t dropped_rows) {
  spool_bytes_.Set(static_cast<double>(bytes));
  dropped_rows_.Set(static_cast<double>(dropped_rows));
}

void Metrics::SetLookups(const Lookups& lookups) {
  SetTotal(lookups_, static_cast<double>(lookups.all));
  SetTotal(failed_lookups_, static_cast<double>(lookups.failed));
  SetTotal(refused_lookups_, static_cast<double>(lookups.refused));
  SetTotal(stale_lookups_, static_cast<double>(lookups.stale));
  pending_lookups_.Set(static_cast<double>(lookups.pending));
}

}  // namespace gateway::model_router
