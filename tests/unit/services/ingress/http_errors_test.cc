#include "services/ingress/http_errors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/status/error.h"

namespace gateway::ingress {
namespace {

TEST(HttpErrorsTest, HasTheShapeOfOpenAi) {
  const http::Response response = ErrorResponse(
      InvalidParameter("messages[0].role", "no such role"), "req_1");
  EXPECT_EQ(response.status, 400);
  EXPECT_EQ(response.body,
            R"({"error":{"message":"no such role",)"
            R"("type":"invalid_request_error","param":"messages[0].role",)"
            R"("code":"invalid_value"}})");
  EXPECT_EQ(response.headers.Find("content-type"), "application/json");
  EXPECT_EQ(response.headers.Find("x-request-id"), "req_1");
  EXPECT_FALSE(response.headers.Has("retry-after"));
  EXPECT_FALSE(response.headers.Has("x-should-retry"));
}

TEST(HttpErrorsTest, AdvisesARetry) {
  const http::Response response =
      ErrorResponse(MakeError(reason::kSessionBusy, "busy")
                        .RetryAfter(absl::Milliseconds(1500)),
                    "req_1");
  EXPECT_EQ(response.status, 409);
  EXPECT_EQ(response.headers.Find("retry-after"), "2");
  EXPECT_EQ(response.headers.Find("retry-after-ms"), "1500");
  EXPECT_EQ(response.headers.Find("x-should-retry"), "true");
}

TEST(HttpErrorsTest, AdvisesAgainstARetry) {
  const http::Response response =
      ErrorResponse(MakeError(reason::kSessionNotSaved, "lost"), "req_1");
  EXPECT_EQ(response.status, 500);
  EXPECT_EQ(response.headers.Find("x-should-retry"), "false");
  EXPECT_FALSE(response.headers.Has("retry-after"));
}

TEST(HttpErrorsTest, TheServersOwnRefusalsHaveTheSameShape) {
  Metrics metrics;
  HttpErrorRenderer renderer(&metrics);
  const struct {
    int status;
    absl::string_view type;
    absl::string_view code;
  } kCases[] = {
      {400, "invalid_request_error", "invalid_request"},
      {408, "invalid_request_error", "request_timeout"},
      {413, "invalid_request_error", "request_too_large"},
      {431, "invalid_request_error", "headers_too_large"},
      {501, "server_error", "unimplemented"},
      {503, "overloaded_error", "overloaded"},
      {505, "invalid_request_error", "invalid_request"},
  };
  for (const auto& c : kCases) {
    const http::Response response =
        renderer.Render({c.status, "x", "text"}, nullptr);
    EXPECT_EQ(response.status, c.status);
    EXPECT_EQ(response.body,
              absl::StrCat(R"({"error":{"message":"text","type":")", c.type,
                           R"(","param":null,"code":")", c.code, R"("}})"));
    EXPECT_THAT(std::string(*response.headers.Find("x-request-id")),
                ::testing::StartsWith("req_"));
    EXPECT_EQ(response.headers.Has("retry-after"), c.status == 503);
  }
}

}  // namespace
}  // namespace gateway::ingress
