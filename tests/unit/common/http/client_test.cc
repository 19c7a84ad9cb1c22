#include "common/http/client.h"

#include <absl/strings/match.h>
#include <absl/time/clock.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/this_coro.hpp>
#include <future>

#include "common/http/resolver.h"
#include "common/http/server.h"
#include "tests/support/running_flow.h"
#include "tests/unit/common/http/io_threads.h"
#include "tests/unit/common/http/raw_socket.h"

namespace gateway::http {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr absl::string_view kOk =
    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

// What a request came to.
struct Outcome {
  absl::Status status;
  int code = 0;
  std::string body;
  std::vector<std::string> runs;
  bool fresh = false;
};

class ClientTest : public ::testing::Test {
 protected:
  void SetUp() override { Start({}); }

  void Start(ClientOptions options,
             std::shared_ptr<Resolver> resolver = nullptr) {
    StopClient();
    client_ =
        std::make_unique<Client>(io_[0], options, nullptr, std::move(resolver));
  }

  // The client lives on its thread.
  void StopClient() {
    if (client_ == nullptr) return;
    io_.Await(Destroy());
  }
  Awaitable<void> Destroy() {
    client_.reset();
    co_return;
  }

  void TearDown() override { StopClient(); }

  ClientRequest RequestTo(uint16_t port) {
    origin_ = Origin{false, "127.0.0.1", port};
    ClientRequest request;
    request.origin = &origin_;
    request.target = "/v1/x?y=1";
    return request;
  }

  Awaitable<Outcome> Run(ClientRequest request, absl::Duration read_limit) {
    co_await boost::asio::this_coro::throw_if_cancelled(false);
    Outcome outcome;
    auto response = co_await client_->Send(request);
    outcome.status = response.status();
    if (!response.ok()) co_return outcome;
    outcome.code = response->status();
    outcome.fresh = response->fresh_connection();
    while (true) {
      auto run = co_await response->Read(absl::Now() + read_limit);
      outcome.status = run.status();
      if (!run.ok() || run->empty()) co_return outcome;
      outcome.runs.emplace_back(*run);
      outcome.body.append(run->data(), run->size());
    }
  }

  Outcome Fetch(const ClientRequest& request,
                absl::Duration read_limit = absl::Seconds(10)) {
    return io_.Await(Run(request, read_limit));
  }

  std::future<Outcome> FetchAsync(
      const ClientRequest& request,
      absl::Duration read_limit = absl::Seconds(10)) {
    return boost::asio::co_spawn(io_[0], Run(request, read_limit),
                                 boost::asio::use_future);
  }

  // One exchange with a peer that answers these bytes and closes.
  Outcome FetchAnswer(absl::string_view answer) {
    auto future = FetchAsync(RequestTo(listener_.port()));
    RawSocket peer = listener_.Accept();
    peer.ReceiveUntil("\r\n\r\n");
    peer.Send(answer);
    peer.ShutdownSend();
    return future.get();
  }

