#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <prometheus/text_serializer.h>

#include <atomic>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "common/status/error.h"
#include "tests/integration/http_reply.h"
#include "tests/integration/ingress_fixture.h"
#include "tests/unit/common/http/raw_socket.h"

namespace gateway::ingress {
namespace {

using http::RawSocket;
using metrics_collector::v1::RequestRecord;
using model_router::v1::RouteEvent;
using model_router::v1::RouteRequest;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::Not;
using ::testing::StartsWith;

constexpr char kBody[] =
    R"({"model":"m","messages":[{"role":"user","content":"hi"}]})";
constexpr char kStreamBody[] =
    R"({"model":"m","stream":true,)"
    R"("messages":[{"role":"user","content":"hi"}]})";

std::string ErrorJson(absl::string_view message, absl::string_view type,
                      absl::string_view param, absl::string_view code) {
  return absl::StrCat(R"({"error":{"message":")", message, R"(","type":")",
                      type, R"(","param":)",
                      param.empty() ? "null" : absl::StrCat("\"", param, "\""),
                      R"(,"code":")", code, R"("}})");
}

class IngressHttpTest : public IngressFixture {
 protected:
  static std::string Head(absl::string_view verb, absl::string_view path,
                          size_t body_size, absl::string_view more = "") {
    std::string head =
        absl::StrCat(verb, " ", path, " HTTP/1.1\r\nhost: a\r\n");
    if (!absl::StrContains(more, "authorization")) {
      absl::StrAppend(&head, "authorization: Bearer secret\r\n");
    }
    if (verb == "POST") {
      absl::StrAppend(&head, "content-type: application/json\r\n",
                      "content-length: ", body_size, "\r\n");
    }
    return absl::StrCat(head, more, "\r\n");
  }

  RawSocket Connect() {
    return RawSocket::Connect(static_cast<uint16_t>(server_->http_port()));
  }

  HttpReply Ask(absl::string_view verb, absl::string_view path,
                absl::string_view body = "", absl::string_view more = "") {
    RawSocket socket = Connect();
    socket.Send(absl::StrCat(Head(verb, path, body.size(),
                                  absl::StrCat("connection: close\r\n", more)),
                             body));
    return ParseReply(socket.ReceiveAll());
  }

  HttpReply Chat(absl::string_view body, absl::string_view more = "") {
    return Ask("POST", "/v1/chat/completions", body, more);
  }

  // Sends a chat and leaves the answer on its way.
  RawSocket Begin(absl::string_view body, absl::string_view more = "") {
    RawSocket socket = Connect();
    socket.Send(absl::StrCat(
        Head("POST", "/v1/chat/completions", body.size(), more), body));
    return socket;
  }

  void ExpectError(const HttpReply& reply, int status, absl::string_view body) {
    EXPECT_EQ(reply.status, status);
    EXPECT_EQ(reply.body, body);
    EXPECT_EQ(reply.header("content-type"), "application/json");
    EXPECT_THAT(reply.header("x-request-id"), MatchesRegex("req_[0-9a-f]{32}"));
  }
  static void ExpectRetry(const HttpReply& reply) {
    EXPECT_EQ(reply.header("retry-after"), "1");
    EXPECT_EQ(reply.header("retry-after-ms"), "1000");
    EXPECT_EQ(reply.header("x-should-retry"), "true");
  }
};

TEST_F(IngressHttpTest, AnAddressInUseStopsTheStart) {
  Start();
  for (const bool http : {true, false}) {
    Options options = options_;
    auto& taken = http ? options.service.http : options.service.grpc;
    taken.port = static_cast<uint16_t>(http ? server_->http_port()
                                            : server_->grpc_port());
    auto second = Server::Create(options, {.io = &io_});
    second->UsePeers({.router = &router_,
                      .sessions = &store_,
                      .batches = &batches_,
                      .telemetry = &telemetry_});
    const absl::Status started = second->Start();
    EXPECT_TRUE(absl::IsUnavailable(started)) << started;
    EXPECT_THAT(std::string(started.message()),
                HasSubstr(absl::StrCat(taken.port)));
    second->Stop();
    EXPECT_FALSE(second->CollectMetrics().empty());
  }
}

