#include "common/http/server.h"

#include <absl/strings/match.h>
#include <absl/strings/str_split.h>
#include <absl/time/clock.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <stdexcept>

#include "tests/unit/common/http/io_threads.h"
#include "tests/unit/common/http/raw_socket.h"

namespace gateway::http {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

// Answers by path.
class TestHandler : public Handler {
 public:
  std::optional<Response> OnHead(const Request& request) override {
    if (request.path() != "/refused") return std::nullopt;
    return Response{401, Headers{{"x-why", "key"}}, "no"};
  }

  Awaitable<void> Handle(Request& request, ResponseWriter& writer) override {
    const std::string path(request.path());
    if (path == "/echo") {
      const Headers headers{{"content-type", "text/plain"}};
      const std::string body =
          absl::StrCat(request.method, " ", request.target, " ", request.body);
      co_await writer.Respond(200, headers, body);
    } else if (path == "/stream") {
      writer.StartStream(200, Headers{{"content-type", "text/event-stream"}});
      co_await writer.Write("one");
      co_await writer.Write("two");
      co_await writer.Write("three");
      co_await writer.Finish("end");
    } else if (path == "/cut") {
      writer.StartStream(200, Headers());
      co_await writer.Write("half");
    } else if (path == "/late-error") {
      writer.StartStream(200, Headers());
      co_await writer.Respond(502, Headers(), "changed");
    } else if (path == "/evil") {
      const Headers headers{{"x-a", "b\r\nx-injected: 1"}, {"x-ok", "1"}};
      co_await writer.Respond(200, headers, "");
    } else if (path == "/flood") {
      writer.StartStream(200, Headers());
      const std::string run(64 * 1024, 'x');
      absl::Status status = co_await writer.Write(run);
      while (status.ok()) {
        written += run.size();
        status = co_await writer.Write(run);
      }
      ++flood_ended;
    } else if (path == "/wait") {
      ++waiting;
      boost::asio::steady_timer timer(co_await boost::asio::this_coro::executor,
                                      std::chrono::seconds(60));
      auto [error] = co_await timer.async_wait(kAwait);
      if (error == boost::asio::error::operation_aborted) ++cancelled;
      const absl::Status status =
          co_await writer.Respond(200, Headers(), "late");
      if (absl::IsCancelled(status)) ++refused_late;
    } else if (path == "/open-stream") {
      writer.StartStream(200, Headers());
      co_await writer.Write("one");
      ++waiting;
      boost::asio::steady_timer timer(co_await boost::asio::this_coro::executor,
                                      std::chrono::milliseconds(1));
      while (!released) {
        timer.expires_after(std::chrono::milliseconds(1));
        co_await timer.async_wait(kAwait);
      }
      co_await writer.Finish("end");
    } else if (path == "/throw") {
      throw std::runtime_error("a handler's own");
    }
    // Any other path gets no answer.
  }

  std::atomic<bool> released{false};
  std::atomic<int> waiting{0};
  std::atomic<int> cancelled{0};
  std::atomic<int> refused_late{0};
  std::atomic<int> flood_ended{0};
  std::atomic<int64_t> written{0};
};

bool Eventually(const std::function<bool()>& condition,
                absl::Duration limit = absl::Seconds(10)) {
  const absl::Time end = absl::Now() + limit;
  while (!condition()) {
    if (absl::Now() > end) return false;
    absl::SleepFor(absl::Milliseconds(1));
  }
  return true;
}

class ServerTest : public ::testing::Test {
 protected:
  void Start(ServerOptions options = {}, int threads = 1) {
    options.address = "127.0.0.1";
    threads_.emplace(threads);
    auto server = Server::Create(options, threads_->all(), &handler_);
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    server_->Start();
  }

  void TearDown() override {
    if (server_ == nullptr) return;
    server_->CloseAll();
    EXPECT_TRUE(server_->AwaitClosed(absl::Now() + absl::Seconds(10)));
    EXPECT_EQ(server_->active(), 0);
    EXPECT_EQ(server_->body_bytes_in_flight(), 0);
  }

