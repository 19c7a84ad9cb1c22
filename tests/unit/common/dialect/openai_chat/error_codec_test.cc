#include "common/dialect/openai_chat/error_codec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "common/status/error.h"
#include "common/status/http_status.h"
#include "tests/unit/common/dialect/json_normal.h"

namespace gateway::dialect::openai_chat {
namespace {

struct ErrorCase {
  std::string name;
  int http_status;
  std::string body;
  // What it means, and what the caller sees.
  ProviderErrorKind kind;
  std::string reason;
  int shown_status;
};

class ErrorCodecTest : public testing::TestWithParam<ErrorCase> {};

TEST_P(ErrorCodecTest, IsClassifiedAndShown) {
  ProviderReply reply;
  reply.http_status = GetParam().http_status;
  reply.body = GetParam().body;
  const ProviderError error = DecodeError(reply);
  EXPECT_EQ(ProviderErrorKindName(error.kind),
            ProviderErrorKindName(GetParam().kind));
  EXPECT_EQ(ReasonOf(error.status), GetParam().reason);
  EXPECT_EQ(HttpStatusOf(error.status), GetParam().shown_status)
      << error.status;
  EXPECT_FALSE(error.status.message().empty());
  EXPECT_EQ(error.status.message().find("sk-"), std::string::npos);
}

using Kind = ProviderErrorKind;
INSTANTIATE_TEST_SUITE_P(
    Bodies, ErrorCodecTest,
    testing::Values(
        ErrorCase{
            "BadKey", 401,
            R"({"error":{"message":"Incorrect API key provided: sk-abc","type":"invalid_request_error","param":null,"code":"invalid_api_key"}})",
            Kind::kKeyRefused, "upstream_bad_response", 502},
        ErrorCase{"Forbidden", 403, "", Kind::kKeyRefused,
                  "upstream_bad_response", 502},
        ErrorCase{
            "BadRequest", 400,
            R"({"error":{"message":"Invalid image.","type":"invalid_request_error","param":"messages.0","code":"invalid_image"}})",
            Kind::kRejected, "upstream_rejected", 400},
        ErrorCase{
            "KnownReason", 400,
            R"({"error":{"message":"No such thing.","type":"invalid_request_error","param":"top_p","code":"unsupported_parameter"}})",
            Kind::kRejected, "unsupported_parameter", 400},
        // Not every name the gateway knows is the provider's to use.
        ErrorCase{"BorrowedReason", 400,
                  R"({"error":{"message":"x","code":"session_busy"}})",
                  Kind::kRejected, "upstream_rejected", 400},
        ErrorCase{"Unprocessable", 422, R"({"detail":"x"})", Kind::kRejected,
                  "upstream_rejected", 422},
        ErrorCase{"TooLarge", 413, "<html>", Kind::kRejected,
                  "request_too_large", 413},
        ErrorCase{"NoSuchModel", 404,
                  R"({"error":{"message":"m","code":"model_not_found"}})",
                  Kind::kRejected, "upstream_bad_response", 502},
        ErrorCase{
            "Context", 400,
            R"({"error":{"message":"too long","code":"context_length_exceeded","param":"messages"}})",
            Kind::kContextLength, "context_length_exceeded", 400},
        ErrorCase{
            "ContextByText", 400,
            R"({"object":"error","message":"This model's maximum context length is 4096 tokens.","type":"BadRequestError","code":400})",
            Kind::kContextLength, "context_length_exceeded", 400},
        ErrorCase{
            "ContextOfLlamaServer", 400,
            R"({"error":{"code":400,"message":"the request exceeds the available context size","type":"exceed_context_size_error"}})",
            Kind::kContextLength, "context_length_exceeded", 400},
        ErrorCase{"Filter", 400,
                  R"({"error":{"message":"filtered","code":"content_filter"}})",
                  Kind::kContentFilter, "content_filter", 400},
        ErrorCase{
            "RateLimit", 429,
            R"({"error":{"message":"slow down","type":"requests","code":"rate_limit_exceeded"}})",
            Kind::kRateLimited, "rate_limit_exceeded", 429},
        ErrorCase{"Quota", 429,
                  R"({"error":{"message":"pay","code":"insufficient_quota"}})",
                  Kind::kOutOfQuota, "upstream_bad_response", 502},
        ErrorCase{"Payment", 402, "", Kind::kOutOfQuota,
                  "upstream_bad_response", 502},
        ErrorCase{"Text", 500, R"({"error":"out of memory"})", Kind::kTransient,
                  "upstream_bad_response", 502},
        ErrorCase{
            "Number", 500,
            R"({"error":{"code":500,"message":"x","type":"server_error"}})",
            Kind::kTransient, "upstream_bad_response", 502},
        ErrorCase{"Html", 502, "<html><body>Bad Gateway</body></html>",
                  Kind::kTransient, "upstream_bad_response", 502},
        ErrorCase{"Empty", 503, "", Kind::kTransient, "upstream_unavailable",
                  503},
        ErrorCase{"Invalid", 503, "{\"error\":\"\x80", Kind::kTransient,
                  "upstream_unavailable", 503},
        ErrorCase{"Overloaded", 529, R"({"error":{"type":"overloaded_error"}})",
                  Kind::kOverloaded, "upstream_unavailable", 503},
        ErrorCase{"SlowDown", 503,
                  R"({"error":{"code":"slow_down","message":"m"}})",
                  Kind::kOverloaded, "upstream_unavailable", 503},
        ErrorCase{"Timeout", 504, "", Kind::kTransient, "upstream_timeout",
                  504},
        ErrorCase{"Wrapped", 429, R"([{"error":{"code":429,"message":"x"}}])",
                  Kind::kRateLimited, "rate_limit_exceeded", 429}),
    [](const auto& info) { return info.param.name; });

TEST(ErrorCodecTest, TellsWhichMemberAnErrorIsAbout) {
  const auto about = [](const std::string& body) {
    ProviderReply reply;
    reply.http_status = 400;
    reply.body = body;
    return IsAbout(reply, "stream_options");
  };
  const auto error = [](const std::string& members) {
    return "{\"error\":{" + members + "}}";
  };
  EXPECT_TRUE(about(error(R"("message":"no","param":"stream_options")")));
  EXPECT_TRUE(
      about(error(R"("message":"no","param":"stream_options.include_usage")")));
  EXPECT_TRUE(about(
      error(R"("message":"Unrecognized request argument: stream_options")")));
  // Servers that repeat what they were sent, in words or as JSON.
  EXPECT_TRUE(about(
      R"({"detail":[{"type":"extra_forbidden","loc":["body","stream_options"],"msg":"Extra inputs are not permitted","input":{}}]})"));
  EXPECT_FALSE(about(
      R"({"detail":[{"type":"missing","loc":["body","messages",0,"role"],"msg":"Field required","input":{"stream_options":{}}}]})"));
  EXPECT_TRUE(about(
      R"({"message":"[{'loc': ('body', 'stream_options'), 'msg': 'Extra inputs', 'input': {}}]"})"));
  EXPECT_FALSE(about(
      R"({"message":"[{'loc': ('body', 'n'), 'msg': 'x', 'input': {'stream_options': {}}}]"})"));
  EXPECT_FALSE(
      about(error(R"("message":"n: bad [input_value={'stream_options'")")));
  EXPECT_FALSE(about(error(R"("message":"no","param":"stream")")));
  EXPECT_FALSE(about("<p>stream_options</p>"));
}

TEST(ErrorCodecTest, PassesTheValidatorsWordsOn) {
  ProviderReply reply;
  reply.http_status = 422;
  reply.body =
      R"({"detail":[{"type":"missing","loc":["body","messages",0,"role"],"msg":"Field required","input":{}}]})";
  const ProviderError error = DecodeError(reply);
  EXPECT_EQ(error.status.message(), "Field required");
  EXPECT_EQ(DetailOf(error.status)->param(), "messages.0.role");
}

TEST(ErrorCodecTest, SaysWhoseFaultItIs) {
  ProviderReply reply;
  reply.http_status = 429;
  EXPECT_EQ(FaultOf(DecodeError(reply).status), common::v1::FAULT_PROVIDER);
  reply.http_status = 400;
  EXPECT_EQ(FaultOf(DecodeError(reply).status), common::v1::FAULT_CALLER);
  reply.http_status = 401;
  EXPECT_EQ(FaultOf(DecodeError(reply).status), common::v1::FAULT_PROVIDER);
  EXPECT_FALSE(IsRetryable(DecodeError(reply).status));
}

TEST(ErrorCodecTest, PassesTheProvidersDelayOn) {
  ProviderReply reply;
  reply.http_status = 429;
  reply.retry_after = "7";
  ProviderError error = DecodeError(reply);
  EXPECT_EQ(error.retry_after, absl::Seconds(7));
  EXPECT_EQ(DetailOf(error.status)->retry_delay().seconds(), 7);
  reply.retry_after_ms = "250";
  EXPECT_EQ(DecodeError(reply).retry_after, absl::Milliseconds(250));
}

TEST(ErrorCodecTest, BoundsTheProvidersWords) {
  const std::string body = "{\"error\":{\"message\":\"" +
                           std::string(100'000, 'x') + "\",\"code\":\"" +
                           std::string(1000, 'c') + "\"}}";
  ProviderReply reply;
  reply.http_status = 400;
  reply.body = body;
  const ProviderError error = DecodeError(reply);
  EXPECT_LT(error.status.message().size(), 2100u);
  EXPECT_LT(error.code.size(), 70u);
}

TEST(ErrorCodecTest, EncodesAllFourKeys) {
  EXPECT_EQ(
      EncodeError(MakeError(reason::kContextLengthExceeded, "Too \"long\".")),
      R"({"error":{"message":"Too \"long\".","type":"invalid_request_error","param":null,"code":"context_length_exceeded"}})");
  EXPECT_EQ(
      EncodeError(MakeError(reason::kInvalidType, "x").Param("messages[0]")),
      R"({"error":{"message":"x","type":"invalid_request_error","param":"messages[0]","code":"invalid_type"}})");
  // One that nobody dressed.
  EXPECT_EQ(
      NormalJson(EncodeError(absl::UnavailableError("peer"))),
      R"({"error":{"code":"unavailable","message":"peer","type":"overloaded_error"}})");
}

}  // namespace
}  // namespace gateway::dialect::openai_chat