TEST_F(IngressHttpTest, AWholeAnswerIsJson) {
  Start();
  const HttpReply reply = Chat(kBody);
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.body, AnswerBody("hello"));
  EXPECT_EQ(reply.header("content-type"), "application/json");
  const auto records = AwaitRecords(1);
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0].request_id(), reply.header("x-request-id"));
  EXPECT_EQ(records[0].outcome(), metrics_collector::v1::OUTCOME_COMPLETED);
  const auto requests = router_.requests();
  ASSERT_EQ(requests.size(), 1u);
  // The client's own bytes.
  EXPECT_EQ(requests[0].encoded().body(), kBody);
  EXPECT_EQ(requests[0].encoded().dialect(), "openai_chat");
  EXPECT_FALSE(requests[0].encoded().stream());
}

TEST_F(IngressHttpTest, AStreamIsServerSentEvents) {
  Start();
  router_.OnRoute(AnswerScript("a b"));
  const HttpReply reply = Chat(kStreamBody);
  EXPECT_EQ(reply.status, 200);
  EXPECT_TRUE(reply.whole);
  EXPECT_EQ(reply.body,
            absl::StrCat(ChunkFrame("a"), ChunkFrame("b"), kDoneFrame));
  EXPECT_EQ(reply.header("content-type"), "text/event-stream; charset=utf-8");
  EXPECT_EQ(reply.header("cache-control"), "no-cache");
  EXPECT_EQ(reply.header("x-accel-buffering"), "no");
  EXPECT_THAT(reply.header("x-request-id"), StartsWith("req_"));
}

TEST_F(IngressHttpTest, AConnectionIsUsedAgain) {
  Start();
  RawSocket socket = Connect();
  for (int i = 0; i < 3; ++i) {
    socket.Send(absl::StrCat(
        Head("POST", "/v1/chat/completions", sizeof(kBody) - 1), kBody));
    EXPECT_EQ(ParseReply(socket.ReceiveMessage()).body, AnswerBody("hello"));
  }
}

TEST_F(IngressHttpTest, WithoutStreamingTheFormIsAStreamStill) {
  options_.exchange.streaming = false;
  Start();
  router_.OnRoute(AnswerScript("a b"));
  const HttpReply reply = Chat(kStreamBody);
  EXPECT_EQ(reply.header("content-type"), "text/event-stream; charset=utf-8");
  EXPECT_EQ(reply.body,
            absl::StrCat(ChunkFrame("a"), ChunkFrame("b"), kDoneFrame));
}

TEST_F(IngressHttpTest, ASilentStreamIsKeptAliveByComments) {
  options_.heartbeat_interval = absl::Milliseconds(30);
  Start();
  router_.OnRoute(HangScript());
  RawSocket socket = Begin(kStreamBody);
  const std::string seen = socket.ReceiveUntil(": ping\n\r\n");
  EXPECT_THAT(seen, HasSubstr("HTTP/1.1 200"));
  // One newline: an empty line would make an event of it.
  EXPECT_THAT(seen, Not(HasSubstr(": ping\n\n")));
  EXPECT_THAT(socket.ReceiveUntil(": ping\n\r\n"), HasSubstr(": ping\n"));
}

TEST_F(IngressHttpTest, TheFirstHeartbeatSendsTheHead) {
  options_.heartbeat_interval = absl::Milliseconds(30);
  Start();
  router_.OnRoute([](const auto&, auto& sink) -> Awaitable<absl::Status> {
    co_await RealClock()->SleepFor(absl::Milliseconds(100));
    model_router::v1::RouteEvent failed =
        FailedEvent(MakeError(reason::kUpstreamTimeout, "late"));
    co_return co_await sink.Write(std::move(failed));
  });
  const HttpReply reply = Chat(kStreamBody);
  EXPECT_EQ(reply.status, 200);
  EXPECT_THAT(reply.body, StartsWith(": ping\n"));
  EXPECT_THAT(
      reply.body,
      HasSubstr(absl::StrCat(
          "data: ", ErrorJson("late", "timeout_error", "", "upstream_timeout"),
          "\n\n")));
  EXPECT_THAT(reply.body, Not(HasSubstr("[DONE]")));
}