  RawSocket Connect() { return RawSocket::Connect(server_->port()); }

  // Sends bytes on a new connection and reads until the server closes.
  std::string Exchange(absl::string_view bytes) {
    RawSocket socket = Connect();
    socket.Send(bytes);
    return socket.ReceiveAll();
  }

  TestHandler handler_;
  std::optional<IoThreads> threads_;
  std::unique_ptr<Server> server_;
};

constexpr absl::string_view kEcho =
    "POST /echo?q=1 HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello";

TEST_F(ServerTest, AnswersAndKeepsTheConnection) {
  Start();
  RawSocket socket = Connect();
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(socket.Send(kEcho));
    const std::string answer = socket.ReceiveMessage();
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n"));
    EXPECT_THAT(answer, HasSubstr("\r\ncontent-type: text/plain\r\n"));
    EXPECT_THAT(answer, HasSubstr("\r\ndate: "));
    EXPECT_THAT(answer, EndsWith("\r\n\r\nPOST /echo?q=1 hello"));
  }
  EXPECT_EQ(server_->stats().connections_accepted.load(), 1);
  EXPECT_EQ(server_->stats().requests.load(), 3);
}

TEST_F(ServerTest, ReadsARequestCutAtEveryByte) {
  Start();
  RawSocket socket = Connect();
  for (size_t cut = 1; cut < kEcho.size(); ++cut) {
    ASSERT_TRUE(socket.Send(kEcho.substr(0, cut)));
    ASSERT_TRUE(socket.Send(kEcho.substr(cut)));
    ASSERT_THAT(socket.ReceiveMessage(), EndsWith("POST /echo?q=1 hello"));
  }
}

TEST_F(ServerTest, ServesPipelinedRequestsInOrder) {
  Start();
  RawSocket socket = Connect();
  std::string all;
  for (int i = 0; i < 50; ++i) {
    absl::StrAppend(&all, "GET /echo?", i, " HTTP/1.1\r\nHost: h\r\n\r\n");
  }
  ASSERT_TRUE(socket.Send(all));
  for (int i = 0; i < 50; ++i) {
    EXPECT_THAT(socket.ReceiveMessage(),
                EndsWith(absl::StrCat("GET /echo?", i, " ")));
  }
}

TEST_F(ServerTest, StreamsInChunks) {
  Start();
  RawSocket socket = Connect();
  socket.Send("GET /stream HTTP/1.1\r\nHost: h\r\n\r\n");
  const std::string answer = socket.ReceiveUntil("\r\n0\r\n\r\n");
  EXPECT_THAT(answer, HasSubstr("\r\ntransfer-encoding: chunked\r\n"));
  EXPECT_THAT(answer, EndsWith("\r\n\r\n3\r\none\r\n3\r\ntwo\r\n5\r\nthree\r\n"
                               "3\r\nend\r\n0\r\n\r\n"));
  // The connection goes on.
  socket.Send(kEcho);
  EXPECT_THAT(socket.ReceiveMessage(), EndsWith("hello"));
}

TEST_F(ServerTest, StreamsToAnOldClientUntilClose) {
  Start();
  const std::string answer = Exchange("GET /stream HTTP/1.0\r\n\r\n");
  EXPECT_THAT(answer, HasSubstr("\r\nconnection: close\r\n"));
  EXPECT_THAT(answer, EndsWith("\r\n\r\nonetwothreeend"));
}

