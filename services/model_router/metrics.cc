#include "services/model_router/metrics.h"

#include <string>

#include "common/metrics/labelled.h"
#include "common/status/error.h"
#include "services/model_router/pricing.h"

namespace gateway::model_router {
namespace {

using metrics::CounterFamily;
using metrics::GaugeFamily;
using metrics::HistogramFamily;
using Buckets = prometheus::Histogram::BucketBoundaries;

constexpr const char* kClassNames[] = {"ok",       "caller",  "policy",
                                       "provider", "gateway", "cancelled"};

// first * factor^k for k = 0..13: what the GenAI conventions ask for.
Buckets Exponential(double first, double factor) {
  Buckets buckets;
  for (int k = 0; k < 14; ++k) {
    buckets.push_back(first);
    first *= factor;
  }
  return buckets;
}

}  // namespace

Metrics::Metrics(const Catalogue& catalogue)
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
      fallbacks_(CounterFamily(
          registry_, "agentgw_fallbacks_total",
          "Failed attempts after which another target was asked.")) {
  auto& attempts = CounterFamily(registry_, "agentgw_upstream_requests_total",
                                 "Attempts at providers that have ended.");
  auto& cost = CounterFamily(registry_, "agentgw_cost_nanousd_total",
                             "Cost at the price table's rates, 10^-9 USD.");
  auto& unpriced =
      CounterFamily(registry_, "agentgw_unpriced_attempts_total",
                    "Attempts with tokens whose price is not known.");
  auto& tokens = HistogramFamily(registry_, "gen_ai_client_token_usage",
                                 "Tokens of an attempt, by kind.");
  auto& duration =
      HistogramFamily(registry_, "gen_ai_client_operation_duration_seconds",
                      "From an attempt's begin to its end.");
  auto& first_token = HistogramFamily(
      registry_, "gen_ai_client_operation_time_to_first_chunk_seconds",
      "From an attempt's begin to its first token.");
  auto& per_token = HistogramFamily(
      registry_, "gen_ai_client_operation_time_per_output_chunk_seconds",
      "Between the tokens behind the first one.");
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
        of.attempts[i] = &attempts.Add(labels);
      }
      prometheus::Labels priced = own;
      priced["tier"] = "default";
      of.cost = &cost.Add(priced);
      of.unpriced = &unpriced.Add(own);
      prometheus::Labels gen_ai = {
          {"gen_ai_operation_name", "chat"},
          {"gen_ai_provider_name", target.provider->name},
          {"gen_ai_request_model", model->name},
          {"gen_ai_response_model", target.model}};
      of.duration = &duration.Add(gen_ai, second_buckets);
      of.first_token = &first_token.Add(gen_ai, second_buckets);
      of.per_token = &per_token.Add(gen_ai, second_buckets);
      gen_ai["gen_ai_token_type"] = "input";
      of.input_tokens = &tokens.Add(gen_ai, token_buckets);
      gen_ai["gen_ai_token_type"] = "output";
      of.output_tokens = &tokens.Add(gen_ai, token_buckets);
    }
  }
}

Metrics::Class Metrics::ClassOf(const absl::Status& status) {
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

void Metrics::OnAttemptBegun(const Target& target) { in_flight_.Increment(); }

void Metrics::OnAttemptEnded(const AttemptReport& report) {
  in_flight_.Decrement();
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
    skipped_events_.Increment(static_cast<double>(report.skipped_events));
  }
}

void Metrics::OnFallback(const Target& from, const Target& to,
                         absl::string_view reason) {
  // All from closed sets: the catalogue, and the list of reasons.
  fallbacks_
      .Add({{"from_model", from.row->name},
            {"to_model", to.row->name},
            {"reason", std::string(reason)}})
      .Increment();
}

void Metrics::SetSpool(int64_t bytes, int64_t dropped_rows) {
  spool_bytes_.Set(static_cast<double>(bytes));
  dropped_rows_.Set(static_cast<double>(dropped_rows));
}

}  // namespace gateway::model_router