TEST_F(IngressHttpTest, InvalidJsonIsRefused) {
  Start();
  const HttpReply reply = Chat("{\"model\":");
  EXPECT_EQ(reply.status, 400);
  EXPECT_THAT(reply.body,
              MatchesRegex(R"(\{"error":\{"message":".+",)"
                           R"("type":"invalid_request_error","param":null,)"
                           R"("code":"invalid_json"\}\})"));
  EXPECT_TRUE(router_.requests().empty());
  const auto records = AwaitRecords(1);
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0].error_class(), "caller");
}

TEST_F(IngressHttpTest, BadBodiesNameTheField) {
  Start();
  const struct {
    absl::string_view body;
    absl::string_view param;
    absl::string_view code;
  } kCases[] = {
      {R"({"messages":[{"role":"user","content":"a"}]})", "model",
       "missing_required_parameter"},
      {R"({"model":"m"})", "messages", "missing_required_parameter"},
      {R"({"model":7,"messages":[{"role":"user","content":"a"}]})", "model",
       "invalid_type"},
      {R"({"model":"m","messages":{}})", "messages", "invalid_type"},
      {R"({"model":"m","stream":"yes","messages":[{"role":"user"}]})", "stream",
       "invalid_type"},
      {R"({"model":"m","model":"n","messages":[{"role":"user"}]})", "model",
       "duplicate_key"},
      {R"({"model":"m","m\u006fdel":"n","messages":[{"role":"user"}]})",
       "model", "duplicate_key"},
  };
  for (const auto& c : kCases) {
    const HttpReply reply = Chat(c.body);
    EXPECT_EQ(reply.status, 400) << c.body;
    EXPECT_THAT(reply.body,
                AllOf(StartsWith(R"({"error":{"message":")"),
                      HasSubstr(absl::StrCat(
                          R"(","type":"invalid_request_error","param":")",
                          c.param, R"(","code":")", c.code, R"("}})"))))
        << c.body;
  }
  const HttpReply empty = Chat(R"({"model":"m","messages":[]})");
  EXPECT_EQ(empty.status, 400);
  EXPECT_THAT(empty.body, HasSubstr(R"("param":"messages")"));
  EXPECT_TRUE(router_.requests().empty());
}

TEST_F(IngressHttpTest, AnUnknownModelIsNotFound) {
  Start();
  const HttpReply reply =
      Chat(R"({"model":"gone","messages":[{"role":"user","content":"a"}]})");
  EXPECT_EQ(reply.status, 404);
  EXPECT_THAT(reply.body, HasSubstr(R"("type":"not_found_error","param":)"));
  EXPECT_THAT(reply.body, HasSubstr(R"("code":"model_not_found"}})"));
}

TEST_F(IngressHttpTest, AModelThatIsNotOfTheKeyIsRefused) {
  Start();
  const HttpReply reply =
      Chat(R"({"model":"org/m","messages":[{"role":"user","content":"a"}]})",
           "authorization: Bearer guest\r\n");
  EXPECT_EQ(reply.status, 403);
  EXPECT_THAT(reply.body, HasSubstr(R"("type":"permission_error")"));
  EXPECT_THAT(reply.body, HasSubstr(R"("code":"model_not_allowed"}})"));
}

TEST_F(IngressHttpTest, AWrongOrMissingKeyIsRefused) {
  Start();
  ExpectError(Chat(kBody, "authorization: Bearer guess\r\n"), 401,
              ErrorJson("The API key is not valid.", "authentication_error", "",
                        "invalid_api_key"));
  ExpectError(Chat(kBody, "authorization: Basic c2VjcmV0\r\n"), 401,
              ErrorJson("No API key was sent. Send it as `Authorization: "
                        "Bearer KEY`, `x-api-key` or `api-key`.",
                        "authentication_error", "", "invalid_api_key"));
  EXPECT_EQ(Ask("GET", "/v1/models", "", "authorization: Bearer x\r\n").status,
            401);
  EXPECT_TRUE(router_.requests().empty());
}

TEST_F(IngressHttpTest, TheKeyMayComeInAnyOfThreeHeaders) {
  Start();
  for (const char* header : {"authorization: Bearer secret\r\n",
                             "authorization: none\r\nx-api-key: secret\r\n",
                             "authorization: none\r\napi-key: secret\r\n"}) {
    EXPECT_EQ(Chat(kBody, header).status, 200) << header;
  }
}

TEST_F(IngressHttpTest, ALargeBodyIsNotReadForAStranger) {
  Start();
  RawSocket socket = Connect();
  // The body never comes.
  socket.Send(Head("POST", "/v1/chat/completions", 20 << 20,
                   "authorization: Bearer guess\r\n"));
  const HttpReply reply = ParseReply(socket.ReceiveMessage());
  EXPECT_EQ(reply.status, 401);
  EXPECT_EQ(reply.header("connection"), "close");
}

TEST_F(IngressHttpTest, ABodyBeyondTheLimitIsRefused) {
  options_.service.max_body_bytes = 1000;
  Start();
  const std::string large(1001, ' ');
  ExpectError(Chat(large), 413,
              ErrorJson("The request body is too large.",
                        "invalid_request_error", "", "request_too_large"));
}

TEST_F(IngressHttpTest, HeadersBeyondTheLimitAreRefused) {
  options_.http.max_header_bytes = 1000;
  Start();
  const std::string large =
      absl::StrCat("x-a: ", std::string(1000, 'a'), "\r\n");
  ExpectError(Chat(kBody, large), 431,
              ErrorJson("The request headers are too large.",
                        "invalid_request_error", "", "headers_too_large"));
}

TEST_F(IngressHttpTest, HeadersThatComeTooSlowlyAreRefused) {
  options_.http.header_timeout = absl::Milliseconds(50);
  Start();
  RawSocket socket = Connect();
  socket.Send("POST /v1/chat/completions HTTP/1.1\r\nhost:");
  ExpectError(ParseReply(socket.ReceiveAll()), 408,
              ErrorJson("The request came too slowly.", "invalid_request_error",
                        "", "request_timeout"));
}

TEST_F(IngressHttpTest, WhatIsNoHttpIsRefused) {
  Start();
  RawSocket socket = Connect();
  socket.Send("nonsense\r\n\r\n");
  const HttpReply reply = ParseReply(socket.ReceiveAll());
  EXPECT_EQ(reply.status, 400);
  EXPECT_THAT(reply.body, HasSubstr(R"("code":"invalid_request"}})"));
}

TEST_F(IngressHttpTest, AnUnknownPathIsNotFound) {
  Start();
  ExpectError(Ask("GET", "/v1/nothing?key=secret"), 404,
              ErrorJson("There is nothing at GET /v1/nothing.",
                        "not_found_error", "", "not_found"));
  ExpectError(Ask("POST", "/v1/chat", kBody), 404,
              ErrorJson("There is nothing at POST /v1/chat.", "not_found_error",
                        "", "not_found"));
}

TEST_F(IngressHttpTest, AWrongMethodIsRefusedWithTheRightOne) {
  Start();
  const HttpReply chat = Ask("GET", "/v1/chat/completions");
  ExpectError(chat, 405,
              ErrorJson("GET is not allowed on /v1/chat/completions.",
                        "invalid_request_error", "", "method_not_allowed"));
  EXPECT_EQ(chat.header("allow"), "POST");
  const HttpReply models = Ask("POST", "/v1/models", "{}");
  EXPECT_EQ(models.status, 405);
  EXPECT_EQ(models.header("allow"), "GET");
}

TEST_F(IngressHttpTest, ListsTheModelsOfTheKey) {
  Start();
  const std::string m =
      R"({"id":"m","object":"model","created":1790000000,"owned_by":"fake"})";
  const std::string org =
      R"({"id":"org/m","object":"model","created":1790000000,)"
      R"("owned_by":"fake"})";
  EXPECT_EQ(Ask("GET", "/v1/models").body,
            absl::StrCat(R"({"object":"list","data":[)", m, ",", org, "]}"));
  EXPECT_EQ(
      Ask("GET", "/v1/models", "", "authorization: Bearer guest\r\n").body,
      absl::StrCat(R"({"object":"list","data":[)", m, "]}"));
  EXPECT_EQ(Ask("GET", "/v1/models/m").body, m);
  EXPECT_EQ(Ask("GET", "/v1/models/org/m").body, org);
  EXPECT_EQ(Ask("GET", "/v1/models/org%2Fm").body, org);
  const HttpReply absent = Ask("GET", "/v1/models/gone");
  EXPECT_EQ(absent.status, 404);
  EXPECT_THAT(absent.body, HasSubstr(R"("code":"model_not_found"}})"));
  EXPECT_EQ(
      Ask("GET", "/v1/models/org/m", "", "authorization: Bearer guest\r\n")
          .status,
      404);
}

TEST_F(IngressHttpTest, AFullKeyIsToldToWait) {
  Start();
  router_.OnRoute(HangScript());
  RawSocket first = Begin(kBody, "authorization: Bearer guest\r\n");
  ASSERT_TRUE(Eventually([&] { return router_.running() == 1; }));
  const HttpReply reply = Chat(kBody, "authorization: Bearer guest\r\n");
  ExpectError(reply, 429,
              ErrorJson("This API key has too many requests in flight.",
                        "rate_limit_error", "", "rate_limit_exceeded"));
  ExpectRetry(reply);
  first.Close();
  ASSERT_TRUE(Eventually([&] { return router_.running() == 0; }));
  router_.OnRoute(AnswerScript("hello"));
  EXPECT_EQ(Chat(kBody, "authorization: Bearer guest\r\n").status, 200);
}

TEST_F(IngressHttpTest, AFullGatewayIsOverloaded) {
  options_.admission.max_requests_in_flight = 1;
  Start();
  router_.OnRoute(HangScript());
  RawSocket first = Begin(kStreamBody);
  ASSERT_TRUE(Eventually([&] { return router_.running() == 1; }));
  const HttpReply reply = Chat(kBody);
  ExpectError(reply, 503,
              ErrorJson("The gateway has too many requests in flight.",
                        "overloaded_error", "", "overloaded"));
  ExpectRetry(reply);
}

TEST_F(IngressHttpTest, ASessionIsRemembered) {
  Start();
  const HttpReply first = Chat(kBody, "x-session-id: s1\r\n");
  EXPECT_EQ(first.status, 200);
  EXPECT_EQ(first.header("x-session-id"), "s1");
  EXPECT_EQ(first.header("x-session-mode"), "new");
  EXPECT_EQ(first.header("x-session-turn"), "0");
  const HttpReply second = Chat(kStreamBody,
                                "x-session-id: s1\r\nx-session-turn: 1\r\n"
                                "x-session-mode: auto\r\n");
  EXPECT_EQ(second.status, 200);
  EXPECT_EQ(second.header("x-session-turn"), "1");
  EXPECT_EQ(router_.requests()[1].session().turns_size(), 1);
  EXPECT_EQ(store_.turns("acme", "", "s1"), 2);
}

TEST_F(IngressHttpTest, AutoIsFullForAClientThatResendsItsHistory) {
  Start();
  const HttpReply reply = Chat(
      R"({"model":"m","messages":[{"role":"user","content":"a"},)"
      R"({"role":"assistant","content":"b"},{"role":"user","content":"c"}]})",
      "x-session-id: s1\r\n");
  EXPECT_EQ(reply.header("x-session-mode"), "full");
  EXPECT_EQ(router_.requests()[0].session().mode(),
            model_router::v1::SESSION_MODE_FULL);
}

TEST_F(IngressHttpTest, AForeignSessionIsAbsent) {
  Start();
  EXPECT_EQ(Chat(kBody, "x-session-id: s1\r\n").status, 200);
  // The same id of another tenant, and of another user, begins anew.
  EXPECT_EQ(Chat(kBody,
                 "x-session-id: s1\r\n"
                 "authorization: Bearer guest\r\n")
                .header("x-session-turn"),
            "0");
  EXPECT_EQ(Chat(kBody, "x-session-id: s1\r\nx-user-id: ada\r\n")
                .header("x-session-turn"),
            "0");
  EXPECT_EQ(store_.turns("acme", "", "s1"), 1);
  EXPECT_EQ(store_.turns("globex", "", "s1"), 1);
  EXPECT_EQ(store_.turns("acme", "ada", "s1"), 1);
}

TEST_F(IngressHttpTest, ABusySessionIsToldToWait) {
  Start();
  router_.OnRoute(HangScript());
  RawSocket first = Begin(kBody, "x-session-id: s1\r\n");
  ASSERT_TRUE(Eventually([&] { return router_.running() == 1; }));
  const HttpReply reply = Chat(kBody, "x-session-id: s1\r\n");
  ExpectError(reply, 409,
              ErrorJson("Another turn of this session is under way.",
                        "conflict_error", "", "session_busy"));
  ExpectRetry(reply);
}

TEST_F(IngressHttpTest, AMismatchedTurnIsNotToBeRetried) {
  Start();
  const HttpReply reply =
      Chat(kBody, "x-session-id: s1\r\nx-session-turn: 3\r\n");
  ExpectError(reply, 409,
              ErrorJson("The session has 0 turns.", "conflict_error", "",
                        "session_turn_mismatch"));
  EXPECT_EQ(reply.header("x-should-retry"), "false");
}

TEST_F(IngressHttpTest, BadSessionHeadersAreNamed) {
  Start();
  ExpectError(
      Chat(kBody, "x-session-id: s1\r\nx-session-mode: old\r\n"), 400,
      ErrorJson("x-session-mode must be new, full or auto.",
                "invalid_request_error", "x-session-mode", "invalid_value"));
}

TEST_F(IngressHttpTest, WithoutTheStoreOnlySessionsFailAndAtOnce) {
  Start();
  store_.SetHanging(true);
  // The first to notice waits longer; all others are told at once.
  EXPECT_EQ(Chat(kBody, "x-session-id: s1\r\n").status, 503);
  const auto begin = std::chrono::steady_clock::now();
  const HttpReply reply = Chat(kBody, "x-session-id: s1\r\n");
  EXPECT_LT(std::chrono::steady_clock::now() - begin,
            std::chrono::milliseconds(500));
  ExpectError(reply, 503,
              ErrorJson("Sessions are unavailable for the moment.",
                        "overloaded_error", "", "session_unavailable"));
  ExpectRetry(reply);
  EXPECT_EQ(Chat(kBody).status, 200);
}

TEST_F(IngressHttpTest, AnAnswerThatCannotBeSavedIsNotToBeRetried) {
  Start();
  store_.Fail("CommitTurn", absl::InternalError("disk"));
  const std::string error = ErrorJson(
      "The answer could not be saved in the session. It has been paid for: do "
      "not send the request again.",
      "server_error", "", "session_not_saved");
  const HttpReply whole = Chat(kBody, "x-session-id: s1\r\n");
  ExpectError(whole, 500, error);
  EXPECT_EQ(whole.header("x-should-retry"), "false");
  const HttpReply stream = Chat(kStreamBody, "x-session-id: s1\r\n");
  EXPECT_EQ(stream.status, 200);
  EXPECT_EQ(stream.body,
            absl::StrCat(ChunkFrame("hello"), "data: ", error, "\n\n"));
}

TEST_F(IngressHttpTest, ARouterThatIsGoneIsUnavailable) {
  Start();
  router_.OnRoute(
      MeshFailScript(absl::UnavailableError("connect to 10.0.0.7 failed")));
  const HttpReply reply = Chat(kBody);
  ExpectError(reply, 503,
              ErrorJson("A part of the gateway is unavailable for the moment.",
                        "overloaded_error", "", "unavailable"));
  ExpectRetry(reply);
}

TEST_F(IngressHttpTest, ABrokenStreamEndsInAnErrorWithoutDone) {
  Start();
  router_.OnRoute(BreakScript(MakeError(reason::kUpstreamBadResponse, "cut")));
  const HttpReply reply = Chat(kStreamBody);
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.body, absl::StrCat(ChunkFrame("part"), "data: ",
                                     ErrorJson("cut", "upstream_error", "",
                                               "upstream_bad_response"),
                                     "\n\n"));
}