TEST_F(ServerTest, AHandlerThatEndsInAStreamBreaksTheConnection) {
  Start();
  const std::string answer = Exchange("GET /cut HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_THAT(answer, EndsWith("4\r\nhalf\r\n"));
}

TEST_F(ServerTest, AStreamThatSentNothingMayStillBecomeAnError) {
  Start();
  RawSocket socket = Connect();
  socket.Send("GET /late-error HTTP/1.1\r\nHost: h\r\n\r\n");
  const std::string answer = socket.ReceiveMessage();
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 502 Bad Gateway\r\n"));
  EXPECT_THAT(answer, EndsWith("changed"));
}

TEST_F(ServerTest, AHandlerWithoutAnAnswerIsA500) {
  Start();
  EXPECT_THAT(Exchange("GET /none HTTP/1.1\r\nHost: h\r\n\r\n"),
              StartsWith("HTTP/1.1 500 "));
}

TEST_F(ServerTest, NeverSplitsAHeader) {
  Start();
  RawSocket socket = Connect();
  socket.Send("GET /evil HTTP/1.1\r\nHost: h\r\n\r\n");
  const std::string answer = socket.ReceiveMessage();
  EXPECT_THAT(answer, Not(HasSubstr("x-injected")));
  EXPECT_THAT(answer, HasSubstr("\r\nx-ok: 1\r\n"));
}

TEST_F(ServerTest, AnswersHeadWithoutABody) {
  Start();
  const std::string answer =
      Exchange("HEAD /echo HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(answer, HasSubstr("\r\ncontent-length: 11\r\n"));
  EXPECT_THAT(answer, EndsWith("\r\n\r\n"));
}

TEST_F(ServerTest, RefusesByTheHeadAndKeepsTheConnection) {
  Start();
  RawSocket socket = Connect();
  socket.Send("POST /refused HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\n");
  const std::string answer = socket.ReceiveMessage();
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 401 Unauthorized\r\n"));
  EXPECT_THAT(answer, HasSubstr("\r\nx-why: key\r\n"));
  socket.Send("body");
  socket.Send(kEcho);
  EXPECT_THAT(socket.ReceiveMessage(), EndsWith("hello"));
}

TEST_F(ServerTest, RefusesALargeBodyUnread) {
  Start();
  RawSocket socket = Connect();
  socket.Send(
      "POST /refused HTTP/1.1\r\nHost: h\r\nContent-Length: 9000000\r\n\r\n");
  const std::string answer = socket.ReceiveAll();
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 401 "));
  EXPECT_THAT(answer, HasSubstr("\r\nconnection: close\r\n"));
}

TEST_F(ServerTest, HonoursExpectContinue) {
  Start();
  RawSocket socket = Connect();
  socket.Send(
      "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n"
      "Expect: 100-continue\r\n\r\n");
  EXPECT_EQ(socket.ReceiveUntil("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  socket.Send("ab");
  EXPECT_THAT(socket.ReceiveMessage(), EndsWith("POST /echo ab"));
}

TEST_F(ServerTest, ReadsAChunkedBodyCutAtEveryByte) {
  Start();
  const absl::string_view request =
      "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
      "3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\nT: v\r\n\r\n";
  RawSocket socket = Connect();
  for (size_t cut = 1; cut < request.size(); ++cut) {
    ASSERT_TRUE(socket.Send(request.substr(0, cut)));
    ASSERT_TRUE(socket.Send(request.substr(cut)));
    ASSERT_THAT(socket.ReceiveMessage(), EndsWith("POST /echo abc0123456789"));
  }
}

TEST_F(ServerTest, ReadsALargeBody) {
  Start();
  const std::string body(5 * 1024 * 1024 + 7, 'b');
  RawSocket socket = Connect();
  socket.Send(absl::StrCat("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: ",
                           body.size(), "\r\n\r\n"));
  // A full answer must not wait for us to read: it is as large as the body.
  ASSERT_TRUE(socket.Send(body));
  EXPECT_THAT(socket.ReceiveMessage().size(), testing::Gt(body.size()));
}

struct BadCase {
  const char* name;
  const char* bytes;
  const char* status;
};

class BadRequestTest : public ServerTest,
                       public ::testing::WithParamInterface<BadCase> {};

TEST_P(BadRequestTest, IsRefusedAndTheConnectionClosed) {
  Start();
  const std::string answer = Exchange(GetParam().bytes);
  EXPECT_THAT(answer,
              StartsWith(absl::StrCat("HTTP/1.1 ", GetParam().status, " ")));
  EXPECT_THAT(answer, HasSubstr("\r\nconnection: close\r\n"));
  // One answer only: what follows is not taken for a request.
  EXPECT_EQ(
      std::vector<std::string>(absl::StrSplit(answer, "HTTP/1.1 ")).size(), 2u);
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, BadRequestTest,
    ::testing::Values(
        BadCase{"BothLengths",
                "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n"
                "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                "400"},
        BadCase{"TwoLengths",
                "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n"
                "Content-Length: 4\r\n\r\nabcd",
                "400"},
        BadCase{"LengthList",
                "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3, 3\r\n\r\nabc",
                "400"},
        BadCase{"SignedLength",
                "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: +3\r\n\r\nabc",
                "400"},
        BadCase{"NoLength",
                "POST / HTTP/1.1\r\nHost: h\r\nContent-Length:\r\n\r\n", "400"},
        BadCase{"OtherCoding",
                "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, "
                "chunked\r\n\r\n0\r\n\r\n",
                "501"},
        BadCase{"ChunkedTwice",
                "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n"
                "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                "501"},
        BadCase{"ChunkedInOld",
                "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"
                "0\r\n\r\n",
                "400"},
        BadCase{"BareLf", "GET / HTTP/1.1\nHost: h\n\n", "400"},
        BadCase{"BareLfInHeaders", "GET / HTTP/1.1\r\nHost: h\nA: b\r\n\r\n",
                "400"},
        BadCase{"BareCr", "GET / HTTP/1.1\r\nHost: h\rA: b\r\n\r\n", "400"},
        BadCase{"BareCrInLine", "GET /\r HTTP/1.1\r\nHost: h\r\n\r\n", "400"},
        BadCase{"Folded", "GET / HTTP/1.1\r\nHost: h\r\n A: b\r\n\r\n", "400"},
        BadCase{"SpaceBeforeColon",
                "GET / HTTP/1.1\r\nHost: h\r\nA : b\r\n\r\n", "400"},
        BadCase{"NoName", "GET / HTTP/1.1\r\nHost: h\r\n: b\r\n\r\n", "400"},
        BadCase{"NoColon", "GET / HTTP/1.1\r\nHost: h\r\nAb\r\n\r\n", "400"},
        BadCase{"ControlInValue",
                "GET / HTTP/1.1\r\nHost: h\r\nA: \x01\r\n\r\n", "400"},
        BadCase{"NoHost", "GET / HTTP/1.1\r\n\r\n", "400"},
        BadCase{"TwoHosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
                "400"},
        BadCase{"NoTarget", "GET HTTP/1.1\r\nHost: h\r\n\r\n", "400"},
        BadCase{"TwoTargets", "GET / / HTTP/1.1\r\nHost: h\r\n\r\n", "400"},
        BadCase{"Version2", "GET / HTTP/2.0\r\nHost: h\r\n\r\n", "505"},
        BadCase{"NoHttp", "GET / FTP\r\nHost: h\r\n\r\n", "400"},
        BadCase{"Tls", "\x16\x03\x01\x02\r\n\r\n", "400"},
        BadCase{"ChunkSizeSigned",
                "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n"
                "\r\n-1\r\n\r\n",
                "400"},
        BadCase{"ChunkSizePrefixed",
                "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n"
                "\r\n0x1\r\na\r\n0\r\n\r\n",
                "400"},
        BadCase{"ChunkSizeHuge",
                "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n"
                "\r\nfffffffffffffffff\r\n",
                "400"},
        BadCase{"ChunkTooLong",
                "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n"
                "\r\n1\r\nab\r\n0\r\n\r\n",
                "400"},
        BadCase{"ChunkBareLf",
                "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n"
                "\r\n1\na\r\n0\r\n\r\n",
                "400"}),
    [](const auto& info) { return std::string(info.param.name); });

TEST_F(ServerTest, RefusesHeadersBeyondTheLimit) {
  ServerOptions options;
  options.max_header_bytes = 2048;
  Start(options);
  // Both as one head and as one that never ends.
  EXPECT_THAT(Exchange(absl::StrCat("GET / HTTP/1.1\r\nHost: h\r\nA: ",
                                    std::string(2048, 'a'), "\r\n\r\n")),
              StartsWith("HTTP/1.1 431 "));
  EXPECT_THAT(
      Exchange(absl::StrCat("GET / HTTP/1.1\r\nA: ", std::string(100000, 'a'))),
      StartsWith("HTTP/1.1 431 "));
}

TEST_F(ServerTest, RefusesABodyBeyondTheLimit) {
  ServerOptions options;
  options.max_body_bytes = 1000;
  Start(options);
  EXPECT_THAT(Exchange("POST /echo HTTP/1.1\r\nHost: h\r\n"
                       "Content-Length: 1001\r\n\r\n"),
              StartsWith("HTTP/1.1 413 "));
  EXPECT_THAT(Exchange(absl::StrCat("POST /echo HTTP/1.1\r\nHost: h\r\n"
                                    "Transfer-Encoding: chunked\r\n\r\n1f4\r\n",
                                    std::string(500, 'a'), "\r\n1f5\r\n",
                                    std::string(501, 'a'), "\r\n0\r\n\r\n")),
              StartsWith("HTTP/1.1 413 "));
}

TEST_F(ServerTest, BoundsTheBodiesInFlight) {
  ServerOptions options;
  options.max_body_bytes_in_flight = 1000;
  Start(options);
  RawSocket first = Connect();
  first.Send(
      "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 900\r\n\r\nbegin");
  ASSERT_TRUE(
      Eventually([&] { return server_->body_bytes_in_flight() == 900; }));
  const std::string answer =
      Exchange("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 101\r\n\r\n");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 503 "));
  EXPECT_THAT(answer, HasSubstr("\r\nretry-after: 1\r\n"));
  first.Close();
  EXPECT_TRUE(Eventually([&] { return server_->body_bytes_in_flight() == 0; }));
}

TEST_F(ServerTest, ABodyHoldsWhatHasComeOfIt) {
  ServerOptions options;
  options.max_body_bytes_in_flight = 1'000'000;
  Start(options);
  std::vector<RawSocket> greedy;
  for (int i = 0; i < 4; ++i) {
    greedy.push_back(Connect());
    greedy.back().Send(
        "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\nx");
  }
  ASSERT_TRUE(Eventually([&] { return server_->stats().requests == 4; }));
  ASSERT_TRUE(Eventually([&] { return server_->body_bytes_in_flight() > 0; }));
  EXPECT_THAT(Exchange(absl::StrCat("POST /echo HTTP/1.1\r\nHost: h\r\n"
                                    "Connection: close\r\n"
                                    "Content-Length: 100000\r\n\r\n",
                                    std::string(100'000, 'b'))),
              StartsWith("HTTP/1.1 200 "));
  // What has no room left once it has come is refused all the same.
  greedy[0].Send(std::string(600'000, 'x'));
  ASSERT_TRUE(
      Eventually([&] { return server_->body_bytes_in_flight() > 600'000; }));
  greedy[1].Send(std::string(600'000, 'x'));
  EXPECT_THAT(greedy[1].ReceiveAll(), StartsWith("HTTP/1.1 503 "));
  for (RawSocket& socket : greedy) socket.Close();
  EXPECT_TRUE(Eventually([&] { return server_->body_bytes_in_flight() == 0; }));
}

TEST_F(ServerTest, RefusesSlowHeaders) {
  ServerOptions options;
  options.header_timeout = absl::Milliseconds(60);
  Start(options);
  RawSocket drip = Connect();
  const absl::Time start = absl::Now();
  // Bytes that keep coming do not help.
  std::thread sender([&] {
    for (const char c : absl::string_view("GET / HTTP/1.1\r\nHos")) {
      if (!drip.Send(absl::string_view(&c, 1))) break;
      absl::SleepFor(absl::Milliseconds(10));
    }
  });
  const std::string answer = drip.ReceiveAll();
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 408 "));
  EXPECT_LT(absl::Now() - start, absl::Seconds(5));
  sender.join();
}

TEST_F(ServerTest, ClosesAConnectionThatSendsNothing) {
  ServerOptions options;
  options.header_timeout = absl::Milliseconds(30);
  Start(options);
  EXPECT_THAT(Exchange(""), IsEmpty());
}

TEST_F(ServerTest, ClosesAnIdleConnection) {
  ServerOptions options;
  options.idle_timeout = absl::Milliseconds(30);
  Start(options);
  RawSocket socket = Connect();
  socket.Send(kEcho);
  EXPECT_THAT(socket.ReceiveMessage(), EndsWith("hello"));
  EXPECT_THAT(socket.ReceiveAll(), IsEmpty());
}

TEST_F(ServerTest, RefusesASlowBody) {
  ServerOptions options;
  options.body_timeout = absl::Milliseconds(30);
  Start(options);
  EXPECT_THAT(
      Exchange("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nab"),
      StartsWith("HTTP/1.1 408 "));
}

TEST_F(ServerTest, RefusesABodyThatDrips) {
  ServerOptions options;
  options.body_timeout = absl::Milliseconds(60);
  Start(options);
  uint64_t timeouts = 0;
  for (const char* framing : {"Content-Length: 1000\r\n\r\n",
                              "Transfer-Encoding: chunked\r\n\r\n3e8\r\n"}) {
    RawSocket drip = Connect();
    drip.Send(absl::StrCat("POST /echo HTTP/1.1\r\nHost: h\r\n", framing));
    std::atomic<bool> answered{false};
    std::thread sender([&] {
      while (!answered && drip.Send("x")) absl::SleepFor(absl::Milliseconds(5));
    });
    EXPECT_THAT(drip.ReceiveAll(), StartsWith("HTTP/1.1 408 ")) << framing;
    answered = true;
    sender.join();
    EXPECT_EQ(server_->stats().body_timeouts, ++timeouts);
  }
}

TEST_F(ServerTest, ALongBodyHasTimeForEachPartOfIt) {
  ServerOptions options;
  options.body_timeout = absl::Milliseconds(300);
  options.body_timeout_bytes = 10;
  Start(options);
  RawSocket slow = Connect();
  slow.Send("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\n");
  // In all longer than one part may take.
  for (int i = 0; i < 10; ++i) {
    absl::SleepFor(absl::Milliseconds(50));
    slow.Send("0123456789");
  }
  EXPECT_THAT(slow.ReceiveMessage(), StartsWith("HTTP/1.1 200 "));
}

TEST_F(ServerTest, AClientThatClosesCancelsItsHandler) {
  Start();
  RawSocket socket = Connect();
  socket.Send("GET /wait HTTP/1.1\r\nHost: h\r\n\r\n");
  ASSERT_TRUE(Eventually([&] { return handler_.waiting == 1; }));
  socket.Close();
  EXPECT_TRUE(Eventually([&] { return handler_.refused_late == 1; },
                         absl::Milliseconds(250)));
  EXPECT_EQ(handler_.cancelled, 1);
  EXPECT_TRUE(Eventually([&] { return server_->stats().connections == 0; }));
  EXPECT_EQ(server_->stats().client_gone, 1u);
}

TEST_F(ServerTest, AClientThatResetsCancelsItsHandler) {
  Start();
  RawSocket socket = Connect();
  socket.Send("GET /wait HTTP/1.1\r\nHost: h\r\n\r\n");
  ASSERT_TRUE(Eventually([&] { return handler_.waiting == 1; }));
  socket.Reset();
  EXPECT_TRUE(Eventually([&] { return handler_.refused_late == 1; },
                         absl::Milliseconds(250)));
}

TEST_F(ServerTest, AClientThatPipelinesAndLeavesCancelsItsHandler) {
  Start();
  RawSocket socket = Connect();
  socket.Send("GET /wait HTTP/1.1\r\nHost: h\r\n\r\n");
  ASSERT_TRUE(Eventually([&] { return handler_.waiting == 1; }));
  socket.Send(kEcho);
  absl::SleepFor(absl::Milliseconds(10));
  EXPECT_EQ(handler_.cancelled, 0);
  socket.Close();
  EXPECT_TRUE(Eventually([&] { return handler_.refused_late == 1; },
                         absl::Milliseconds(250)));
}

TEST_F(ServerTest, AClientThatLeavesAFullStreamCancelsItsHandler) {
  Start();
  RawSocket socket = Connect();
  socket.Send("GET /flood HTTP/1.1\r\nHost: h\r\n\r\n");
  // The writer waits for us: what it wrote stops growing.
  int64_t before = -1;
  ASSERT_TRUE(Eventually([&] {
    absl::SleepFor(absl::Milliseconds(20));
    return std::exchange(before, handler_.written.load()) == handler_.written;
  }));
  EXPECT_EQ(handler_.flood_ended, 0);
  socket.Close();
  EXPECT_TRUE(Eventually([&] { return handler_.flood_ended == 1; },
                         absl::Milliseconds(250)));
}

TEST_F(ServerTest, AClientThatNeverReadsIsGone) {
  ServerOptions options;
  options.write_timeout = absl::Milliseconds(50);
  Start(options);
  RawSocket socket = Connect();
  socket.Send("GET /flood HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_TRUE(Eventually([&] { return handler_.flood_ended == 1; }));
  EXPECT_EQ(server_->stats().write_timeouts, 1u);
}

TEST_F(ServerTest, AClientThatPipelinesMoreThanIsKeptAndLeavesIsSeen) {
  ServerOptions options;
  options.max_header_bytes = 1000;
  Start(options);
  RawSocket socket = Connect();
  socket.Send("GET /wait HTTP/1.1\r\nHost: h\r\n\r\n");
  ASSERT_TRUE(Eventually([&] { return handler_.waiting == 1; }));
  socket.Send(std::string(10'000, 'x'));
  absl::SleepFor(absl::Milliseconds(10));
  EXPECT_EQ(handler_.cancelled, 0);
  socket.Close();
  EXPECT_TRUE(Eventually([&] { return handler_.cancelled == 1; },
                         absl::Milliseconds(500)));
}

TEST_F(ServerTest, AHandlerThatThrowsIsNoLongerActive) {
  Start();
  EXPECT_THAT(Exchange("GET /throw HTTP/1.1\r\nHost: h\r\n\r\n"), IsEmpty());
  EXPECT_TRUE(Eventually([&] { return server_->active() == 0; }));
}

TEST_F(ServerTest, RefusesConnectionsBeyondTheLimit) {
  ServerOptions options;
  options.max_connections = 1;
  Start(options);
  RawSocket first = Connect();
  first.Send(kEcho);
  EXPECT_THAT(first.ReceiveMessage(), EndsWith("hello"));
  const std::string answer = Exchange("");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 503 "));
  EXPECT_THAT(answer, HasSubstr("\r\nretry-after: 1\r\n"));
  first.Send(kEcho);
  EXPECT_THAT(first.ReceiveMessage(), EndsWith("hello"));
  EXPECT_EQ(server_->stats().connections_refused.load(), 1);
}

TEST_F(ServerTest, DrainsIdleConnectionsAndClosesBusyOnesAfterTheirAnswer) {
  Start();
  RawSocket idle = Connect();
  idle.Send(kEcho);
  EXPECT_THAT(idle.ReceiveMessage(), EndsWith("hello"));
  RawSocket busy = Connect();
  busy.Send("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\na");
  ASSERT_TRUE(Eventually([&] { return server_->stats().requests == 2; }));
  server_->StopAccepting();
  server_->BeginDrain();
  EXPECT_THAT(idle.ReceiveAll(), IsEmpty());
  busy.Send("b");
  const std::string answer = busy.ReceiveAll();
  EXPECT_THAT(answer, HasSubstr("\r\nconnection: close\r\n"));
  EXPECT_THAT(answer, EndsWith("POST /echo ab"));
  EXPECT_FALSE(Connect().open());
}

TEST_F(ServerTest, AStreamThatBeganBeforeTheDrainClosesItsConnection) {
  Start();
  RawSocket socket = Connect();
  socket.Send("GET /open-stream HTTP/1.1\r\nHost: h\r\n\r\n");
  ASSERT_TRUE(Eventually([&] { return handler_.waiting == 1; }));
  server_->BeginDrain();
  handler_.released = true;
  const std::string answer = socket.ReceiveAll();
  EXPECT_THAT(answer, EndsWith("3\r\nend\r\n0\r\n\r\n"));
  EXPECT_TRUE(Eventually([&] { return server_->stats().connections == 0; },
                         absl::Seconds(5)));
}

TEST_F(ServerTest, SharesItsBoundOnBodies) {
  ConcurrencyLimit bodies(1000);
  const auto other = bodies.TryAcquire(950);
  ServerOptions options;
  options.bodies = &bodies;
  Start(options);
  EXPECT_THAT(Exchange("POST /echo HTTP/1.1\r\nHost: h\r\n"
                       "Content-Length: 51\r\n\r\n"),
              StartsWith("HTTP/1.1 503 "));
  EXPECT_EQ(server_->body_bytes_in_flight(), 950);
  server_->CloseAll();
  EXPECT_TRUE(server_->AwaitClosed(absl::Now() + absl::Seconds(10)));
  server_.reset();
}

TEST_F(ServerTest, CloseAllCancelsHandlers) {
  Start();
  RawSocket socket = Connect();
  socket.Send("GET /wait HTTP/1.1\r\nHost: h\r\n\r\n");
  ASSERT_TRUE(Eventually([&] { return server_->active() == 1; }));
  EXPECT_FALSE(server_->AwaitIdle(absl::Now()));
  server_->CloseAll();
  EXPECT_TRUE(server_->AwaitIdle(absl::Now() + absl::Seconds(5)));
  EXPECT_THAT(socket.ReceiveAll(), IsEmpty());
  EXPECT_EQ(handler_.cancelled, 1);
}

TEST_F(ServerTest, SharesOnePortAmongItsThreads) {
  Start({}, 3);
  for (int i = 0; i < 20; ++i) {
    RawSocket socket = Connect();
    socket.Send(kEcho);
    EXPECT_THAT(socket.ReceiveMessage(), EndsWith("hello"));
  }
}

TEST_F(ServerTest, DoesNotShareItsPortWithAStranger) {
  Start();
  ServerOptions options;
  options.address = "127.0.0.1";
  options.port = server_->port();
  auto second = Server::Create(options, threads_->all(), &handler_);
  EXPECT_EQ(second.status().code(), absl::StatusCode::kUnavailable)
      << second.status();
}

TEST_F(ServerTest, RefusesAnAddressThatIsNone) {
  IoThreads threads(1);
  ServerOptions options;
  options.address = "localhost";
  EXPECT_TRUE(absl::IsInvalidArgument(
      Server::Create(options, threads.all(), &handler_).status()));
}

// What a server leaves when its threads end first; LeakSanitizer judges.
TEST_F(ServerTest, IsDestroyedAfterItsThreadsEnded) {
  Start();
  RawSocket socket = Connect();
  socket.Send("GET /wait HTTP/1.1\r\nHost: h\r\n\r\n");
  RawSocket idle = Connect();
  ASSERT_TRUE(Eventually([&] { return server_->stats().connections == 2; }));
  ASSERT_TRUE(Eventually([&] { return handler_.waiting == 1; }));
  threads_->Stop();
  server_.reset();
  threads_.reset();
  EXPECT_THAT(socket.ReceiveAll(), IsEmpty());
}

class JsonErrors : public ErrorRenderer {
 public:
  Response Render(const ServerError& error, const Request* request) override {
    return {error.status, Headers{{"content-type", "application/json"}},
            absl::StrCat("{\"", error.reason, "\":\"",
                         request == nullptr ? "?" : request->path(), "\"}")};
  }
};

TEST_F(ServerTest, RendersItsRefusalsInTheGivenShape) {
  JsonErrors errors;
  ServerOptions options;
  options.error_renderer = &errors;
  options.max_body_bytes = 1;
  Start(options);
  EXPECT_THAT(
      Exchange("POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n"),
      EndsWith("{\"request_too_large\":\"/x\"}"));
  EXPECT_THAT(Exchange("nonsense\r\n\r\n"),
              EndsWith("{\"bad_request\":\"?\"}"));
}

}  // namespace
}  // namespace gateway::http
