#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>
#include <absl/time/clock.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>

#include <thread>

#include "common/http/client.h"
#include "tests/support/certificates.h"
#include "tests/unit/common/http/io_threads.h"
#include "tests/unit/common/http/raw_socket.h"

namespace gateway::http {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

// Made once.
const Certificates& Made() {
  static const Certificates certificates;
  return certificates;
}

// One connection of a blocking TLS server.
class TlsPeer {
 public:
  // Shakes hands on a connection of `listener`.
  TlsPeer(RawListener& listener, const std::string& certificate,
          int max_version = TLS1_3_VERSION)
      : context_(SSL_CTX_new(TLS_server_method())) {
    SSL_CTX_set_max_proto_version(context_, max_version);
    SSL_CTX_set_min_proto_version(context_, TLS1_VERSION);
    // The old versions are weak even for OpenSSL's default level.
    SSL_CTX_set_security_level(context_, 0);
    SSL_CTX_use_certificate_file(
        context_, Made().Path(certificate + ".pem").c_str(), SSL_FILETYPE_PEM);
    SSL_CTX_use_PrivateKey_file(
        context_, Made().Path(certificate + ".key").c_str(), SSL_FILETYPE_PEM);
    socket_ = listener.Accept();
    ssl_ = SSL_new(context_);
    SSL_set_fd(ssl_, socket_.fd());
    shaken_ = SSL_accept(ssl_) == 1;
  }
  ~TlsPeer() {
    SSL_free(ssl_);
    SSL_CTX_free(context_);
  }

  bool shaken() const { return shaken_; }
  std::string server_name() const {
    const char* name = SSL_get_servername(ssl_, TLSEXT_NAMETYPE_host_name);
    return name == nullptr ? "" : name;
  }
  std::string ReceiveUntil(absl::string_view mark) {
    std::string all;
    char byte;
    while (!absl::EndsWith(all, mark) && SSL_read(ssl_, &byte, 1) == 1) {
      all.push_back(byte);
    }
    return all;
  }
  std::string Receive(size_t size) {
    std::string all(size, '\0');
    size_t got = 0;
    while (got < size) {
      const int n = SSL_read(ssl_, all.data() + got, size - got);
      if (n <= 0) break;
      got += n;
    }
    all.resize(got);
    return all;
  }
  void Send(absl::string_view bytes) {
    SSL_write(ssl_, bytes.data(), bytes.size());
  }
  // Says goodbye, then closes.
  void Shutdown() {
    SSL_shutdown(ssl_);
    socket_.Close();
  }
  RawSocket& socket() { return socket_; }

 private:
  SSL_CTX* context_;
  SSL* ssl_ = nullptr;
  RawSocket socket_;
  bool shaken_ = false;
};

struct Outcome {
  absl::Status status;
  std::string body;
};

class TlsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    // The peer's OpenSSL writes to sockets that the client has closed.
    signal(SIGPIPE, SIG_IGN);
    Trust("ca.pem");
  }
  void TearDown() override { io_.Await(Destroy()); }
  Awaitable<void> Destroy() {
    client_.reset();
    co_return;
  }

  void Trust(const std::string& ca, ClientOptions options = {}) {
    auto trust = TlsTrust::Create(Made().Path(ca));
    ASSERT_TRUE(trust.ok()) << trust.status();
    client_ = std::make_unique<Client>(io_[0], options, *trust);
  }

  Awaitable<Outcome> Run(std::string host, std::string body) {
    const Origin origin{true, host, listener_.port()};
    ClientRequest request;
    request.origin = &origin;
    const absl::string_view pieces[] = {body, "."};
    request.body = pieces;
    request.connect_timeout = limit_;
    auto response = co_await client_->Send(request);
    if (!response.ok()) co_return Outcome{response.status(), ""};
    auto all = co_await response->ReadAll(absl::Now() + absl::Seconds(10),
                                          size_t{64} << 20);
    co_return Outcome{all.status(), all.ok() ? *all : ""};
  }

  std::future<Outcome> Fetch(const std::string& host,
                             const std::string& body = "ask") {
    return boost::asio::co_spawn(io_[0], Run(host, body),
                                 boost::asio::use_future);
  }

  IoThreads io_{1};
  RawListener listener_;
  absl::Duration limit_ = absl::Seconds(5);
  std::unique_ptr<Client> client_;
};

constexpr absl::string_view kOk =
    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

TEST_F(TlsTest, ChecksTheCertificateSendsTheNameAndReuses) {
  auto future = Fetch("localhost");
  TlsPeer peer(listener_, "good");
  ASSERT_TRUE(peer.shaken());
  EXPECT_EQ(peer.server_name(), "localhost");
  EXPECT_THAT(peer.ReceiveUntil("ask."), StartsWith("POST / HTTP/1.1\r\n"));
  peer.Send(kOk);
  const Outcome outcome = future.get();
  EXPECT_TRUE(outcome.status.ok()) << outcome.status;
  EXPECT_EQ(outcome.body, "ok");
  // Session tickets lie unread in the idle connection; it is alive all the
  // same.
  auto again = Fetch("localhost");
  peer.ReceiveUntil("ask.");
  peer.Send(kOk);
  EXPECT_EQ(again.get().body, "ok");
  EXPECT_EQ(client_->stats().connects, 1u);
  EXPECT_EQ(client_->stats().reused, 1u);
}