TEST_F(IngressHttpTest, AClientThatLeavesBeforeTheAnswerCancelsTheCall) {
  Start();
  router_.OnRoute(HangScript());
  RawSocket socket = Begin(kBody);
  ASSERT_TRUE(Eventually([&] { return router_.running() == 1; }));
  const auto begin = std::chrono::steady_clock::now();
  socket.Close();
  ASSERT_TRUE(Eventually([&] { return router_.cancelled() == 1; }));
  EXPECT_LT(std::chrono::steady_clock::now() - begin,
            std::chrono::milliseconds(250));
  const auto records = AwaitRecords(1);
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0].outcome(), metrics_collector::v1::OUTCOME_CANCELLED);
  EXPECT_EQ(records[0].reason(), "client_closed");
}

TEST_F(IngressHttpTest, AClientThatLeavesInAStreamCancelsTheCall) {
  Start();
  router_.OnRoute(HangScript());
  RawSocket socket = Begin(kStreamBody, "x-session-id: s1\r\n");
  EXPECT_THAT(socket.ReceiveUntil("\"part\""), HasSubstr("part"));
  const auto begin = std::chrono::steady_clock::now();
  socket.Reset();
  ASSERT_TRUE(Eventually([&] { return router_.cancelled() == 1; }));
  EXPECT_LT(std::chrono::steady_clock::now() - begin,
            std::chrono::milliseconds(250));
  const auto records = AwaitRecords(1);
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0].outcome(), metrics_collector::v1::OUTCOME_CANCELLED);
  EXPECT_EQ(records[0].protocol(), "sse");
  // Its session is free again.
  EXPECT_TRUE(Eventually([&] { return !store_.leased("acme", "", "s1"); }));
  EXPECT_EQ(store_.turns("acme", "", "s1"), 0);
}