  IoThreads io_{1};
  RawListener listener_;
  Origin origin_;
  std::unique_ptr<Client> client_;
};

TEST_F(ClientTest, SendsARequestByOneGatherWrite) {
  ClientRequest request = RequestTo(listener_.port());
  const Headers headers{{"authorization", "Bearer k"}, {"host", "evil"}};
  request.headers = &headers;
  const std::vector<absl::string_view> body = {"{\"model\":", "", "\"m\"", "}"};
  request.body = body;
  auto future = FetchAsync(request);
  RawSocket peer = listener_.Accept();
  EXPECT_EQ(peer.Receive(),
            absl::StrCat(
                "POST /v1/x?y=1 HTTP/1.1\r\nhost: 127.0.0.1:", listener_.port(),
                "\r\nauthorization: Bearer k\r\n"
                "content-length: 13\r\n\r\n{\"model\":\"m\"}"));
  peer.Send(kOk);
  const Outcome outcome = future.get();
  EXPECT_TRUE(outcome.status.ok()) << outcome.status;
  EXPECT_EQ(outcome.code, 200);
  EXPECT_EQ(outcome.body, "ok");
}

TEST_F(ClientTest, SendsMorePiecesThanOneWriteTakes) {
  ClientRequest request = RequestTo(listener_.port());
  const std::vector<absl::string_view> body(1000, "0123456789");
  request.body = body;
  auto future = FetchAsync(request);
  RawSocket peer = listener_.Accept();
  std::string expected;
  for (const absl::string_view piece : body) absl::StrAppend(&expected, piece);
  EXPECT_THAT(peer.ReceiveMessage(),
              EndsWith(absl::StrCat("\r\n\r\n", expected)));
  peer.Send(kOk);
  EXPECT_EQ(future.get().body, "ok");
}

TEST_F(ClientTest, ReusesItsConnection) {
  const ClientRequest request = RequestTo(listener_.port());
  auto future = FetchAsync(request);
  RawSocket peer = listener_.Accept();
  for (int i = 0; i < 3; ++i) {
    if (i > 0) future = FetchAsync(request);
    peer.ReceiveUntil("\r\n\r\n");
    peer.Send(kOk);
    const Outcome outcome = future.get();
    EXPECT_EQ(outcome.body, "ok");
    EXPECT_EQ(outcome.fresh, i == 0);
  }
  EXPECT_EQ(client_->stats().connects, 1u);
  EXPECT_EQ(client_->stats().reused, 2u);
}

TEST_F(ClientTest, DiscardsAPooledConnectionThatTheOriginClosed) {
  const ClientRequest request = RequestTo(listener_.port());
  {
    auto future = FetchAsync(request);
    RawSocket peer = listener_.Accept();
    peer.ReceiveUntil("\r\n\r\n");
    peer.Send(kOk);
    EXPECT_EQ(future.get().body, "ok");
  }
  auto future = FetchAsync(request);
  RawSocket peer = listener_.Accept();
  peer.ReceiveUntil("\r\n\r\n");
  peer.Send(kOk);
  const Outcome outcome = future.get();
  EXPECT_EQ(outcome.body, "ok");
  EXPECT_TRUE(outcome.fresh);
  EXPECT_EQ(client_->stats().discarded, 1u);
  EXPECT_EQ(client_->stats().silent_retries, 0u);
}

TEST_F(ClientTest, DiscardsAPooledConnectionThatSpeaksUnasked) {
  const ClientRequest request = RequestTo(listener_.port());
  auto first = FetchAsync(request);
  RawSocket old = listener_.Accept();
  old.ReceiveUntil("\r\n\r\n");
  old.Send(kOk);
  EXPECT_EQ(first.get().body, "ok");
  old.Send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwrong");
  auto future = FetchAsync(request);
  RawSocket peer = listener_.Accept();
  peer.ReceiveUntil("\r\n\r\n");
  peer.Send(kOk);
  EXPECT_EQ(future.get().body, "ok");
}

TEST_F(ClientTest, RetriesOnceWhenAReusedConnectionDiesUntouched) {
  const ClientRequest request = RequestTo(listener_.port());
  auto first = FetchAsync(request);
  RawSocket old = listener_.Accept();
  old.ReceiveUntil("\r\n\r\n");
  old.Send(kOk);
  EXPECT_EQ(first.get().body, "ok");
  auto future = FetchAsync(request);
  old.ReceiveUntil("\r\n\r\n");
  old.Reset();
  RawSocket peer = listener_.Accept();
  peer.ReceiveUntil("\r\n\r\n");
  peer.Send(kOk);
  const Outcome outcome = future.get();
  EXPECT_EQ(outcome.body, "ok");
  EXPECT_TRUE(outcome.fresh);
  EXPECT_EQ(client_->stats().silent_retries, 1u);
}

TEST_F(ClientTest, DoesNotRetryOnAFreshConnection) {
  auto future = FetchAsync(RequestTo(listener_.port()));
  RawSocket peer = listener_.Accept();
  peer.ReceiveUntil("\r\n\r\n");
  peer.Close();
  EXPECT_EQ(TransportErrorOf(future.get().status), TransportError::kReset);
  EXPECT_EQ(client_->stats().connects, 1u);
}

TEST_F(ClientTest, DoesNotRetryAfterAByteOfTheResponse) {
  const ClientRequest request = RequestTo(listener_.port());
  auto first = FetchAsync(request);
  RawSocket peer = listener_.Accept();
  peer.ReceiveUntil("\r\n\r\n");
  peer.Send(kOk);
  EXPECT_EQ(first.get().body, "ok");
  auto future = FetchAsync(request);
  peer.ReceiveUntil("\r\n\r\n");
  peer.Send("H");
  peer.Close();
  EXPECT_EQ(TransportErrorOf(future.get().status), TransportError::kReset);
  EXPECT_EQ(client_->stats().silent_retries, 0u);
}

TEST_F(ClientTest, ReadsChunksThatCameTogetherAsOneRun) {
  const Outcome outcome = FetchAnswer(
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
      "3\r\nabc\r\n4;x\r\ndefg\r\n0\r\n\r\n");
  EXPECT_TRUE(outcome.status.ok()) << outcome.status;
  EXPECT_THAT(outcome.runs, testing::ElementsAre("abcdefg"));
}

TEST_F(ClientTest, ReadsAResponseCutAtEveryByte) {
  const absl::string_view answer =
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX: y\r\n\r\n"
      "3\r\nabc\r\na\r\n0123456789\r\n0\r\nTr: v\r\n\r\n";
  for (size_t cut = 1; cut < answer.size(); ++cut) {
    auto future = FetchAsync(RequestTo(listener_.port()));
    RawSocket peer = listener_.Accept();
    peer.ReceiveUntil("\r\n\r\n");
    peer.Send(answer.substr(0, cut));
    peer.Send(answer.substr(cut));
    const Outcome outcome = future.get();
    ASSERT_TRUE(outcome.status.ok()) << cut << outcome.status;
    ASSERT_EQ(outcome.body, "abc0123456789") << cut;
    // Its end shows in the pool, so that the next one is new.
    peer.Close();
  }
}

TEST_F(ClientTest, ReadsABodyUntilClose) {
  const Outcome outcome = FetchAnswer("HTTP/1.0 200 OK\r\n\r\nuntil close");
  EXPECT_TRUE(outcome.status.ok()) << outcome.status;
  EXPECT_EQ(outcome.body, "until close");
  EXPECT_EQ(client_->stats().idle_connections, 0);
}

TEST_F(ClientTest, SkipsInterimResponses) {
  const Outcome outcome = FetchAnswer(absl::StrCat(
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nA: b\r\n\r\n",
      kOk));
  EXPECT_EQ(outcome.code, 200);
  EXPECT_EQ(outcome.body, "ok");
}

TEST_F(ClientTest, ReadsAResponseWithoutABody) {
  EXPECT_EQ(FetchAnswer("HTTP/1.1 204 No Content\r\n\r\n").code, 204);
}

TEST_F(ClientTest, KnowsATruncatedBody) {
  for (const char* answer : {
           "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc",
           "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
           "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
           "3\r\nabc\r\n0\r\n",
       }) {
    const Outcome outcome = FetchAnswer(answer);
    EXPECT_EQ(outcome.body, "abc");
    EXPECT_EQ(outcome.status.code(), absl::StatusCode::kDataLoss);
    EXPECT_EQ(TransportErrorOf(outcome.status), TransportError::kTruncated);
  }
}

TEST_F(ClientTest, KnowsAResetBody) {
  auto future = FetchAsync(RequestTo(listener_.port()));
  RawSocket peer = listener_.Accept();
  peer.ReceiveUntil("\r\n\r\n");
  peer.Send("HTTP/1.1 200 OK\r\n\r\nabc");
  absl::SleepFor(absl::Milliseconds(10));
  peer.Reset();
  EXPECT_EQ(TransportErrorOf(future.get().status), TransportError::kTruncated);
}

TEST_F(ClientTest, RefusesMalformedResponses) {
  for (const char* answer : {
           "SSH-2.0-OpenSSH\r\n\r\n",
           "HTTP/1.1 20 OK\r\n\r\n",
           "HTTP/1.1 2000 OK\r\n\r\n",
           "HTTP/2 200\r\n\r\n",
           "HTTP/1.1 200 OK\nContent-Length: 0\n\n",
           "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\na",
           "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n"
           "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
           "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
           "HTTP/1.1 101 Switching Protocols\r\n\r\n",
       }) {
    EXPECT_EQ(TransportErrorOf(FetchAnswer(answer).status),
              TransportError::kBadResponse)
        << answer;
  }
}

TEST_F(ClientTest, RefusesAHeadWithoutEnd) {
  const Outcome outcome = FetchAnswer(
      absl::StrCat("HTTP/1.1 200 OK\r\nA: ", std::string(100'000, 'a')));
  EXPECT_EQ(TransportErrorOf(outcome.status), TransportError::kBadResponse);
}

TEST_F(ClientTest, DoesNotReuseAConnectionWithBytesBehindTheBody) {
  FetchAnswer(absl::StrCat(kOk, "HTTP/1.1 200 OK\r\n\r\n"));
  EXPECT_EQ(client_->stats().idle_connections, 0);
}

TEST_F(ClientTest, TimesOutWithoutAHead) {
  ClientRequest request = RequestTo(listener_.port());
  request.deadline = absl::Now() + absl::Milliseconds(30);
  auto future = FetchAsync(request);
  RawSocket peer = listener_.Accept();
  const Outcome outcome = future.get();
  EXPECT_EQ(TransportErrorOf(outcome.status), TransportError::kTimeoutHeaders);
  EXPECT_EQ(outcome.status.code(), absl::StatusCode::kDeadlineExceeded);
  // The connection is closed, so that the origin stops.
  EXPECT_THAT(peer.ReceiveAll(), StartsWith("POST "));
}

TEST_F(ClientTest, TimesOutWithinABody) {
  auto future = FetchAsync(RequestTo(listener_.port()), absl::Milliseconds(30));
  RawSocket peer = listener_.Accept();
  peer.ReceiveUntil("\r\n\r\n");
  peer.Send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc");
  const Outcome outcome = future.get();
  EXPECT_EQ(outcome.body, "abc");
  EXPECT_EQ(TransportErrorOf(outcome.status), TransportError::kTimeoutRead);
  EXPECT_EQ(peer.ReceiveAll(), "");
}

TEST_F(ClientTest, KnowsARefusedConnection) {
  uint16_t port = 0;
  { port = RawListener().port(); }
  EXPECT_EQ(TransportErrorOf(Fetch(RequestTo(port)).status),
            TransportError::kConnect);
  EXPECT_EQ(client_->stats().connect_failures, 1u);
}

TEST_F(ClientTest, KnowsANameWithoutAddress) {
  ClientRequest request = RequestTo(80);
  origin_.host = "no-such-host.invalid";
  request.connect_timeout = absl::Seconds(20);
  EXPECT_EQ(TransportErrorOf(Fetch(request).status), TransportError::kResolve);
}

TEST_F(ClientTest, ResolvesAName) {
  ClientRequest request = RequestTo(listener_.port());
  origin_.host = "localhost";
  auto future = FetchAsync(request);
  RawSocket peer = listener_.Accept();
  EXPECT_THAT(peer.ReceiveUntil("\r\n\r\n"),
              HasSubstr(absl::StrCat("\r\nhost: localhost:", origin_.port)));
  peer.Send(kOk);
  EXPECT_EQ(future.get().body, "ok");
}

TEST_F(ClientTest, ANameWhoseLookupHangsHoldsUpNoOther) {
  std::promise<void> release;
  std::shared_future<void> released = release.get_future().share();
  Resolver::Options options;
  options.lookup =
      [released](const std::string& host) -> absl::StatusOr<Addresses> {
    if (host == "slow.test") released.wait();
    return Addresses{boost::asio::ip::make_address("127.0.0.1")};
  };
  auto resolver = std::make_shared<Resolver>(std::move(options));
  Start({}, resolver);
  ClientRequest slow = RequestTo(listener_.port());
  Origin slow_origin = origin_;
  slow_origin.host = "slow.test";
  slow.origin = &slow_origin;
  slow.connect_timeout = absl::Milliseconds(300);
  auto late = FetchAsync(slow);

  ClientRequest fast = RequestTo(listener_.port());
  origin_.host = "fast.test";
  auto future = FetchAsync(fast);
  RawSocket peer = listener_.Accept();
  peer.ReceiveUntil("\r\n\r\n");
  peer.Send(kOk);
  EXPECT_EQ(future.get().body, "ok");
  EXPECT_EQ(TransportErrorOf(late.get().status),
            TransportError::kTimeoutConnect);
  // Its answer finds nobody who waits.
  release.set_value();
  StopClient();
}

TEST_F(ClientTest, AnOlderAnswerIsBetterThanNone) {
  std::promise<void> release;
  std::shared_future<void> released = release.get_future().share();
  std::atomic<int> lookups{0};
  Resolver::Options options;
  options.ttl = absl::ZeroDuration();
  options.lookup = [&](const std::string&) -> absl::StatusOr<Addresses> {
    const int lookup = ++lookups;
    if (lookup == 2) return absl::UnavailableError("no");
    if (lookup == 3) released.wait();
    return Addresses{boost::asio::ip::make_address("127.0.0.1")};
  };
  auto resolver = std::make_shared<Resolver>(std::move(options));
  Start({}, resolver);
  ClientRequest request = RequestTo(listener_.port());
  origin_.host = "a.test";
  request.connect_timeout = absl::Seconds(10);
  for (int i = 1; i <= 3; ++i) {
    auto future = FetchAsync(request);
    RawSocket peer = listener_.Accept();
    peer.ReceiveUntil("\r\n\r\n");
    peer.Send(
        "HTTP/1.1 200 OK\r\nConnection: close\r\n"
        "Content-Length: 2\r\n\r\nok");
    EXPECT_EQ(future.get().body, "ok");
    EXPECT_EQ(lookups, i);
  }
  EXPECT_EQ(resolver->stats().stale, 2u);
  release.set_value();
  StopClient();
}

TEST_F(ClientTest, NeverSplitsAHeader) {
  ClientRequest request = RequestTo(listener_.port());
  const Headers headers{{"x-a", "b\r\nx-b: c"}};
  request.headers = &headers;
  EXPECT_TRUE(absl::IsInvalidArgument(Fetch(request).status));
  request.headers = nullptr;
  request.target = "/a HTTP/1.1\r\nx: ";
  EXPECT_TRUE(absl::IsInvalidArgument(Fetch(request).status));
}

TEST_F(ClientTest, WaitsForAConnectionWithinTheLimit) {
  ClientOptions options;
  options.max_connections_per_origin = 1;
  Start(options);
  ClientRequest request = RequestTo(listener_.port());
  auto first = FetchAsync(request);
  RawSocket peer = listener_.Accept();
  peer.ReceiveUntil("\r\n\r\n");
  ClientRequest impatient = request;
  impatient.connect_timeout = absl::Milliseconds(20);
  EXPECT_EQ(TransportErrorOf(Fetch(impatient).status),
            TransportError::kTimeoutConnect);
  EXPECT_EQ(client_->stats().waiting, 0);
  request.connect_timeout = absl::Seconds(10);
  auto second = FetchAsync(request);
  EXPECT_TRUE(Eventually([&] { return client_->stats().waiting == 1; }));
  peer.Send(kOk);
  EXPECT_EQ(first.get().body, "ok");
  peer.ReceiveUntil("\r\n\r\n");
  peer.Send(kOk);
  EXPECT_EQ(second.get().body, "ok");
  EXPECT_EQ(client_->stats().connects, 1u);
  EXPECT_EQ(client_->stats().waiting, 0);
}

TEST_F(ClientTest, SeveralMayCountTogether) {
  const auto stats = std::make_shared<ClientStats>();
  for (int i = 0; i < 2; ++i) {
    StopClient();
    client_ = std::make_unique<Client>(io_[0], ClientOptions(), nullptr,
                                       nullptr, stats);
    EXPECT_EQ(FetchAnswer("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").code,
              200);
  }
  StopClient();
  EXPECT_EQ(stats->connects, 2u);
  EXPECT_EQ(stats->requests, 2u);
  EXPECT_EQ(stats->open_connections, 0);
  EXPECT_EQ(stats->idle_connections, 0);
}

TEST_F(ClientTest, WhoWaitedLongestForAConnectionGetsIt) {
  ClientOptions options;
  options.max_connections_per_origin = 1;
  Start(options);
  ClientRequest request = RequestTo(listener_.port());
  request.connect_timeout = absl::Seconds(10);
  const std::vector<std::string> targets = {"/0", "/1", "/2", "/3"};
  std::vector<std::future<Outcome>> outcomes;
  for (const std::string& target : targets) {
    request.target = target;
    outcomes.push_back(FetchAsync(request));
  }
  RawSocket peer = listener_.Accept();
  for (size_t i = 0; i < targets.size(); ++i) {
    EXPECT_THAT(peer.ReceiveUntil("\r\n\r\n"),
                StartsWith(absl::StrCat("POST ", targets[i], " ")));
    peer.Send(kOk);
    EXPECT_EQ(outcomes[i].get().body, "ok");
  }
  EXPECT_EQ(client_->stats().connects, 1u);
}

TEST_F(ClientTest, ForgetsAnIdleConnection) {
  ClientOptions options;
  options.idle_timeout = absl::Milliseconds(20);
  Start(options);
  auto future = FetchAsync(RequestTo(listener_.port()));
  RawSocket peer = listener_.Accept();
  peer.ReceiveUntil("\r\n\r\n");
  peer.Send(kOk);
  EXPECT_EQ(future.get().body, "ok");
  EXPECT_EQ(peer.ReceiveAll(), "");
  EXPECT_EQ(client_->stats().idle_connections, 0);
}

// Cancels a request when the test says so.
class CancelTest : public ClientTest {
 protected:
  std::future<Outcome> FetchCancellable(const ClientRequest& request) {
    auto promise = std::make_shared<std::promise<Outcome>>();
    boost::asio::co_spawn(
        io_[0], Run(request, absl::Seconds(10)),
        boost::asio::bind_cancellation_slot(
            signal_.slot(), [promise](std::exception_ptr, Outcome outcome) {
              promise->set_value(std::move(outcome));
            }));
    return promise->get_future();
  }

  void Cancel() {
    boost::asio::post(io_[0], [this] {
      signal_.emit(boost::asio::cancellation_type::terminal);
    });
  }

  boost::asio::cancellation_signal signal_;
};

TEST_F(CancelTest, ClosesTheConnectionBeforeTheHead) {
  auto future = FetchCancellable(RequestTo(listener_.port()));
  RawSocket peer = listener_.Accept();
  peer.ReceiveUntil("\r\n\r\n");
  Cancel();
  EXPECT_TRUE(absl::IsCancelled(future.get().status));
  EXPECT_EQ(peer.ReceiveAll(), "");
}

TEST_F(CancelTest, ClosesTheConnectionWithinTheBody) {
  auto future = FetchCancellable(RequestTo(listener_.port()));
  RawSocket peer = listener_.Accept();
  peer.ReceiveUntil("\r\n\r\n");
  peer.Send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc");
  absl::SleepFor(absl::Milliseconds(20));
  Cancel();
  const Outcome outcome = future.get();
  EXPECT_TRUE(absl::IsCancelled(outcome.status));
  EXPECT_EQ(outcome.body, "abc");
  EXPECT_EQ(peer.ReceiveAll(), "");
}

// A connection becomes free, and the request that is next in line is cancelled
// before it hears of that: the one behind it gets the connection.
TEST_F(CancelTest, AFreeConnectionIsNotLostWithWhomItWasMeantFor) {
  ClientOptions options;
  options.max_connections_per_origin = 1;
  Start(options);
  ClientRequest request = RequestTo(listener_.port());
  request.connect_timeout = absl::Seconds(5);
  std::optional<ResponseStream> held;
  auto hold = [&]() -> Awaitable<void> {
    auto response = co_await client_->Send(request);
    if (response.ok()) held.emplace(*std::move(response));
  };
  auto holding = boost::asio::co_spawn(io_[0], hold(), boost::asio::use_future);
  RawSocket peer = listener_.Accept();
  peer.ReceiveUntil("\r\n\r\n");
  peer.Send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  holding.get();
  ASSERT_TRUE(held.has_value());
  auto next = FetchCancellable(request);
  auto behind = FetchAsync(request);
  boost::asio::post(io_[0], [&] {
    held.reset();
    signal_.emit(boost::asio::cancellation_type::terminal);
  });
  EXPECT_TRUE(absl::IsCancelled(next.get().status));
  EXPECT_THAT(peer.ReceiveUntil("\r\n\r\n"), StartsWith("POST "));
  peer.Send(kOk);
  EXPECT_EQ(behind.get().body, "ok");
}

TEST_F(CancelTest, ClosesTheConnectionWhileSending) {
  ClientRequest request = RequestTo(listener_.port());
  const std::string large(64 << 20, 'x');
  const std::vector<absl::string_view> body = {large};
  request.body = body;
  auto future = FetchCancellable(request);
  RawSocket peer = listener_.Accept();
  peer.ReceiveUntil("\r\n\r\n");
  Cancel();
  EXPECT_TRUE(absl::IsCancelled(future.get().status));
}

TEST_F(ClientTest, AStreamDroppedEarlyClosesItsConnection) {
  const ClientRequest request = RequestTo(listener_.port());
  auto drop = [&]() -> Awaitable<void> {
    auto response = co_await client_->Send(request);
    EXPECT_TRUE(response.ok());
  };
  auto future = boost::asio::co_spawn(io_[0], drop(), boost::asio::use_future);
  RawSocket peer = listener_.Accept();
  peer.ReceiveUntil("\r\n\r\n");
  peer.Send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc");
  future.get();
  EXPECT_EQ(peer.ReceiveAll(), "");
  EXPECT_EQ(client_->stats().idle_connections, 0);
}

TEST_F(ClientTest, ReadAllIsBounded) {
  const ClientRequest request = RequestTo(listener_.port());
  auto read = [&]() -> Awaitable<absl::Status> {
    auto response = co_await client_->Send(request);
    if (!response.ok()) co_return response.status();
    auto all = co_await response->ReadAll(absl::InfiniteFuture(), 4);
    co_return all.status();
  };
  auto future = boost::asio::co_spawn(io_[0], read(), boost::asio::use_future);
  RawSocket peer = listener_.Accept();
  peer.ReceiveUntil("\r\n\r\n");
  peer.Send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabcde");
  EXPECT_EQ(TransportErrorOf(future.get()), TransportError::kBodyTooLarge);
}

// The limit for the head is one, whatever has to be waited for before it.
TEST_F(ClientTest, WaitingForAConnectionIsPartOfTheDeadline) {
  ClientOptions options;
  options.max_connections_per_origin = 1;
  Start(options);
  auto first = FetchAsync(RequestTo(listener_.port()));
  RawSocket peer = listener_.Accept();
  peer.ReceiveUntil("\r\n\r\n");
  ClientRequest second = RequestTo(listener_.port());
  second.connect_timeout = absl::Seconds(10);
  const absl::Time began = absl::Now();
  second.deadline = began + absl::Milliseconds(400);
  auto waiting = FetchAsync(second);
  absl::SleepFor(absl::Milliseconds(300));
  peer.Send(kOk);
  first.get();
  // It gets the connection, and no answer.
  EXPECT_THAT(peer.ReceiveUntil("\r\n\r\n"), StartsWith("POST "));
  EXPECT_EQ(TransportErrorOf(waiting.get().status),
            TransportError::kTimeoutHeaders);
  EXPECT_LT(absl::Now() - began, absl::Milliseconds(650));
}

TEST_F(ClientTest, NobodyWaitsForAConnectionBeyondTheDeadline) {
  ClientOptions options;
  options.max_connections_per_origin = 1;
  Start(options);
  auto first = FetchAsync(RequestTo(listener_.port()));
  RawSocket peer = listener_.Accept();
  ClientRequest second = RequestTo(listener_.port());
  second.connect_timeout = absl::Seconds(10);
  const absl::Time began = absl::Now();
  second.deadline = began + absl::Milliseconds(30);
  EXPECT_EQ(TransportErrorOf(Fetch(second).status),
            TransportError::kTimeoutConnect);
  EXPECT_LT(absl::Now() - began, absl::Seconds(5));
  peer.ReceiveUntil("\r\n\r\n");
  peer.Send(kOk);
  EXPECT_EQ(first.get().body, "ok");
}

TEST_F(ClientTest, ASecondSendingHasNoMoreTimeThanTheFirst) {
  auto first = FetchAsync(RequestTo(listener_.port()));
  RawSocket peer = listener_.Accept();
  peer.ReceiveUntil("\r\n\r\n");
  peer.Send(kOk);
  first.get();
  ClientRequest request = RequestTo(listener_.port());
  const absl::Time began = absl::Now();
  request.deadline = began + absl::Milliseconds(400);
  auto future = FetchAsync(request);
  peer.ReceiveUntil("\r\n\r\n");
  absl::SleepFor(absl::Milliseconds(300));
  peer.Close();
  RawSocket again = listener_.Accept();
  EXPECT_THAT(again.ReceiveUntil("\r\n\r\n"), StartsWith("POST "));
  EXPECT_EQ(TransportErrorOf(future.get().status),
            TransportError::kTimeoutHeaders);
  EXPECT_EQ(client_->stats().silent_retries, 1u);
  EXPECT_LT(absl::Now() - began, absl::Milliseconds(650));
}

// What a client leaves when its thread ends first; LeakSanitizer judges.
TEST_F(ClientTest, IsDestroyedWithRequestsUnderWay) {
  auto future = FetchAsync(RequestTo(listener_.port()));
  RawSocket peer = listener_.Accept();
  peer.ReceiveUntil("\r\n\r\n");
  io_.Stop();
  client_.reset();
  EXPECT_EQ(peer.ReceiveAll(), "");
}

// A proxy of the library's two halves.
class ProxyHandler : public Handler {
 public:
  ProxyHandler(Client* client, Origin origin)
      : client_(client), origin_(std::move(origin)) {}

  Awaitable<void> Handle(Request& request, ResponseWriter& writer) override {
    ClientRequest outgoing;
    outgoing.origin = &origin_;
    outgoing.method = request.method;
    outgoing.target = request.target;
    const absl::string_view body[] = {request.body};
    outgoing.body = body;
    auto response = co_await client_->Send(outgoing);
    if (!response.ok()) co_return;
    writer.StartStream(response->status(), response->headers());
    while (true) {
      auto run = co_await response->Read(absl::InfiniteFuture());
      if (!run.ok()) co_return;
      if (run->empty() || response->complete()) {
        co_await writer.Finish(*run);
        co_return;
      }
      const absl::Status written = co_await writer.Write(*run);
      if (!written.ok()) co_return;
    }
  }

 private:
  Client* const client_;
  const Origin origin_;
};

class ProxyTest : public ClientTest {
 protected:
  void SetUp() override {
    ClientTest::SetUp();
    handler_ = std::make_unique<ProxyHandler>(
        client_.get(), Origin{false, "127.0.0.1", listener_.port()});
    ServerOptions options;
    options.address = "127.0.0.1";
    server_ = *Server::Create(options, io_.all(), handler_.get());
    server_->Start();
  }
  void TearDown() override {
    server_->CloseAll();
    EXPECT_TRUE(server_->AwaitClosed(absl::Now() + absl::Seconds(10)));
    ClientTest::TearDown();
  }

  std::unique_ptr<ProxyHandler> handler_;
  std::unique_ptr<Server> server_;
};

TEST_F(ProxyTest, PassesAStreamOnAsItComes) {
  RawSocket user = RawSocket::Connect(server_->port());
  user.Send("POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nask");
  RawSocket origin = listener_.Accept();
  EXPECT_THAT(origin.ReceiveMessage(), EndsWith("\r\n\r\nask"));
  origin.Send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab");
  EXPECT_THAT(user.ReceiveUntil("ab\r\n"), HasSubstr("\r\n2\r\n"));
  origin.Send("\r\n2\r\ncd\r\n0\r\n\r\n");
  EXPECT_EQ(user.ReceiveUntil("0\r\n\r\n"), "2\r\ncd\r\n0\r\n\r\n");
}

TEST_F(ProxyTest, AUserWhoLeavesEndsTheOriginsRequestBeforeTheHead) {
  RawSocket user = RawSocket::Connect(server_->port());
  user.Send("POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nask");
  RawSocket origin = listener_.Accept();
  origin.ReceiveMessage();
  user.Close();
  const absl::Time left = absl::Now();
  EXPECT_EQ(origin.ReceiveAll(), "");
  EXPECT_LT(absl::Now() - left, absl::Milliseconds(250));
}

TEST_F(ProxyTest, AUserWhoLeavesEndsTheOriginsRequestWithinTheStream) {
  RawSocket user = RawSocket::Connect(server_->port());
  user.Send("POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nask");
  RawSocket origin = listener_.Accept();
  origin.ReceiveMessage();
  origin.Send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab");
  user.ReceiveUntil("ab\r\n");
  user.Reset();
  const absl::Time left = absl::Now();
  EXPECT_EQ(origin.ReceiveAll(), "");
  EXPECT_LT(absl::Now() - left, absl::Milliseconds(250));
}

TEST_F(ProxyTest, ATruncatedOriginIsNeverPresentedAsComplete) {
  RawSocket user = RawSocket::Connect(server_->port());
  user.Send("POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nask");
  RawSocket origin = listener_.Accept();
  origin.ReceiveMessage();
  origin.Send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab");
  user.ReceiveUntil("ab\r\n");
  origin.Close();
  EXPECT_EQ(user.ReceiveAll(), "");
}

TEST(ParseOriginTest, ReadsUrls) {
  std::string path;
  auto origin = ParseOrigin("https://api.example.com/v1", &path);
  ASSERT_TRUE(origin.ok());
  EXPECT_TRUE(*origin == (Origin{true, "api.example.com", 443}));
  EXPECT_EQ(path, "/v1");
  EXPECT_TRUE(*ParseOrigin("http://h:8080", &path) ==
              (Origin{false, "h", 8080}));
  EXPECT_EQ(path, "");
  EXPECT_TRUE(*ParseOrigin("http://[::1]:81/") == (Origin{false, "::1", 81}));
}

TEST(ParseOriginTest, RefusesTheRest) {
  for (const char* url : {"", "h", "ftp://h", "http://", "http://h:",
                          "http://h:0", "http://h:70000", "http://u:p@h",
                          "http://[::1", "http://a b", "http://h?q"}) {
    EXPECT_FALSE(ParseOrigin(url).ok()) << url;
  }
}

}  // namespace
}  // namespace gateway::http
