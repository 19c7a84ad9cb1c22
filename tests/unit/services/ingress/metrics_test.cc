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

TEST(MetricsTest, DropsOfTelemetryAreReadAtEachScrape) {
  Metrics metrics;
  int64_t dropped = 3;
  metrics.SetTelemetryDropped([&] { return dropped; });
  EXPECT_TRUE(Has(Text(metrics), "agentgw_telemetry_dropped_total 3"));
  dropped = 5;
  EXPECT_TRUE(Has(Text(metrics), "agentgw_telemetry_dropped_total 5"));
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