TEST_F(IngressHttpTest, TheReadTimeoutBoundsAWholeAnswer) {
  Start();
  Chat(kBody, "x-stainless-read-timeout: 5\r\n");
  Chat(kStreamBody, "x-stainless-read-timeout: 5\r\n");
  const auto deadlines = router_.deadlines();
  ASSERT_EQ(deadlines.size(), 2u);
  EXPECT_LE(deadlines[0], absl::Now() + absl::Seconds(5));
  EXPECT_GT(deadlines[1], absl::Now() + absl::Minutes(50));
}

TEST_F(IngressHttpTest, ADrainFinishesWhatRunsAndCutsTheRest) {
  Start();
  router_.OnRoute(HangScript());
  RawSocket stream = Begin(kStreamBody);
  EXPECT_THAT(stream.ReceiveUntil("\"part\""), HasSubstr("part"));
  server_->SetHealth(false, true);
  server_->BeginDrain();
  EXPECT_EQ(server_->Active(), 1u);
  server_->CancelRemaining();
  const std::string rest = stream.ReceiveAll();
  EXPECT_THAT(rest, HasSubstr(R"("code":"draining"}})"));
  EXPECT_THAT(rest, Not(HasSubstr("[DONE]")));
  EXPECT_EQ(server_->Active(), 0u);
  EXPECT_THAT(prometheus::TextSerializer().Serialize(server_->CollectMetrics()),
              HasSubstr(R"(agentgw_streams_total{end="drained",)"
                        R"(protocol="sse"} 1)"));
  server_->Stop();
  const auto records = telemetry_.records();
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0].outcome(), metrics_collector::v1::OUTCOME_FAILED);
  EXPECT_EQ(records[0].reason(), "draining");
}

