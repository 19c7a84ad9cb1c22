// Drives the fake provider over raw sockets, with a client of its own.

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <string>

#include "tests/fakes/provider/json.h"
#include "tests/fakes/provider/script.h"
#include "tests/fakes/provider/server.h"

namespace fake_provider {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

// A blocking connection whose reads give up after `patience_ms`.
class Client {
 public:
  explicit Client(int port, int patience_ms = 5000)
      : fd_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address));
    timeval patience = {patience_ms / 1000, patience_ms % 1000 * 1000};
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  }
  ~Client() { Close(); }

  void Close() {
    if (fd_ >= 0) close(fd_);
    fd_ = -1;
  }

  int fd() const { return fd_; }

  void Send(const std::string& bytes) {
    size_t sent = 0;
    while (sent < bytes.size()) {
      ssize_t n =
          send(fd_, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
      if (n <= 0) return;
      sent += n;
    }
  }

  // Reads until what came ends with `end`, or the connection ends or resets,
  // or patience ends; errno_() tells which.
  std::string ReadUntil(const std::string& end) {
    std::string got;
    char buffer[65536];
    while (end.empty() || got.size() < end.size() ||
           got.compare(got.size() - end.size(), end.size(), end) != 0) {
      errno = 0;
      ssize_t n = recv(fd_, buffer, sizeof(buffer), 0);
      last_errno_ = n == 0 ? 0 : errno;
      if (n <= 0) break;
      got.append(buffer, n);
    }
    return got;
  }
  std::string ReadAll() { return ReadUntil(""); }

  // Reads one answer with a content-length.
  std::string ReadWhole() {
    std::string got;
    char byte;
    while (got.find("\r\n\r\n") == std::string::npos) {
      if (recv(fd_, &byte, 1, 0) != 1) return got;
      got.push_back(byte);
    }
    size_t at = got.find("content-length: ");
    if (at == std::string::npos) return got;
    size_t left = std::strtoul(got.c_str() + at + 16, nullptr, 10);
    std::string body(left, 0);
    if (left > 0 && recv(fd_, body.data(), left, MSG_WAITALL) <= 0) return got;
    return got + body;
  }

  int last_errno() const { return last_errno_; }

 private:
  int fd_;
  int last_errno_ = 0;
};

