#include "services/ingress/metrics.h"

#include <gtest/gtest.h>
#include <prometheus/text_serializer.h>

#include "common/status/error.h"

namespace gateway::ingress {
namespace {

std::string Text(const Metrics& metrics) {
  return prometheus::TextSerializer().Serialize(metrics.Collect());
}

bool Has(const std::string& text, absl::string_view line) {
  return ("\n" + text).find("\n" + std::string(line) + "\n") !=
         std::string::npos;
}

TEST(MetricsTest, CountsRequestsByHowTheyEnded) {
  Metrics metrics;
  metrics.RequestEnded(Protocol::kSse, Method::kChatCompletions,
                       EndClass::kProvider);
  EXPECT_TRUE(Has(Text(metrics),
                  "agentgw_requests_total{class=\"provider\","
                  "method=\"/v1/chat/completions\",protocol=\"sse\"} 1"));
}

TEST(MetricsTest, AClassIsTheFaultOfTheError) {
  EXPECT_EQ(EndClassOf(absl::OkStatus()), EndClass::kOk);
  EXPECT_EQ(EndClassOf(ClientClosed()), EndClass::kCancelled);
  EXPECT_EQ(EndClassOf(MakeError(reason::kInvalidJson, "")), EndClass::kCaller);
  EXPECT_EQ(EndClassOf(MakeError(reason::kInvalidApiKey, "")),
            EndClass::kPolicy);
  EXPECT_EQ(EndClassOf(MakeError(reason::kUpstreamTimeout, "")),
            EndClass::kProvider);
  EXPECT_EQ(EndClassOf(Draining()), EndClass::kGateway);
}

TEST(MetricsTest, FollowsStreams) {
  Metrics metrics;
  metrics.StreamBegan();
  metrics.StreamBegan();
  metrics.StreamEnded(Protocol::kGrpc, StreamEnd::kDrained);
  const std::string text = Text(metrics);
  EXPECT_TRUE(Has(text, "agentgw_streams_active 1"));
  EXPECT_TRUE(Has(text,
                  "agentgw_streams_total{end=\"drained\",protocol=\"grpc\"} "
                  "1"));
}

TEST(MetricsTest, WhatIsCountedElsewhereIsReadAtEachScrape) {
  Metrics metrics;
  Metrics::Readings now;
  metrics.SetReadings([&] { return now; });
  now.telemetry_dropped = 3;
  EXPECT_TRUE(Has(Text(metrics), "agentgw_telemetry_dropped_total 3"));
  now = {.requests_in_flight = 1,
         .body_bytes = 2,
         .http_connections = 3,
         .http_connections_refused = 4,
         .http_refused = 5,
         .grpc_refused = 6,
         .http_body_timeouts = 10,
         .http_write_timeouts = 7,
         .grpc_write_timeouts = 8,
         .telemetry_dropped = 9};
  const std::string text = Text(metrics);
  for (const char* line : {"agentgw_requests_in_flight 1",
                           "agentgw_body_bytes 2", "agentgw_http_connections 3",
                           "agentgw_http_connections_refused_total 4",
                           "agentgw_refused_total{protocol=\"http\"} 5",
                           "agentgw_refused_total{protocol=\"grpc\"} 6",
                           "agentgw_body_timeouts_total 10",
                           "agentgw_write_timeouts_total{protocol=\"http\"} 7",
                           "agentgw_write_timeouts_total{protocol=\"grpc\"} 8",
                           "agentgw_telemetry_dropped_total 9"}) {
    EXPECT_TRUE(Has(text, line)) << line;
  }
}

TEST(MetricsTest, NamesAnswersAsTheConventionDoes) {
  Metrics metrics;
  metrics.Answered({.provider = "openai",
                    .request_model = "m",
                    .response_model = "m-1",
                    .duration = absl::Seconds(3),
                    .time_to_first_token = absl::Seconds(1),
                    .output_tokens = 5});
  const std::string text = Text(metrics);
  const std::string labels =
      "{error_type=\"\",operation=\"chat\",provider=\"openai\","
      "request_model=\"m\",response_model=\"m-1\"}";
  EXPECT_TRUE(
      Has(text, "gen_ai_server_request_duration_seconds_sum" + labels + " 3"));
  EXPECT_TRUE(Has(
      text, "gen_ai_server_time_to_first_token_seconds_sum" + labels + " 1"));
  EXPECT_TRUE(Has(text, "gen_ai_server_time_per_output_token_seconds_sum" +
                            labels + " 0.5"));
}

TEST(MetricsTest, UnknownNamesAreOther) {
  Metrics metrics;
  metrics.Answered({.error_type = "unavailable"});
  EXPECT_TRUE(Has(Text(metrics),
                  "gen_ai_server_request_duration_seconds_count{error_type="
                  "\"unavailable\",operation=\"chat\",provider=\"other\","
                  "request_model=\"other\",response_model=\"other\"} 1"));
}

}  // namespace
}  // namespace gateway::ingress