TEST_F(IngressHttpTest, OpenModeAsksForNoKey) {
  options_.keys.clear();
  Start();
  EXPECT_EQ(Chat(kBody, "authorization: none\r\n").status, 200);
  EXPECT_EQ(router_.requests()[0].context().account().tenant(), "default");
}

TEST_F(IngressHttpTest, APeerThatIsMissingOnlyDegrades) {
  Start();
  router_.SetWatchable(false);
  ASSERT_TRUE(Eventually([&] {
    const auto checks = server_->Checks();
    return checks[0].name == "model-router" &&
           checks[0].state == process::Check::State::kDegraded;
  }));
  router_.SetWatchable(true);
  EXPECT_TRUE(Eventually([&] {
    return server_->Checks()[0].state == process::Check::State::kOk;
  }));
}

TEST_F(IngressHttpTest, AClientThatTakesNothingKeepsNoPlaceBeyondTheTime) {
  options_.deadline.max_stream = absl::Milliseconds(200);
  Start();
  router_.OnRoute(Flood);
  RawSocket socket = Begin(kStreamBody);
  ASSERT_TRUE(Eventually([&] { return router_.running() == 1; }));
  const auto records = AwaitRecords(1);
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0].reason(), reason::kDeadlineExceeded);
  EXPECT_EQ(router_.running(), 0);
  // No [DONE]: it is cut.
  EXPECT_THAT(socket.ReceiveAll(), Not(HasSubstr("[DONE]")));
}