std::string Post(const std::string& body, const std::string& headers = "") {
  return "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n" + headers +
         "content-length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

std::string ChatBody(const std::string& model, bool stream,
                     const std::string& more = "") {
  return "{\"model\":\"" + model +
         "\",\"stream\":" + (stream ? "true" : "false") + more +
         ",\"messages\":[{\"role\":\"system\",\"content\":\"be kind\"},"
         "{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":"
         "\"hello\\nbig  world\"}]}]}";
}

const char kWithUsage[] = ",\"stream_options\":{\"include_usage\":true}";
const char kStreamEnd[] = "0\r\n\r\n";

int Count(const std::string& text, const std::string& part) {
  int count = 0;
  for (size_t at = text.find(part); at != std::string::npos;
       at = text.find(part, at + part.size())) {
    ++count;
  }
  return count;
}

class ProviderTest : public ::testing::Test {
 protected:
  void Start(Server::Options options = {}) {
    server_ = std::make_unique<Server>(options);
    ASSERT_TRUE(server_->Start());
  }
  void SetUp() override { Start(); }

  int port() const { return server_->port(); }

  std::string Get(const std::string& path) {
    Client client(port());
    client.Send("GET " + path + " HTTP/1.1\r\nhost: x\r\n\r\n");
    return client.ReadWhole();
  }

  std::string Whole(const std::string& model) {
    Client client(port());
    client.Send(Post(ChatBody(model, false)));
    return client.ReadWhole();
  }

  // The whole stream, or what came until the connection ended.
  std::string Stream(const std::string& model) {
    Client client(port());
    client.Send(Post(ChatBody(model, true, kWithUsage)));
    std::string got = client.ReadUntil(kStreamEnd);
    errno_ = client.last_errno();
    return got;
  }

  // What a request for a stream gets instead of one.
  std::string StreamRefused(const std::string& model) {
    Client client(port());
    client.Send(Post(ChatBody(model, true, kWithUsage)));
    return client.ReadWhole();
  }

  // The log, once it says so; the client may see an end before it is written.
  std::string LogWith(const std::string& part) {
    std::string log;
    for (int i = 0; i < 500; ++i) {
      log = Get("/_log");
      if (log.find(part) != std::string::npos) break;
      usleep(10000);
    }
    return log;
  }

  std::unique_ptr<Server> server_;
  int errno_ = 0;
};

TEST_F(ProviderTest, AnswersWholeAndCountsTokens) {
  std::string got = Whole("fake-3x0");
  EXPECT_THAT(got, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(got, HasSubstr("\"content\":\"word0 word1 word2\""));
  EXPECT_THAT(got, HasSubstr("{\"prompt_tokens\":5,\"completion_tokens\":3,"
                             "\"total_tokens\":8}"));
}

TEST_F(ProviderTest, StreamsWithUsageAndDone) {
  std::string got = Stream("fake-50x0");
  EXPECT_EQ(Count(got, "\"delta\":{\"content\":\""), 50);
  EXPECT_EQ(Count(got, "\"usage\":null"), 52);
  EXPECT_EQ(Count(got,
                  "\"choices\":[],\"usage\":{\"prompt_tokens\":5,"
                  "\"completion_tokens\":50,\"total_tokens\":55}"),
            1);
  EXPECT_THAT(got, EndsWith("data: [DONE]\n\n\r\n0\r\n\r\n"));
}

TEST_F(ProviderTest, SendsNoUsageUnasked) {
  Client client(port());
  client.Send(Post(ChatBody("fake-2x0", true)));
  std::string got = client.ReadUntil(kStreamEnd);
  EXPECT_EQ(Count(got, "usage"), 0);
  EXPECT_EQ(Count(got, "data: "), 5);
}

TEST_F(ProviderTest, PacesEvents) {
  auto began = std::chrono::steady_clock::now();
  std::string got = Stream("fake-4x30");
  auto took = std::chrono::steady_clock::now() - began;
  EXPECT_EQ(Count(got, "\"delta\":{\"content\":\"word0"), 1);
  // Three pauses between contents and one before the finish chunk.
  EXPECT_GE(took, std::chrono::milliseconds(119));
}

TEST_F(ProviderTest, EchoesWhatItReceived) {
  EXPECT_THAT(Whole("fake-echo"), HasSubstr("count=2 roles=system,user "
                                            "last=hello\\nbig  world"));
}

TEST_F(ProviderTest, StreamsTwoToolCallsWithSplitArguments) {
  std::string got = Stream("fake-tools");
  EXPECT_THAT(got, HasSubstr("{\"index\":0,\"id\":\"call_1\""));
  EXPECT_THAT(got, HasSubstr("{\"index\":1,\"id\":\"call_2\""));
  EXPECT_THAT(got, HasSubstr("{\"index\":0,\"function\":{\"arguments\":\":"
                             "\\\"Par\"}}"));
  EXPECT_THAT(got, HasSubstr("\"finish_reason\":\"tool_calls\""));
  EXPECT_THAT(Whole("fake-tools"),
              HasSubstr("\"arguments\":\"{\\\"city\\\":\\\"Paris\\\"}\""));
}

TEST_F(ProviderTest, CountsTheWordsOfLongPrompts) {
  std::string text = " one\\ntwo";
  for (int i = 0; i < 500; ++i) text += "  w" + std::to_string(i) + "\\t";
  Client client(port());
  client.Send(Post("{\"model\":\"fake-1x0\",\"messages\":[{\"content\":\"" +
                   text + "\"}]}"));
  EXPECT_THAT(client.ReadWhole(), HasSubstr("\"prompt_tokens\":502,"));
}

TEST_F(ProviderTest, HonoursMaxTokens) {
  Client client(port());
  client.Send(Post(ChatBody("fake-9x0", false, ",\"max_tokens\":2")));
  EXPECT_THAT(client.ReadWhole(), HasSubstr("\"finish_reason\":\"length\""));
}

TEST_F(ProviderTest, KeepsConnectionsAlive) {
  Client client(port());
  for (int i = 0; i < 3; ++i) {
    client.Send(Post(ChatBody("fake-1x0", false)));
    EXPECT_THAT(client.ReadWhole(), HasSubstr("word0"));
  }
  EXPECT_EQ(Count(LogWith("\"id\":3,"), "\"connection\":"), 3);
  EXPECT_THAT(Get("/_stats"), HasSubstr("\"requests\":3,"));
}

TEST_F(ProviderTest, ReadsChunkedBodiesCutAnywhere) {
  std::string body = ChatBody("fake-1x0", false);
  std::string bytes =
      "POST /v1/chat/completions HTTP/1.1\r\ntransfer-encoding: chunked\r\n"
      "\r\n5\r\n" +
      body.substr(0, 5) + "\r\n";
  char size[16];
  std::snprintf(size, sizeof(size), "%zx", body.size() - 5);
  bytes += std::string(size) + "\r\n" + body.substr(5) + "\r\n0\r\n\r\n";
  Client client(port());
  for (char c : bytes) client.Send(std::string(1, c));
  EXPECT_THAT(client.ReadWhole(), HasSubstr("word0"));
  EXPECT_THAT(Get("/_last"), EndsWith("\r\n\r\n" + body));
  EXPECT_THAT(Get("/_last/head"), HasSubstr("transfer-encoding: chunked"));
}

TEST_F(ProviderTest, ContinuesWhenExpected) {
  std::string request =
      Post(ChatBody("fake-1x0", false), "expect: 100-continue\r\n");
  size_t head = request.find("\r\n\r\n") + 4;
  Client client(port());
  client.Send(request.substr(0, head));
  EXPECT_EQ(client.ReadUntil("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  client.Send(request.substr(head));
  EXPECT_THAT(client.ReadWhole(), HasSubstr("word0"));
}

TEST_F(ProviderTest, TakesLargeBodiesAndRefusesTooLargeOnes) {
  std::string text(20 << 20, 'a');
  std::string body =
      "{\"model\":\"fake-1x0\",\"messages\":[{\"role\":\"user\","
      "\"content\":\"" +
      text + "\"}]}";
  Client client(port());
  client.Send(Post(body));
  EXPECT_THAT(client.ReadWhole(), HasSubstr("\"prompt_tokens\":1,"));
  Client large(port());
  large.Send("POST / HTTP/1.1\r\ncontent-length: 67108865\r\n\r\n");
  EXPECT_THAT(large.ReadAll(), StartsWith("HTTP/1.1 413 "));
}

TEST_F(ProviderTest, RefusesBadRequests) {
  for (std::string bad : {"nonsense\r\n\r\n", "GET / HTTP/2\r\n\r\n",
                          "POST / HTTP/1.1\r\ncontent-length: x\r\n\r\n"}) {
    Client client(port());
    client.Send(bad);
    EXPECT_THAT(client.ReadAll(), StartsWith("HTTP/1.1 400 ")) << bad;
  }
  Client client(port());
  client.Send(Post("{\"model\":"));
  EXPECT_THAT(client.ReadWhole(), StartsWith("HTTP/1.1 400 "));
}

TEST_F(ProviderTest, SpeaksHttp10WithoutChunks) {
  std::string body = ChatBody("fake-2x0", true);
  Client client(port());
  client.Send("POST /v1/chat/completions HTTP/1.0\r\ncontent-length: " +
              std::to_string(body.size()) + "\r\n\r\n" + body);
  std::string got = client.ReadAll();
  EXPECT_THAT(got, Not(HasSubstr("chunked")));
  EXPECT_THAT(got, EndsWith("data: [DONE]\n\n"));
}

TEST_F(ProviderTest, ListsModels) {
  EXPECT_THAT(Get("/v1/models"), HasSubstr("{\"object\":\"list\",\"data\":["));
  EXPECT_THAT(Get("/v1/models/a/b"), HasSubstr("{\"id\":\"a/b\","));
  EXPECT_THAT(Get("/nowhere"), StartsWith("HTTP/1.1 404 "));
}

TEST_F(ProviderTest, Refuses) {
  EXPECT_THAT(Whole("fault-refuse-429-after-7"),
              AllOf(StartsWith("HTTP/1.1 429 "), HasSubstr("retry-after: 7"),
                    HasSubstr("\"code\":\"rate_limit_exceeded\"")));
  EXPECT_THAT(StreamRefused("fault-refuse-502-html"),
              AllOf(StartsWith("HTTP/1.1 502 "), HasSubstr("text/html")));
  EXPECT_THAT(Whole("fault-refuse-529"), StartsWith("HTTP/1.1 529 "));
  EXPECT_THAT(StreamRefused("fault-refuse-422-repeat"),
              AllOf(StartsWith("HTTP/1.1 422 "),
                    HasSubstr("\"input\":{\"model\":\"fault-refuse-422-"),
                    HasSubstr("stream_options")));
  EXPECT_THAT(Whole("fault-refuse-400-blame"),
              HasSubstr("\"message\":\"Unrecognized request argument: "
                        "stream_options\""));
  EXPECT_THAT(Whole("fault-quota"), HasSubstr("\"insufficient_quota\""));
  EXPECT_THAT(Whole("fault-error-code-number"), HasSubstr("\"code\":400}"));
  EXPECT_THAT(Whole("fault-context-length"),
              HasSubstr("\"code\":\"context_length_exceeded\""));
  EXPECT_THAT(Whole("fault-misspelt"), StartsWith("HTTP/1.1 404 "));
  EXPECT_THAT(LogWith("misspelt"), HasSubstr("\"outcome\":\"refused\""));
}

TEST_F(ProviderTest, FailsTheFirstAndThenAnswers) {
  for (int expected : {500, 500, 200, 200}) {
    EXPECT_THAT(Whole("fault-first-2-then-ok-500"),
                StartsWith("HTTP/1.1 " + std::to_string(expected)));
  }
}

TEST_F(ProviderTest, Resets) {
  EXPECT_EQ(Stream("fault-reset-before"), "");
  EXPECT_EQ(errno_, ECONNRESET);
  std::string got = Stream("fault-reset-after-2");
  EXPECT_EQ(errno_, ECONNRESET);
  EXPECT_EQ(Count(got, "\"delta\":{\"content\":\"word\""), 0);
  EXPECT_EQ(Count(got, "word"), 2);
  EXPECT_THAT(LogWith("\"id\":2,"), HasSubstr("\"outcome\":\"reset\""));
}

TEST_F(ProviderTest, CutsStreams) {
  std::string got = Stream("fault-cut-after-3");
  EXPECT_EQ(errno_, 0);
  EXPECT_EQ(Count(got, "word"), 3);
  EXPECT_THAT(got, EndsWith("}\n\n\r\n"));
  got = Stream("fault-cut-mid-event-3");
  EXPECT_EQ(Count(got, "data: "), 5);
  EXPECT_THAT(got, Not(HasSubstr("word3")));
  EXPECT_THAT(LogWith("\"id\":2,"),
              AllOf(HasSubstr("\"tokens_sent\":3,\"events_sent\":4,"),
                    HasSubstr("\"usage_sent\":false"),
                    HasSubstr("\"outcome\":\"cut\"")));
}

TEST_F(ProviderTest, CutsWholeAnswers) {
  Client client(port());
  client.Send(Post(ChatBody("fault-cut-after-3", false)));
  std::string got = client.ReadAll();
  EXPECT_EQ(client.last_errno(), 0);
  EXPECT_THAT(got, AllOf(StartsWith("HTTP/1.1 200 "), Not(EndsWith("}"))));
}

TEST_F(ProviderTest, LeavesOutTheEnd) {
  std::string got = Stream("fault-no-finish");
  EXPECT_THAT(got, Not(HasSubstr("\"stop\"")));
  EXPECT_THAT(got, Not(HasSubstr("[DONE]")));
  EXPECT_THAT(got, EndsWith(kStreamEnd));
  got = Stream("fault-done-no-finish");
  EXPECT_THAT(got, AllOf(Not(HasSubstr("\"stop\"")), HasSubstr("[DONE]")));
  got = Stream("fault-no-done");
  EXPECT_THAT(got, AllOf(HasSubstr("\"stop\""), Not(HasSubstr("[DONE]"))));
}

TEST_F(ProviderTest, BreaksEvents) {
  std::string got = Stream("fault-error-first");
  EXPECT_EQ(Count(got, "data: "), 1);
  EXPECT_EQ(Count(got, "data: {\"error\":{"), 1);
  got = Stream("fault-error-after-2");
  EXPECT_EQ(Count(got, "word"), 2);
  EXPECT_EQ(Count(got, "data: {\"error\":{"), 1);
  got = Stream("fault-bad-json-2");
  EXPECT_EQ(Count(got, "word"), 8);
  EXPECT_EQ(Count(got, "\"broken\""), 1);
  EXPECT_THAT(got, HasSubstr("[DONE]"));
}

TEST_F(ProviderTest, AnswersStrangely) {
  EXPECT_THAT(Stream("fault-null-content"), HasSubstr("\"content\":null"));
  EXPECT_THAT(Stream("fault-usage-extra"),
              HasSubstr("\"choices\":null,\"timings\":{"));
  EXPECT_THAT(Stream("fault-usage-on-finish"),
              HasSubstr("\"finish_reason\":\"stop\"}],\"usage\":{\"prompt"));
  EXPECT_THAT(Stream("fault-no-usage"), Not(HasSubstr("prompt_tokens")));
  EXPECT_THAT(Stream("fault-finish-abort"), HasSubstr("\"abort\""));
  EXPECT_THAT(Stream("fault-crlf-e2"), HasSubstr("}\r\n\r\n"));
  EXPECT_THAT(Stream("fault-dribble-e1"), HasSubstr("7\r\ndata: {\r\n"));
  EXPECT_GT(Stream("fault-big-event-100").size(), 100u << 10);
  EXPECT_THAT(Whole("fault-empty-200"), HasSubstr("content-length: 0\r\n"));
  EXPECT_THAT(Whole("fault-html-200"), HasSubstr("text/html"));
  EXPECT_THAT(Whole("fault-json-error-200"),
              AllOf(StartsWith("HTTP/1.1 200 "), HasSubstr("{\"error\":")));
  EXPECT_THAT(StreamRefused("fault-no-stream-options"),
              StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(Whole("fault-no-stream-options"), StartsWith("HTTP/1.1 200 "));
  Client client(port());
  client.Send(Post(
      ChatBody("fault-no-stream-options", true, ",\"stream_options\":null")));
  EXPECT_THAT(client.ReadWhole(), StartsWith("HTTP/1.1 400 "));
  // Its request is none for a stream, as far as the answer goes.
  EXPECT_THAT(StreamRefused("fault-no-stream"),
              HasSubstr("\"object\":\"chat.completion\""));
}

TEST_F(ProviderTest, HasTheHabitsOfOtherServers) {
  EXPECT_THAT(Stream("fault-filter-first"),
              HasSubstr("\"choices\":[],\"prompt_filter_results\":"));
  std::string got = Stream("fault-finish-with-text-e3");
  EXPECT_EQ(Count(got, "word"), 3);
  EXPECT_THAT(got, HasSubstr("{\"content\":\" word2\"},\"logprobs\":null,"
                             "\"finish_reason\":\"stop\"}"));
  got = Stream("fault-usage-every-e3");
  EXPECT_EQ(Count(got, "\"prompt_tokens\":5"), 4);
  EXPECT_EQ(Count(got, "\"completion_tokens\":3,"), 2);
  EXPECT_THAT(Stream("fault-empty-id"), HasSubstr("{\"id\":\"\","));
  got = Stream("fake-tools-index-0");
  EXPECT_THAT(got, HasSubstr("\"tool_calls\":[{\"index\":0,\"id\":\"call_2\""));
  EXPECT_THAT(Whole("fault-refuse-500-plain"),
              EndsWith("{\"error\":\"scripted refusal\"}"));
}

TEST_F(ProviderTest, ReasonsAndCountsIt) {
  std::string got = Stream("fake-reasoning-e2");
  EXPECT_EQ(Count(got, "\"delta\":{\"reasoning_content\":"), 3);
  EXPECT_THAT(got, HasSubstr("\"completion_tokens\":5,\"total_tokens\":10,"
                             "\"completion_tokens_details\":"
                             "{\"reasoning_tokens\":3}"));
  EXPECT_THAT(Whole("fake-reasoning"),
              HasSubstr("\"reasoning_content\":\"Let me think.\""));
  EXPECT_THAT(Whole("fake-cached"), HasSubstr("{\"cached_tokens\":2}"));
}

TEST_F(ProviderTest, GivesSeveralChoices) {
  for (bool stream : {false, true}) {
    Client client(port());
    client.Send(Post(
        ChatBody("fake-4x0", stream, std::string(kWithUsage) + ",\"n\":3")));
    std::string got =
        stream ? client.ReadUntil(kStreamEnd) : client.ReadWhole();
    EXPECT_EQ(Count(got, "\"finish_reason\":\"stop\""), 3);
    EXPECT_EQ(Count(got, "word3"), 3);
    EXPECT_EQ(Count(got, "{\"index\":2,"), stream ? 6 : 1);
    EXPECT_EQ(Count(got, "\"completion_tokens\":12,"), 1);
  }
  EXPECT_EQ(Count(LogWith("\"id\":2,"), "\"tokens_sent\":12,"), 2);
}

TEST_F(ProviderTest, ClosesAfterPromisingKeepAlive) {
  Client client(port());
  client.Send(Post(ChatBody("fault-close-after-stream", true)));
  std::string got = client.ReadAll();
  EXPECT_EQ(client.last_errno(), 0);
  EXPECT_THAT(got,
              AllOf(HasSubstr("connection: keep-alive"), EndsWith(kStreamEnd)));
}

TEST_F(ProviderTest, HangsUntilTheClientLeaves) {
  struct Case {
    const char* model;
    int heads;
    int words;
  };
  const Case cases[] = {{"fault-blackhole", 0, 0},
                        {"fault-headers-then-silence", 1, 0},
                        {"fault-stall-after-2", 1, 2},
                        {"fault-slow-headers-60000", 0, 0},
                        {"fault-slow-first-60000", 1, 0}};
  for (const Case& c : cases) {
    Client client(port(), 100);
    client.Send(Post(ChatBody(c.model, true)));
    std::string got = client.ReadAll();
    EXPECT_EQ(client.last_errno(), EAGAIN) << c.model;
    EXPECT_EQ(Count(got, "HTTP/1.1 200"), c.heads) << c.model;
    EXPECT_EQ(Count(got, "word"), c.words) << c.model;
    EXPECT_THAT(Get("/_log?clear=1"), HasSubstr("\"outcome\":\"open\""));
  }
  for (int i = 0; i < 500 && Count(Get("/_stats"), "\"in_flight\":0") == 0;
       ++i) {
    usleep(10000);
  }
  EXPECT_THAT(Get("/_stats"), HasSubstr("\"client_aborts\":5,"));
}

TEST_F(ProviderTest, PingsForEver) {
  Client client(port(), 500);
  client.Send(Post(ChatBody("fault-pings-only-p5", true)));
  EXPECT_THAT(client.ReadUntil(": ping\n\n\r\n8\r\n: ping\n\n\r\n"),
              EndsWith(": ping\n\n\r\n"));
  EXPECT_EQ(client.last_errno(), 0);
}

TEST_F(ProviderTest, CountsOnlyWhatWasSentWhenTheClientLeaves) {
  Client client(port());
  client.Send(Post(ChatBody("fake-3x60000", true)));
  EXPECT_EQ(Count(client.ReadUntil("}\n\n\r\n"), "word"), 1);
  client.Close();
  EXPECT_THAT(LogWith("client_gone"),
              HasSubstr("\"completion_tokens\":3,\"tokens_sent\":1,"
                        "\"events_sent\":2,"));
}

TEST_F(ProviderTest, ForgetsOnRequest) {
  Whole("fault-first-1-then-ok-500");
  Client client(port());
  client.Send("POST /_reset HTTP/1.1\r\ncontent-length: 0\r\n\r\n");
  client.ReadWhole();
  EXPECT_THAT(Get("/_log"), EndsWith("[]"));
  EXPECT_THAT(Get("/_stats"), HasSubstr("\"requests\":0,\"tokens_in\":0,"));
  EXPECT_THAT(Whole("fault-first-1-then-ok-500"), StartsWith("HTTP/1.1 500 "));
}

TEST_F(ProviderTest, AsksForItsKey) {
  Server::Options options;
  options.service.key = "secret";
  Start(options);
  EXPECT_THAT(Whole("fake-1x0"), StartsWith("HTTP/1.1 401 "));
  Client client(port());
  client.Send(
      Post(ChatBody("fake-1x0", false), "Authorization: Bearer secret\r\n"));
  EXPECT_THAT(client.ReadWhole(), StartsWith("HTTP/1.1 200 "));
}

TEST_F(ProviderTest, WritesItsLogFile) {
  std::string path = ::testing::TempDir() + "/provider_test_" +
                     std::to_string(getpid()) + ".log";
  Server::Options options;
  options.threads = 2;
  options.service.log_path = path;
  options.service.log_bodies = true;
  Start(options);
  for (int i = 0; i < 20; ++i) Whole("fake-1x0");
  server_.reset();
  FILE* file = std::fopen(path.c_str(), "r");
  ASSERT_NE(file, nullptr);
  std::string log(1 << 20, 0);
  log.resize(std::fread(log.data(), 1, log.size(), file));
  std::fclose(file);
  unlink(path.c_str());
  EXPECT_EQ(Count(log, "\n"), 20);
  EXPECT_EQ(Count(log, "\"body\":\"{\\\"model\\\":\\\"fake-1x0"), 20);
}

TEST_F(ProviderTest, ServesHttps) {
  std::string stem =
      ::testing::TempDir() + "/provider_test_" + std::to_string(getpid());
  Server::Options options;
  options.certificate = stem + ".crt";
  options.private_key = stem + ".key";
  std::string command =
      "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes "
      "-days 2 -subj /CN=localhost -keyout " +
      options.private_key + " -out " + options.certificate + " 2>/dev/null";
  ASSERT_EQ(std::system(command.c_str()), 0);
  Start(options);
  Client client(port());
  SSL_CTX* tls = SSL_CTX_new(TLS_client_method());
  SSL* ssl = SSL_new(tls);
  SSL_set_fd(ssl, client.fd());
  ASSERT_EQ(SSL_connect(ssl), 1);
  std::string request = Post(ChatBody("fake-2000x0", true));
  SSL_write(ssl, request.data(), static_cast<int>(request.size()));
  std::string got;
  char buffer[16384];
  while (got.size() < 5 || got.substr(got.size() - 5) != kStreamEnd) {
    int n = SSL_read(ssl, buffer, sizeof(buffer));
    if (n <= 0) break;
    got.append(buffer, n);
  }
  EXPECT_EQ(Count(got, "\"delta\":{\"content\":\""), 2000);
  EXPECT_THAT(got, EndsWith(kStreamEnd));
  SSL_free(ssl);
  SSL_CTX_free(tls);
  unlink(options.certificate.c_str());
  unlink(options.private_key.c_str());
}

TEST(ScriptTest, RefusesNamesItDoesNotKnow) {
  Script script;
  for (const char* name :
       {"fake-", "fake-5", "fake-5x", "fake-5x0z", "fault-", "fault-cut-after",
        "fault-cut-after-x", "fault-refuse-200", "fault-first-2-then-ok-",
        "fake-2000000x0", "fake-5x-1"}) {
    EXPECT_FALSE(ParseScript(name, &script)) << name;
  }
  EXPECT_TRUE(ParseScript("gpt-anything", &script));
  EXPECT_TRUE(ParseScript("fault-cut-after-3-p20-e9", &script));
  EXPECT_EQ(script.pace_ms, 20);
  EXPECT_EQ(script.events, 9);
}

TEST(JsonCursorTest, DecodesStrings) {
  EXPECT_EQ(DecodeJsonString("a\\n\\u00e9\\ud83d\\ude00\\\"\\\\"),
            "a\n\xc3\xa9\xf0\x9f\x98\x80\"\\");
  JsonCursor json("[\"a\\\\\",\"b\\\"c\", {\"x\":[1,-2.5e3,null]}]");
  std::string seen;
  json.Array([&] {
    if (json.Peek() == '"') {
      seen += json.String() + ";";
    } else {
      json.Skip();
    }
  });
  EXPECT_EQ(seen, "a\\;b\"c;");
  EXPECT_TRUE(json.AtEnd());
}

TEST(JsonCursorTest, FailsOnBrokenText) {
  for (std::string text :
       {"", "{", "{\"a\"}", "{\"a\":}", "[1,]", "{\"a\":1", "[tru]", "\"abc"}) {
    JsonCursor json(text);
    json.Skip();
    EXPECT_FALSE(json.AtEnd()) << text;
  }
}

}  // namespace
}  // namespace fake_provider