TEST_F(TlsTest, ChecksAnAddress) {
  auto future = Fetch("127.0.0.1");
  TlsPeer peer(listener_, "good");
  EXPECT_EQ(peer.server_name(), "");
  peer.ReceiveUntil("ask.");
  peer.Send(kOk);
  EXPECT_EQ(future.get().body, "ok");
}

TEST_F(TlsTest, RefusesACertificateForAnotherHost) {
  auto future = Fetch("localhost");
  TlsPeer peer(listener_, "wrong");
  const Outcome outcome = future.get();
  EXPECT_EQ(TransportErrorOf(outcome.status), TransportError::kTls);
  EXPECT_THAT(std::string(outcome.status.message()), HasSubstr("ostname"));
  EXPECT_EQ(peer.ReceiveUntil("ask."), "");
}

TEST_F(TlsTest, RefusesACertificateOfYesterday) {
  auto future = Fetch("localhost");
  TlsPeer peer(listener_, "expired");
  const Outcome outcome = future.get();
  EXPECT_EQ(TransportErrorOf(outcome.status), TransportError::kTls);
  EXPECT_THAT(std::string(outcome.status.message()), HasSubstr("expired"));
}

TEST_F(TlsTest, RefusesAnUnknownAuthority) {
  Trust("other.pem");
  auto future = Fetch("localhost");
  TlsPeer peer(listener_, "good");
  EXPECT_EQ(TransportErrorOf(future.get().status), TransportError::kTls);
}

TEST_F(TlsTest, RefusesOldVersions) {
  auto future = Fetch("localhost");
  TlsPeer peer(listener_, "good", TLS1_1_VERSION);
  EXPECT_FALSE(peer.shaken());
  EXPECT_EQ(TransportErrorOf(future.get().status), TransportError::kTls);
}

TEST_F(TlsTest, SpeaksTls12) {
  auto future = Fetch("localhost");
  TlsPeer peer(listener_, "good", TLS1_2_VERSION);
  peer.ReceiveUntil("ask.");
  peer.Send(kOk);
  EXPECT_EQ(future.get().body, "ok");
}

TEST_F(TlsTest, RefusesPlainText) {
  auto future = Fetch("localhost");
  RawSocket peer = listener_.Accept();
  peer.Receive();
  peer.Send("HTTP/1.1 400 Bad Request\r\n\r\n");
  EXPECT_EQ(TransportErrorOf(future.get().status), TransportError::kTls);
}

TEST_F(TlsTest, TimesOutInTheHandshake) {
  limit_ = absl::Milliseconds(50);
  auto future = Fetch("localhost");
  RawSocket peer = listener_.Accept();
  EXPECT_EQ(TransportErrorOf(future.get().status),
            TransportError::kTimeoutConnect);
}

// Waiting for room, connecting and the handshake share one limit.
TEST_F(TlsTest, TheHandshakeIsPartOfTheTimeToConnect) {
  ClientOptions options;
  options.max_connections_per_origin = 1;
  Trust("ca.pem", options);
  auto first = Fetch("localhost");
  {
    TlsPeer peer(listener_, "good");
    peer.ReceiveUntil("ask.");
    limit_ = absl::Milliseconds(400);
    const absl::Time began = absl::Now();
    auto future = Fetch("localhost");
    absl::SleepFor(absl::Milliseconds(300));
    peer.Shutdown();
    EXPECT_FALSE(first.get().status.ok());
    RawSocket silent = listener_.Accept();
    EXPECT_EQ(TransportErrorOf(future.get().status),
              TransportError::kTimeoutConnect);
    EXPECT_LT(absl::Now() - began, absl::Milliseconds(650));
  }
}

TEST_F(TlsTest, CarriesLargeBodiesBothWays) {
  const std::string large(5'000'000, 'b');
  auto future = Fetch("localhost", large);
  TlsPeer peer(listener_, "good");
  EXPECT_THAT(peer.ReceiveUntil("\r\n\r\n"),
              HasSubstr("\r\ncontent-length: 5000001\r\n"));
  EXPECT_EQ(peer.Receive(large.size() + 1), large + ".");
  peer.Send(absl::StrCat("HTTP/1.1 200 OK\r\nContent-Length: ", large.size(),
                         "\r\n\r\n"));
  peer.Send(large);
  const Outcome outcome = future.get();
  EXPECT_TRUE(outcome.status.ok()) << outcome.status;
  EXPECT_EQ(outcome.body, large);
}

TEST_F(TlsTest, ABodyUntilCloseEndsOnlyWithAGoodbye) {
  for (const bool goodbye : {true, false}) {
    auto future = Fetch("localhost");
    TlsPeer peer(listener_, "good");
    peer.ReceiveUntil("ask.");
    peer.Send("HTTP/1.1 200 OK\r\n\r\nabc");
    if (goodbye) {
      peer.Shutdown();
    } else {
      peer.socket().Close();
    }
    const Outcome outcome = future.get();
    EXPECT_EQ(outcome.status.ok(), goodbye) << outcome.status;
    if (!goodbye) {
      EXPECT_EQ(TransportErrorOf(outcome.status), TransportError::kTruncated);
    }
  }
}

TEST(TlsTrustTest, NamesAFileThatIsNoAuthority) {
  EXPECT_TRUE(absl::IsNotFound(TlsTrust::Create("/no/such.pem").status()));
  EXPECT_TRUE(absl::IsNotFound(TlsTrust::Create("/dev/null").status()));
  EXPECT_TRUE(TlsTrust::Create("").ok());
}

}  // namespace
}  // namespace gateway::http