TEST_F(IngressHttpTest, ARequestForModelsIsRecorded) {
  Start();
  EXPECT_EQ(Ask("GET", "/v1/models").status, 200);
  EXPECT_EQ(Ask("GET", "/v1/models/none").status, 404);
  EXPECT_EQ(Ask("GET", "/v1/models", "", "authorization: Bearer no\r\n").status,
            401);
  const auto records = AwaitRecords(2);
  ASSERT_EQ(records.size(), 2u);
  EXPECT_EQ(records[0].method(), "/v1/models");
  EXPECT_EQ(records[0].outcome(), metrics_collector::v1::OUTCOME_COMPLETED);
  EXPECT_EQ(records[0].account().key_id(), "k1");
  EXPECT_EQ(records[1].reason(), reason::kModelNotFound);
}

TEST_F(IngressHttpTest, StoppingWaitsForTheLastRequest) {
  Start();
  std::atomic<bool> released = false;
  std::atomic<bool> ended = false;
  // Heeds no cancellation.
  router_.OnRoute([&](const RouteRequest& request,
                      rpc::Sink<RouteEvent>& sink) -> Awaitable<absl::Status> {
    while (!released) {
      boost::asio::steady_timer timer(co_await boost::asio::this_coro::executor,
                                      std::chrono::milliseconds(5));
      co_await timer.async_wait(kAwait);
    }
    ended = true;
    co_return absl::CancelledError();
  });
  RawSocket socket = Begin(kBody);
  ASSERT_TRUE(Eventually([&] { return router_.running() == 1; }));
  std::thread later([&] {
    // Longer than a request that heeds it takes.
    std::this_thread::sleep_for(std::chrono::milliseconds(10'500));
    released = true;
  });
  server_->Stop();
  EXPECT_TRUE(ended);
  later.join();
}

}  // namespace
}  // namespace gateway::ingress
