// model-router alone, over its gRPC port and directly, against the fake
// provider and a fake ledger.
#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_split.h>
#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/post.hpp>
#include <boost/json.hpp>
#include <filesystem>
#include <fstream>
#include <future>
#include <thread>

#include "common/clients/grpc_model_router.h"
#include "common/concurrency/io_pool.h"
#include "common/concurrency/mutex.h"
#include "common/concurrency/spawn.h"
#include "common/metrics/export.h"
#include "common/metrics/lint.h"
#include "common/rpc/channel.h"
#include "common/status/error.h"
#include "services/model_router/config.h"
#include "services/model_router/server.h"
#include "tests/fakes/fake_metrics_collector.h"
#include "tests/fakes/provider/server.h"
#include "tests/support/certificates.h"

namespace gateway::model_router {
namespace {

using ::testing::AnyOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::UnorderedElementsAreArray;

// A call of Route: runs on an io thread, watched by the test's.
class RouteCall final : public rpc::Sink<v1::RouteEvent> {
 public:
  RouteCall(ModelRouter& router, boost::asio::io_context& io,
            v1::RouteRequest request,
            absl::Duration timeout = absl::Seconds(20))
      : io_(io), request_(std::move(request)) {
    call_.deadline = absl::Now() + timeout;
    Spawn(io.get_executor(), Run(router), cancel_.slot(),
          [this] { ended_.set_value(); });
  }
  ~RouteCall() override {
    if (!done_) {
      Cancel();
      Await();
    }
  }

  Awaitable<absl::Status> Write(v1::RouteEvent event) override {
    MutexLock lock(mu_);
    events_.push_back(std::move(event));
    changed_.NotifyAll();
    co_return absl::OkStatus();
  }

  void Cancel() {
    boost::asio::post(io_, [this] {
      cancel_.emit(boost::asio::cancellation_type::terminal);
    });
  }
  void Await() {
    ended_.get_future().wait();
    done_ = true;
  }
  void AwaitEvents(size_t count) {
    MutexLock lock(mu_);
    while (events_.size() < count) changed_.Wait(mu_);
  }

  // After Await.
  const absl::Status& status() const { return status_; }
  std::vector<v1::RouteEvent> events() const {
    MutexLock lock(mu_);
    return events_;
  }
  const v1::RouteEvent& last() const {
    MutexLock lock(mu_);
    return events_.back();
  }
  // The text of the answer as encoded bytes, last frames included.
  std::string bytes() const {
    std::string all;
    for (const v1::RouteEvent& event : events()) {
      all += event.frames().data();
      all += event.answer().encoded();
      all += event.completed().last_frames().data();
    }
    return all;
  }

 private:
  Awaitable<void> Run(ModelRouter& router) {
    status_ = co_await router.Route(call_, request_, *this);
  }

  boost::asio::io_context& io_;
  rpc::Call call_;
  const v1::RouteRequest request_;
  boost::asio::cancellation_signal cancel_;
  std::promise<void> ended_;
  bool done_ = false;
  absl::Status status_;
  mutable Mutex mu_;
  CondVar changed_;
  std::vector<v1::RouteEvent> events_ ABSL_GUARDED_BY(mu_);
};

std::string FreshRequestId() {
  static std::atomic<int> next{1};
  return absl::StrCat("req_", next.fetch_add(1));
}

class ModelRouterTest : public testing::Test {
 protected:
  ModelRouterTest() {
    std::string path =
        (std::filesystem::temp_directory_path() / "router_XXXXXX").string();
    EXPECT_NE(mkdtemp(path.data()), nullptr);
    dir_ = path;
  }
  ~ModelRouterTest() override {
    StopServer();
    io_.Stop();
    std::filesystem::remove_all(dir_);
  }

  void StartProvider(fake_provider::Server::Options options = {}) {
    provider_ = std::make_unique<fake_provider::Server>(options);
    ASSERT_TRUE(provider_->Start());
  }

  // Each name is a model whose targets are the provider's models behind it.
  void StartServer() {
    config::v1::Provider& up = (*config_.mutable_providers())["up"];
    if (up.base_url().empty()) {
      up.set_base_url(
          absl::StrCat("http://127.0.0.1:", provider_->port(), "/v1"));
    }
    config_.mutable_model_router()->mutable_listen()->set_grpc("127.0.0.1:0");
    config_.mutable_model_router()->set_data_dir(dir_);
    auto options = ReadOptions(config_);
    ASSERT_TRUE(options.ok()) << options.status();
    options->delivery.interval = absl::Milliseconds(5);
    const int max_message_bytes = options->service.max_message_bytes;
    server_ = Server::Create(*std::move(options), {.io = &io_});
    server_->UseRecorder(&collector_);
    ASSERT_TRUE(server_->Start().ok());
    grpc_ = MakeGrpcModelRouter(rpc::MakeChannel(
        {.target = absl::StrCat("127.0.0.1:", server_->grpc_port()),
         .max_message_bytes = max_message_bytes}));
  }
  void StopServer() {
    grpc_.reset();
    if (server_ != nullptr) server_->Stop();
    server_.reset();
  }

  void AddModel(const std::string& name, std::vector<std::string> targets) {
    config::v1::Model& model = (*config_.mutable_models())[name];
    for (const std::string& target : targets) {
      config::v1::Target& row = *model.add_targets();
      row.set_provider("up");
      row.set_model(target);
      row.set_weight(model.targets_size() == 1 ? 1 : 0);
      row.mutable_price()->set_input(2);
      row.mutable_price()->set_output(3);
    }
    const auto set = [](google::protobuf::Duration* duration, int ms) {
      duration->set_nanos(ms * 1'000'000);
    };
    config::v1::Timeouts& timeouts = *model.mutable_timeouts();
    set(timeouts.mutable_connect(), 500);
    set(timeouts.mutable_headers(), 300);
    set(timeouts.mutable_first_token(), 400);
    set(timeouts.mutable_first_token_with_fallback(), 300);
    set(timeouts.mutable_silence(), 300);
    set(timeouts.mutable_total(), 600);
  }

  static v1::RouteRequest Encoded(const std::string& model, bool stream,
                                  const std::string& text = "hello there") {
    v1::RouteRequest request;
    request.mutable_context()->set_request_id(FreshRequestId());
    request.mutable_context()->mutable_account()->set_tenant("default");
    request.set_model(model);
    v1::EncodedRequest& encoded = *request.mutable_encoded();
    encoded.set_dialect("openai_chat");
    encoded.set_framing(v1::FRAMING_SSE);
    encoded.set_stream(stream);
    encoded.set_body(absl::StrCat(
        R"({"model":")", model, R"(",)", stream ? R"("stream":true,)" : "",
        R"("messages":[{"role":"user","content":")", text, R"("}]})"));
    return request;
  }

  static v1::RouteRequest Typed(const std::string& model, bool stream,
                                const std::string& text = "hello there") {
    v1::RouteRequest request;
    request.mutable_context()->set_request_id(FreshRequestId());
    request.mutable_context()->mutable_account()->set_tenant("default");
    request.set_model(model);
    v1::TypedRequest& typed = *request.mutable_typed();
    typed.set_stream(stream);
    typed.mutable_chat()->set_model(model);
    chat::v1::Message& message = *typed.mutable_chat()->add_messages();
    message.set_role(chat::v1::ROLE_USER);
    message.add_content()->mutable_text()->set_text(text);
    return request;
  }

  std::unique_ptr<RouteCall> Route(ModelRouter& router,
                                   const v1::RouteRequest& request) {
    auto call = std::make_unique<RouteCall>(router, io_.At(0), request);
    call->Await();
    return call;
  }
  std::unique_ptr<RouteCall> Route(const v1::RouteRequest& request) {
    return Route(*grpc_, request);
  }

  double Gauge(const std::string& name) {
    for (const auto& family : server_->CollectMetrics()) {
      if (family.name == name) return family.metric.at(0).gauge.value;
    }
    ADD_FAILURE() << "no metric " << name;
    return -1;
  }

  // Waits until the ledger has so many rows.
  std::vector<UsageRow> AwaitRows(size_t count) {
    for (int i = 0; i < 500 && collector_.rows().size() < count; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return collector_.rows();
  }

  // Chat requests in the provider's log.
  std::vector<boost::json::object> Log() {
    std::vector<boost::json::object> records;
    const boost::json::value log =
        boost::json::parse(provider_->service().journal().Json(false));
    for (const boost::json::value& record : log.as_array()) {
      records.push_back(record.as_object());
    }
    return records;
  }

  // One row for each attempt that the provider logged, to the token where it
  // told its usage, and nothing in flight.
  void ExpectBooked() {
    // Its log has the end of a request a moment after the client has seen it.
    for (int i = 0; i < 500 && provider_->service().journal().stats().in_flight;
         ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    std::vector<std::string> logged;
    std::vector<std::string> told;
    for (const boost::json::object& record : Log()) {
      logged.emplace_back(record.at("request_id").as_string());
      // The usage behind a broken end is not waited for.
      const bool broken_end =
          record.at("stream").as_bool() &&
          absl::StrContains(std::string(record.at("model").as_string()),
                            "finish-abort");
      if (!record.at("usage_sent").as_bool() || broken_end) continue;
      told.push_back(absl::StrCat(logged.back(), " ",
                                  record.at("prompt_tokens").as_int64(), " ",
                                  record.at("completion_tokens").as_int64()));
    }
    std::vector<std::string> booked;
    std::vector<std::string> known;
    for (const UsageRow& row : AwaitRows(logged.size())) {
      booked.push_back(row.request_id());
      const chat::v1::Usage& usage = row.usage();
      if (usage.source() != chat::v1::USAGE_SOURCE_PROVIDER) continue;
      known.push_back(absl::StrCat(
          row.request_id(), " ",
          usage.uncached_input_tokens() + usage.cached_input_tokens(), " ",
          usage.output_tokens()));
    }
    EXPECT_THAT(booked, UnorderedElementsAreArray(logged));
    EXPECT_THAT(known, UnorderedElementsAreArray(told));
    EXPECT_EQ(Gauge("agentgw_upstream_inflight"), 0);
  }

  IoPool io_{2};
  std::string dir_;
  config::v1::Config config_;
  std::unique_ptr<fake_provider::Server> provider_;
  FakeMetricsCollector collector_;
  std::unique_ptr<Server> server_;
  std::unique_ptr<ModelRouter> grpc_;
};

// ---------------------------------------------------------------------------

TEST_F(ModelRouterTest, PassesAWholeAnswerAsItCame) {
  StartProvider();
  AddModel("m", {"fake-3x0"});
  StartServer();
  const auto call = Route(Encoded("m", false));
  ASSERT_TRUE(call->status().ok()) << call->status();
  const auto events = call->events();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].started().provider_model(), "fake-3x0");
  EXPECT_THAT(call->bytes(), HasSubstr("word0 word1 word2"));
  const v1::Completed& completed = events[0].completed();
  EXPECT_EQ(completed.usage().output_tokens(), 3);
  EXPECT_EQ(completed.usage().uncached_input_tokens(), 2);
  EXPECT_EQ(completed.cost().pico_usd(), 2 * 2 + 3 * 3);
  EXPECT_EQ(completed.finish_reason(), chat::v1::FINISH_REASON_STOP);
  ExpectBooked();
}

TEST_F(ModelRouterTest, SendsTheCallersBytesWithOnlyTheModelChanged) {
  fake_provider::Server::Options options;
  options.service.log_bodies = true;
  StartProvider(options);
  AddModel("m", {"fake-3x0"});
  AddModel("fake-echo", {"fake-echo"});
  StartServer();
  v1::RouteRequest request = Encoded("m", false);
  request.mutable_encoded()->set_body(
      "{ \"messages\" : [ {\"content\":\"\\u0041\",\"role\":\"user\"} ],\n"
      "\"temperature\":1.0e0, \"model\": \"m\", \"unknown\":{\"a\":[1,2]}}");
  Route(request);
  EXPECT_EQ(
      Log()[0].at("body").as_string(),
      "{ \"messages\" : [ {\"content\":\"\\u0041\",\"role\":\"user\"} ],\n"
      "\"temperature\":1.0e0, \"model\": \"fake-3x0\", "
      "\"unknown\":{\"a\":[1,2]}}");
}

TEST_F(ModelRouterTest, StreamsTheProvidersEvents) {
  StartProvider();
  AddModel("m", {"fake-5x2"});
  StartServer();
  const auto call = Route(Encoded("m", true));
  ASSERT_TRUE(call->status().ok()) << call->status();
  const std::string bytes = call->bytes();
  EXPECT_THAT(bytes, HasSubstr("\"word0"));
  EXPECT_THAT(bytes, HasSubstr("\"finish_reason\":\"stop\""));
  EXPECT_THAT(bytes, Not(HasSubstr("prompt_tokens")));
  EXPECT_EQ(bytes.substr(bytes.size() - 14), "data: [DONE]\n\n");
  EXPECT_EQ(call->last().completed().usage().output_tokens(), 5);
  EXPECT_EQ(call->last().completed().usage().source(),
            chat::v1::USAGE_SOURCE_PROVIDER);
  EXPECT_GT(call->last().completed().time_to_first_token_us(), 0);
  ExpectBooked();
}

TEST_F(ModelRouterTest, TheDirectWayGivesTheSame) {
  StartProvider();
  AddModel("m", {"fake-50x0"});
  StartServer();
  const auto direct = Route(*server_->model_router(), Encoded("m", true));
  const auto grpc = Route(Encoded("m", true));
  ASSERT_TRUE(direct->status().ok());
  const auto without_ids = [](std::string bytes) {
    std::string out;
    for (const auto& piece : absl::StrSplit(bytes, "chatcmpl-")) {
      out += std::string(piece.substr(piece.find('"')));
    }
    return out;
  };
  const auto words = [](const std::string& bytes) {
    std::vector<std::string> found = absl::StrSplit(bytes, "word");
    return found.size();
  };
  EXPECT_EQ(words(direct->bytes()), words(grpc->bytes()));
  EXPECT_EQ(without_ids(direct->bytes()).size(),
            without_ids(grpc->bytes()).size());
}

TEST_F(ModelRouterTest, RunsGrowIfTheConfigSaysSo) {
  StartProvider();
  AddModel("m", {"fake-60x5"});
  config_.mutable_stream()->mutable_coalesce()->set_nanos(150'000'000);
  StartServer();
  const auto call = Route(Encoded("m", true));
  ASSERT_TRUE(call->last().has_completed()) << call->last().DebugString();
  EXPECT_THAT(call->bytes(), HasSubstr("word59"));
  // One at once, then one each 150 of 300 ms, and the end.
  EXPECT_LE(call->events().size(), 5u);
}

TEST_F(ModelRouterTest, TypedCallsAreTranslatedBothWays) {
  StartProvider();
  AddModel("m", {"fake-3x0"});
  AddModel("tools", {"fake-tools"});
  StartServer();
  auto call = Route(Typed("m", false));
  ASSERT_TRUE(call->last().has_completed()) << call->last().DebugString();
  EXPECT_EQ(call->last()
                .answer()
                .typed()
                .choices(0)
                .message()
                .content(0)
                .text()
                .text(),
            "word0 word1 word2");
  call = Route(Typed("m", true));
  std::string text;
  for (const v1::RouteEvent& event : call->events()) {
    for (const auto& delta : event.deltas().deltas()) text += delta.text();
  }
  EXPECT_EQ(text, "word0 word1 word2");
  EXPECT_TRUE(call->last().has_completed());

  v1::RouteRequest request = Typed("tools", true);
  request.mutable_typed()->mutable_chat()->add_tools()->set_name("look");
  call = Route(request);
  EXPECT_EQ(call->last().completed().finish_reason(),
            chat::v1::FINISH_REASON_TOOL_CALLS);
  ExpectBooked();
}

TEST_F(ModelRouterTest, ASessionIsSplicedInFrontAndComesBackAsATurn) {
  StartProvider();
  AddModel("m", {"fake-echo"});
  StartServer();
  for (const bool encoded : {true, false}) {
    v1::RouteRequest request =
        encoded ? Encoded("m", true, "third") : Typed("m", true, "third");
    request.set_want_turn(true);
    v1::SessionContext& session = *request.mutable_session();
    session.set_mode(v1::SESSION_MODE_NEW);
    session.set_system_text("be kind");
    v1::StoredTurn& turn = *session.add_turns();
    turn.set_turn_id("t1");
    chat::v1::Message& asked = *turn.add_request_messages();
    asked.set_role(chat::v1::ROLE_USER);
    asked.add_content()->mutable_text()->set_text("first");
    chat::v1::Message& answered = *turn.add_answer_messages();
    answered.set_role(chat::v1::ROLE_ASSISTANT);
    answered.add_content()->mutable_text()->set_text("second");

    const auto call = Route(request);
    ASSERT_TRUE(call->last().has_completed()) << call->last().DebugString();
    const v1::NewTurn& made = call->last().completed().turn();
    EXPECT_EQ(made.parent_turn_id(), "t1");
    EXPECT_EQ(made.answer_messages(0).content(0).text().text(),
              "count=4 roles=system,user,assistant,user last=third");
    EXPECT_EQ(made.system_text(), "be kind");
    EXPECT_EQ(made.target(), "up/fake-echo");
  }
}

// What differs between servers goes out as the provider's config says.
TEST_F(ModelRouterTest, AServersSpellingsAreConfigured) {
  fake_provider::Server::Options options;
  options.service.log_bodies = true;
  StartProvider(options);
  AddModel("m", {"fake-3x0"});
  v1::SessionContext session;
  ASSERT_TRUE(google::protobuf::TextFormat::ParseFromString(
      R"pb(
        mode: SESSION_MODE_NEW
        turns {
          turn_id: "t1"
          request_messages {
            role: ROLE_USER
            content { text { text: "q" } }
          }
          answer_messages {
            role: ROLE_ASSISTANT
            content { reasoning { text: "hm" } }
            content { text { text: "a" } }
          }
        }
      )pb",
      &session));
  v1::RouteRequest typed = Typed("m", false);
  chat::v1::Message& developer =
      *typed.mutable_typed()->mutable_chat()->add_messages();
  developer.set_role(chat::v1::ROLE_DEVELOPER);
  developer.add_content()->mutable_text()->set_text("brief");
  v1::RouteRequest encoded = Encoded("m", false);
  for (v1::RouteRequest* request : {&typed, &encoded}) {
    *request->mutable_session() = session;
    request->mutable_grant()->set_max_output_tokens(7);
  }
  const auto bodies = [&] {
    StartServer();
    Route(typed);
    Route(encoded);
    StopServer();
    std::vector<std::string> sent;
    for (const boost::json::object& record : Log()) {
      sent.emplace_back(record.at("body").as_string());
    }
    return sent;
  };
  auto sent = bodies();
  ASSERT_EQ(sent.size(), 2u);
  for (const std::string& body : sent) {
    EXPECT_THAT(body, HasSubstr(R"("max_completion_tokens":7)"));
    EXPECT_THAT(body, Not(HasSubstr("reasoning")));
  }
  EXPECT_THAT(sent[0], HasSubstr(R"("role":"developer")"));

  config::v1::Provider& up = (*config_.mutable_providers())["up"];
  up.set_max_tokens_field(config::v1::MAX_TOKENS_FIELD_MAX_TOKENS);
  up.set_developer_as_system(true);
  up.set_reasoning_field(config::v1::REASONING_FIELD_REASONING);
  sent = bodies();
  ASSERT_EQ(sent.size(), 4u);
  for (const std::string& body : {sent[2], sent[3]}) {
    EXPECT_THAT(body, HasSubstr(R"("max_tokens":7)"));
    EXPECT_THAT(body, HasSubstr(R"("reasoning":"hm")"));
  }
  EXPECT_THAT(sent[2], Not(HasSubstr("developer")));
  EXPECT_THAT(sent[2], HasSubstr(R"("role":"system","content":"brief")"));
}

TEST_F(ModelRouterTest, TheMockNeedsNoProvider) {
  StartProvider();
  StartServer();  // no models
  const auto call = Route(Encoded("mock", true, "/say a b c"));
  ASSERT_TRUE(call->last().has_completed()) << call->last().DebugString();
  EXPECT_THAT(call->bytes(), HasSubstr("\"content\":\" b\""));
  EXPECT_EQ(call->last().completed().usage().output_tokens(), 3);
}

// ---------------------------------------------------------------------------

struct FaultCase {
  const char* name;
  const char* model;
  bool stream;
  // Empty: it is none for the caller.
  const char* reason;
  // Text was seen before the end.
  bool after_token = false;
  int http_status = 0;
};

class ProviderFaultTest : public ModelRouterTest,
                          public testing::WithParamInterface<FaultCase> {};

TEST_P(ProviderFaultTest, EndsOnceInTheRightClassAndIsBooked) {
  const FaultCase& fault = GetParam();
  StartProvider();
  AddModel("m", {fault.model});
  StartServer();
  for (const bool encoded : {true, false}) {
    SCOPED_TRACE(encoded ? "encoded" : "typed");
    const auto call =
        Route(encoded ? Encoded("m", fault.stream) : Typed("m", fault.stream));
    ASSERT_TRUE(call->status().ok()) << call->status();
    const auto events = call->events();
    int terminal = 0;
    bool text = false;
    for (const v1::RouteEvent& event : events) {
      terminal += event.end_case() != v1::RouteEvent::END_NOT_SET;
      text |= event.run_case() != v1::RouteEvent::RUN_NOT_SET;
    }
    EXPECT_EQ(terminal, 1);
    const v1::RouteEvent& last = events.back();
    if (*fault.reason == '\0') {
      EXPECT_TRUE(last.has_completed()) << last.DebugString();
      continue;
    }
    ASSERT_TRUE(last.has_failed()) << last.DebugString();
    EXPECT_EQ(last.failed().detail().reason(), fault.reason);
    EXPECT_EQ(text, fault.after_token);
    EXPECT_THAT(call->bytes(), Not(HasSubstr("[DONE]")));
    // A provider's refusal of our key is never the client's.
    EXPECT_THAT(last.failed().detail().http_status(),
                Not(AnyOf(401, 402, 403)));
    EXPECT_NE(last.failed().code(),
              static_cast<int>(absl::StatusCode::kUnauthenticated));
  }
  ExpectBooked();
}

constexpr FaultCase kFaults[] = {
    {"Refuse400", "fault-refuse-400", false, "invalid_value"},
    {"Refuse401", "fault-refuse-401", false, "upstream_bad_response"},
    {"Refuse403Stream", "fault-refuse-403", true, "upstream_bad_response"},
    {"Refuse429", "fault-refuse-429-after-7", true, "rate_limit_exceeded"},
    {"Refuse500", "fault-refuse-500", false, "upstream_bad_response"},
    {"Refuse500Page", "fault-refuse-500-html", true, "upstream_bad_response"},
    {"Refuse503", "fault-refuse-503", true, "upstream_unavailable"},
    {"Quota", "fault-quota", false, "upstream_bad_response"},
    {"ContextLength", "fault-context-length", false, "context_length_exceeded"},
    {"ContentFilter", "fault-content-filter", true, "content_filter"},
    {"CodeIsANumber", "fault-error-code-number", false, "upstream_rejected"},
    {"ResetBefore", "fault-reset-before", true, "upstream_bad_response"},
    {"ResetBeforeWhole", "fault-reset-before", false, "upstream_bad_response"},
    {"ResetAfter", "fault-reset-after-2", true, "upstream_bad_response", true},
    {"ResetAfterWhole", "fault-reset-after", false, "upstream_bad_response"},
    {"Blackhole", "fault-blackhole", true, "upstream_timeout"},
    {"BlackholeWhole", "fault-blackhole", false, "upstream_timeout"},
    {"HeadThenSilence", "fault-headers-then-silence", true, "upstream_timeout"},
    {"SlowFirst", "fault-slow-first-2000", true, "upstream_timeout"},
    {"Stall", "fault-stall-after-2", true, "upstream_timeout", true},
    {"StallWhole", "fault-stall-after-2", false, "upstream_timeout"},
    {"PingsOnly", "fault-pings-only", true, "upstream_timeout"},
    {"Cut", "fault-cut-after-3", true, "upstream_bad_response", true},
    {"CutWhole", "fault-cut-after-3", false, "upstream_bad_response"},
    {"CutMidEvent", "fault-cut-mid-event-3", true, "upstream_bad_response",
     true},
    {"NoFinish", "fault-no-finish", true, "upstream_bad_response", true},
    {"NoFinishWhole", "fault-no-finish", false, "upstream_bad_response"},
    {"DoneNoFinish", "fault-done-no-finish-p20", true, "upstream_bad_response",
     true},
    {"ErrorFirst", "fault-error-first", true, "upstream_bad_response"},
    {"ErrorAfter", "fault-error-after-2-p20", true, "upstream_bad_response",
     true},
    {"FinishAbort", "fault-finish-abort-p20", true, "upstream_bad_response",
     true},
    {"Empty200", "fault-empty-200", false, "upstream_bad_response"},
    {"Page200", "fault-html-200", true, "upstream_bad_response"},
    {"Error200", "fault-json-error-200", false, "upstream_bad_response"},
    {"BadJson", "fault-bad-json-2", true, ""},
    {"BadJsonWhole", "fault-bad-json-2", false, "upstream_bad_response"},
    {"FinishAbortWhole", "fault-finish-abort", false, "upstream_bad_response"},
    {"NoStream", "fault-no-stream", true, "upstream_bad_response"},
    {"NoStreamOptions", "fault-no-stream-options", true, ""},
    {"NoDone", "fault-no-done", true, ""},
    {"NoUsage", "fault-no-usage", true, ""},
    {"UsageExtra", "fault-usage-extra", true, ""},
    {"UsageOnFinish", "fault-usage-on-finish", true, ""},
    {"NullContent", "fault-null-content", true, ""},
    {"Crlf", "fault-crlf", true, ""},
    {"Dribble", "fault-dribble", true, ""},
    {"BigEvent", "fault-big-event-1024", true, ""},
    {"CloseAfterStream", "fault-close-after-stream", true, ""},
};

INSTANTIATE_TEST_SUITE_P(Faults, ProviderFaultTest, testing::ValuesIn(kFaults),
                         [](const auto& info) {
                           return std::string(info.param.name);
                         });

// ---------------------------------------------------------------------------

TEST_F(ModelRouterTest, AProviderThatIsNotThereIsUnavailable) {
  StartProvider();
  AddModel("m", {"fake-3x0"});
  StartServer();
  provider_->Stop();
  const auto call = Route(Encoded("m", true));
  ASSERT_TRUE(call->last().has_failed());
  EXPECT_EQ(call->last().failed().detail().reason(), "upstream_unavailable");
  const auto rows = AwaitRows(1);
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].usage().uncached_input_tokens(), 0);
}

TEST_F(ModelRouterTest, TheNextTargetTakesOverBeforeTheFirstToken) {
  StartProvider();
  for (const char* fault :
       {"fault-refuse-500", "fault-refuse-401", "fault-blackhole",
        "fault-slow-first-2000", "fault-reset-before", "fault-error-first",
        "fault-refuse-429-after-30"}) {
    AddModel(fault, {fault, "fake-3x0"});
  }
  AddModel("late", {"fault-cut-after-3", "fake-3x0"});
  AddModel("wrong", {"fault-refuse-400", "fake-3x0"});
  StartServer();
  for (const char* fault :
       {"fault-refuse-500", "fault-refuse-401", "fault-blackhole",
        "fault-slow-first-2000", "fault-reset-before", "fault-error-first",
        "fault-refuse-429-after-30"}) {
    SCOPED_TRACE(fault);
    const auto call = Route(Encoded(fault, true));
    ASSERT_TRUE(call->last().has_completed()) << call->last().DebugString();
    // 3 where a kept connection was reset, so that the first was sent twice.
    const int attempt = call->events()[0].started().attempt();
    EXPECT_THAT(attempt, AnyOf(2, 3));
    EXPECT_THAT(call->bytes(), HasSubstr("word2"));
    EXPECT_EQ(call->last().completed().receipt().steps_size(), attempt);
  }
  EXPECT_TRUE(Route(Encoded("late", true))->last().has_failed());
  EXPECT_TRUE(Route(Encoded("wrong", true))->last().has_failed());
  ExpectBooked();
}

TEST_F(ModelRouterTest, TheFallbackModelIsTheLastTarget) {
  StartProvider();
  AddModel("m", {"fault-refuse-500"});
  AddModel("fb", {"fake-3x0"});
  config_.mutable_routing()->set_fallback_model("fb");
  StartServer();
  const auto call = Route(Encoded("m", false));
  ASSERT_TRUE(call->last().has_completed());
  EXPECT_EQ(call->last().started().provider_model(), "fake-3x0");
}

TEST_F(ModelRouterTest, TheFallbackGetsNothingThatItsRowRefuses) {
  StartProvider();
  AddModel("m", {"fault-refuse-500"});
  AddModel("fb", {"fake-3x0"});
  config_.mutable_routing()->set_fallback_model("fb");
  config_.mutable_models()->at("m").mutable_allow()->set_stored_data(true);
  StartServer();
  v1::RouteRequest encoded = Encoded("m", false);
  encoded.mutable_encoded()->set_body(
      R"({"model":"m","store":true,"messages":[{"role":"user","content":"x"}]})");
  v1::RouteRequest typed = Typed("m", false);
  chat::v1::OpaquePart& extra =
      *typed.mutable_typed()->mutable_chat()->add_extras();
  extra.set_dialect("openai_chat");
  extra.set_json(R"({"store":true})");
  for (const v1::RouteRequest& request : {encoded, typed}) {
    const auto call = Route(request);
    ASSERT_TRUE(call->last().has_failed()) << call->last().DebugString();
    EXPECT_EQ(call->last().failed().detail().reason(), "upstream_bad_response");
  }
  ASSERT_EQ(Log().size(), 2u);
  for (const boost::json::object& record : Log()) {
    EXPECT_EQ(record.at("model").as_string(), "fault-refuse-500");
  }
  ExpectBooked();
}

TEST_F(ModelRouterTest, ACallerThatLeavesClosesTheProvidersConnection) {
  StartProvider();
  AddModel("m", {"fake-1000x10"});
  AddModel("silent", {"fault-blackhole"});
  config_.mutable_models()->at("silent").mutable_timeouts()->Clear();
  StartServer();
  for (ModelRouter* router : {grpc_.get(), server_->model_router()}) {
    for (const std::string model : {"m", "silent"}) {
      SCOPED_TRACE(model);
      const long gone = provider_->service().journal().stats().client_aborts;
      const long asked = provider_->service().journal().stats().requests;
      RouteCall call(*router, io_.At(0), Encoded(model, true));
      if (model == "m") {
        call.AwaitEvents(3);
      } else {
        while (provider_->service().journal().stats().requests == asked) {
          std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
      }
      const absl::Time left = absl::Now();
      call.Cancel();
      while (provider_->service().journal().stats().client_aborts == gone) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
        ASSERT_LT(absl::Now() - left, absl::Milliseconds(250));
      }
      call.Await();
    }
  }
  for (const UsageRow& row : AwaitRows(4)) {
    EXPECT_EQ(row.outcome(), metrics_collector::v1::OUTCOME_CANCELLED);
    EXPECT_EQ(row.usage().source(), chat::v1::USAGE_SOURCE_ESTIMATED);
    EXPECT_GT(row.usage().uncached_input_tokens(), 0);
  }
  ExpectBooked();
}

TEST_F(ModelRouterTest, ConnectionsAreUsedAgain) {
  StartProvider();
  AddModel("m", {"fake-3x0"});
  StartServer();
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(Route(*server_->model_router(), Encoded("m", i % 2 == 0))
                    ->last()
                    .has_completed());
  }
  EXPECT_EQ(provider_->service().journal().stats().connections_total, 1);
}

TEST_F(ModelRouterTest, WhatTheLedgerMissedItGetsLater) {
  StartProvider();
  AddModel("m", {"fake-3x0"});
  StartServer();
  collector_.SetBroken(absl::UnavailableError("away"));
  for (int i = 0; i < 10; ++i) Route(Encoded("m", i % 2 == 0));
  EXPECT_EQ(collector_.rows().size(), 0u);
  EXPECT_GT(Gauge("agentgw_usage_spool_bytes"), 0);
  // Not even a restart loses one.
  StopServer();
  collector_.SetBroken(absl::OkStatus());
  StartServer();
  ExpectBooked();
  for (const UsageRow& row : collector_.rows()) {
    EXPECT_EQ(row.outcome(), metrics_collector::v1::OUTCOME_COMPLETED);
    EXPECT_EQ(row.usage().output_tokens(), 3);
  }
}

// What the mesh cannot carry is refused in time, on every way out.
TEST_F(ModelRouterTest, AnAnswerTooLargeForTheMeshFailsCleanly) {
  StartProvider();
  // All that is left for answers is 768 KiB.
  config_.mutable_limits()->set_max_body_bytes(1024);
  config_.mutable_session()->set_max_context_bytes(1024);
  AddModel("fits", {"fault-big-event-700"});
  AddModel("over", {"fault-big-event-800", "fake-3x0"});
  StartServer();
  for (ModelRouter* router : {grpc_.get(), server_->model_router()}) {
    for (const bool stream : {false, true}) {
      SCOPED_TRACE(stream ? "stream" : "whole");
      const auto fits = Route(*router, Encoded("fits", stream));
      ASSERT_TRUE(fits->status().ok()) << fits->status();
      EXPECT_TRUE(fits->last().has_completed()) << fits->last().DebugString();
      EXPECT_GT(fits->bytes().size(), 700u << 10);
    }
    const auto over = Route(*router, Encoded("over", false));
    ASSERT_TRUE(over->status().ok()) << over->status();
    ASSERT_TRUE(over->last().has_failed());
    EXPECT_EQ(over->last().failed().detail().reason(), "upstream_bad_response");
    EXPECT_EQ(over->last().failed().detail().remedy(),
              common::v1::REMEDY_CHANGE_REQUEST);
    // Nobody else is asked for as much.
    EXPECT_EQ(over->last().failed().receipt().steps_size(), 1);
    // In the turn it stands twice.
    v1::RouteRequest request = Encoded("fits", false);
    request.set_want_turn(true);
    const auto turn = Route(*router, request);
    ASSERT_TRUE(turn->status().ok()) << turn->status();
    EXPECT_TRUE(turn->last().has_failed());
    EXPECT_GT(turn->last().failed().usage().output_tokens(), 0);
  }
}

TEST_F(ModelRouterTest, ATargetThatTakesNoStreamOptionsIsAskedWithout) {
  StartProvider();
  AddModel("m", {"fault-no-stream-options"});
  AddModel("other", {"fake-3x0"});
  StartServer();
  for (const bool encoded : {true, false}) {
    const auto call = Route(encoded ? Encoded("m", true) : Typed("m", true));
    ASSERT_TRUE(call->last().has_completed()) << call->last().DebugString();
    EXPECT_EQ(call->last().completed().usage().source(),
              chat::v1::USAGE_SOURCE_ESTIMATED);
    // It was found out once.
    EXPECT_EQ(call->last().completed().receipt().steps_size(), encoded ? 2 : 1);
  }
  // What the caller has asked for goes as well.
  v1::RouteRequest request = Encoded("m", true);
  request.mutable_encoded()->set_body(
      R"({"model":"m","stream":true,"stream_options":{"include_usage":true},)"
      R"("messages":[{"role":"user","content":"x"}]})");
  EXPECT_TRUE(Route(request)->last().has_completed());
  EXPECT_EQ(Log().size(), 4u);
  // Others are not concerned.
  EXPECT_EQ(Route(Encoded("other", true))->last().completed().usage().source(),
            chat::v1::USAGE_SOURCE_PROVIDER);
  ExpectBooked();
}

TEST_F(ModelRouterTest, ATypedRequestThatCannotBeSpelledIsNoAttempt) {
  StartProvider();
  AddModel("m", {"fake-3x0"});
  StartServer();
  v1::RouteRequest request = Typed("m", false);
  chat::v1::OpaquePart& extra =
      *request.mutable_typed()->mutable_chat()->add_extras();
  extra.set_dialect("openai_chat");
  extra.set_json(R"({"store":true})");
  const auto call = Route(request);
  ASSERT_TRUE(call->last().has_failed());
  EXPECT_EQ(call->last().failed().detail().reason(), "unsupported_parameter");
  EXPECT_EQ(call->last().failed().receipt().steps_size(), 0);
  EXPECT_THAT(
      metrics::ToText(server_->CollectMetrics()),
      HasSubstr(
          R"(agentgw_upstream_requests_total{class="caller",model="fake-3x0",provider="up"} 0)"));
  EXPECT_EQ(Log().size(), 0u);
  // The next one is the first in the ledger.
  Route(Typed("m", false));
  EXPECT_EQ(AwaitRows(1).size(), 1u);
  ExpectBooked();
}

// Of a request that is bad anyhow nothing is learnt, whatever its error says or
// repeats.
TEST_F(ModelRouterTest, StreamOptionsAreNotBlamedForABadRequest) {
  StartProvider();
  for (const char* model : {"fault-first-1-then-ok-422-repeat",
                            "fault-first-2-then-ok-400-blame"}) {
    AddModel(model, {model});
  }
  StartServer();
  for (const char* model : {"fault-first-1-then-ok-422-repeat",
                            "fault-first-2-then-ok-400-blame"}) {
    SCOPED_TRACE(model);
    const auto bad = Route(Encoded(model, true));
    ASSERT_TRUE(bad->last().has_failed()) << bad->last().DebugString();
    EXPECT_EQ(bad->last().failed().detail().fault(), common::v1::FAULT_CALLER);
    const auto next = Route(Encoded(model, true));
    ASSERT_TRUE(next->last().has_completed()) << next->last().DebugString();
    EXPECT_EQ(next->last().completed().usage().source(),
              chat::v1::USAGE_SOURCE_PROVIDER);
  }
  ExpectBooked();
}

const Certificates& Made() {
  static const Certificates certificates;
  return certificates;
}

class HttpsTest : public ModelRouterTest {
 protected:
  // A provider with this certificate; the router trusts `ca` alone.
  void Serve(const std::string& certificate, const std::string& ca,
             const std::string& host = "localhost") {
    StopServer();
    fake_provider::Server::Options options;
    options.certificate = Made().Path(certificate + ".pem");
    options.private_key = Made().Path(certificate + ".key");
    StartProvider(options);
    config::v1::Provider& up = (*config_.mutable_providers())["up"];
    up.set_base_url(
        absl::StrCat("https://", host, ":", provider_->port(), "/v1"));
    if (!ca.empty()) up.set_ca_file(Made().Path(ca));
    if (config_.models().empty()) AddModel("m", {"fake-3x0"});
    StartServer();
  }
};

TEST_F(HttpsTest, AnswersWholeAndStreamedOverOneConnection) {
  for (const std::string host : {"localhost", "127.0.0.1"}) {
    SCOPED_TRACE(host);
    Serve("good", "ca.pem", host);
    for (int i = 0; i < 6; ++i) {
      const auto call =
          Route(*server_->model_router(),
                i < 4 ? Encoded("m", i % 2 == 0) : Typed("m", i % 2 == 0));
      ASSERT_TRUE(call->last().has_completed()) << call->last().DebugString();
      EXPECT_EQ(call->last().completed().usage().output_tokens(), 3);
      EXPECT_EQ(call->last().completed().receipt().steps_size(), 1);
    }
    EXPECT_EQ(provider_->service().journal().stats().connections_total, 1);
  }
}

TEST_F(HttpsTest, CarriesALongPromptAndALongAnswer) {
  AddModel("m", {"fault-big-event-2000"});
  config_.mutable_models()->at("m").mutable_timeouts()->Clear();
  Serve("good", "ca.pem");
  for (const bool stream : {false, true}) {
    const auto call = Route(Encoded("m", stream, std::string(5 << 20, 'a')));
    ASSERT_TRUE(call->last().has_completed()) << call->last().DebugString();
    EXPECT_GT(call->bytes().size(), 2000u << 10);
  }
}

// No key is sent, no token paid, and each target is tried once.
TEST_F(HttpsTest, AnUntrustedProviderIsUnavailable) {
  AddModel("m", {"fake-3x0", "fake-5x0"});
  const struct {
    const char* certificate;
    const char* ca;
  } cases[] = {{"good", "other.pem"},
               // The system's authorities do not know it.
               {"good", ""},
               {"wrong", "ca.pem"},
               {"expired", "ca.pem"}};
  for (const auto& [certificate, ca] : cases) {
    SCOPED_TRACE(absl::StrCat(certificate, " ", ca));
    config_.mutable_providers()->clear();
    Serve(certificate, ca);
    const size_t before = collector_.rows().size();
    for (const bool stream : {false, true}) {
      const auto call = Route(Encoded("m", stream));
      ASSERT_TRUE(call->status().ok()) << call->status();
      ASSERT_TRUE(call->last().has_failed());
      const v1::Failed& failed = call->last().failed();
      EXPECT_EQ(failed.detail().reason(), "upstream_unavailable");
      EXPECT_THAT(failed.message(), HasSubstr("trusted connection"));
      EXPECT_EQ(failed.usage().uncached_input_tokens(), 0);
      EXPECT_EQ(failed.receipt().steps_size(), 2);
    }
    EXPECT_EQ(provider_->service().journal().stats().connections_total, 4);
    EXPECT_EQ(Log().size(), 0u);
    EXPECT_EQ(AwaitRows(before + 4).size(), before + 4);
  }
}

TEST_F(HttpsTest, AnUntrustedTargetLeavesTheCallToTheNext) {
  AddModel("m", {"fake-3x0"});
  config::v1::Target& mock = *config_.mutable_models()->at("m").add_targets();
  mock.set_provider("mock");
  mock.set_weight(0);
  (*config_.mutable_providers())["mock"].set_dialect(config::v1::DIALECT_MOCK);
  Serve("expired", "ca.pem");
  const auto call = Route(Encoded("m", true));
  ASSERT_TRUE(call->last().has_completed()) << call->last().DebugString();
  EXPECT_EQ(call->events()[0].started().provider(), "mock");
}

TEST_F(HttpsTest, ACaFileThatIsNoneIsAFaultOfTheConfig) {
  config::v1::Provider& up = (*config_.mutable_providers())["up"];
  up.set_base_url("https://localhost/v1");
  for (const std::string& file :
       {Made().Path("good.key"), Made().Path("gone")}) {
    up.set_ca_file(file);
    const absl::Status status = ReadOptions(config_).status();
    EXPECT_THAT(std::string(status.message()),
                HasSubstr("providers.up.caFile: no certificate authority"));
  }
  up.set_ca_file(Made().Path("ca.pem"));
  EXPECT_TRUE(ReadOptions(config_).ok());
}

TEST_F(ModelRouterTest, AProvidersKeyGoesToTheProviderAlone) {
  fake_provider::Server::Options options;
  options.service.key = "sk-secret";
  StartProvider(options);
  const std::string path = dir_ + "/key";
  { std::ofstream(path) << "sk-secret\n"; }
  AddModel("m", {"fake-3x0"});
  (*config_.mutable_providers())["up"].mutable_key()->set_file(path);
  StartServer();
  EXPECT_TRUE(Route(Encoded("m", false))->last().has_completed());
}

TEST_F(ModelRouterTest, ADrainRefusesNewCallsAndLetsOthersEnd) {
  StartProvider();
  AddModel("m", {"fake-30x10"});
  StartServer();
  RouteCall running(*grpc_, io_.At(0), Encoded("m", true));
  running.AwaitEvents(1);
  server_->SetHealth(false, true);
  server_->BeginDrain();
  EXPECT_EQ(server_->Active(), 1u);
  const auto refused = Route(*server_->model_router(), Encoded("m", false));
  EXPECT_EQ(ReasonOf(refused->status()), reason::kDraining);
  running.Await();
  EXPECT_TRUE(running.last().has_completed());
  EXPECT_EQ(server_->Active(), 0u);
}

TEST_F(ModelRouterTest, WhatOutlastsADrainIsEnded) {
  StartProvider();
  AddModel("m", {"fake-1000x10"});
  StartServer();
  RouteCall running(*grpc_, io_.At(0), Encoded("m", true));
  running.AwaitEvents(1);
  server_->BeginDrain();
  server_->CancelRemaining();
  running.Await();
  EXPECT_TRUE(absl::IsUnavailable(running.status())) << running.status();
  EXPECT_EQ(server_->Active(), 0u);
}

TEST_F(ModelRouterTest, MetricsKeepTheRulesAndCountWhatHappened) {
  StartProvider();
  AddModel("m", {"fake-5x2"});
  AddModel("broken", {"fault-refuse-500", "fake-3x0"});
  StartServer();
  Route(Encoded("m", true));
  Route(Encoded("broken", false));
  const metrics::Families families = server_->CollectMetrics();
  EXPECT_THAT(metrics::Lint(families), ElementsAre());
  const std::string text = metrics::ToText(families);
  for (
      const char* line : {
          R"(agentgw_upstream_requests_total{class="ok",model="fake-5x2",provider="up"} 1)",
          R"(agentgw_upstream_requests_total{class="provider",model="fault-refuse-500",provider="up"} 1)",
          R"(agentgw_fallbacks_total{from_model="broken",reason="upstream_bad_response",to_model="broken"} 1)",
          R"(agentgw_cost_nanousd_total{model="fake-5x2",provider="up",tier="default"} 0.019)",
      }) {
    EXPECT_THAT(text, HasSubstr(line));
  }
  EXPECT_THAT(text, HasSubstr("gen_ai_client_token_usage_count{"));
  EXPECT_THAT(text, HasSubstr("agentgw_rpc_calls_in_flight "));
}

TEST_F(ModelRouterTest, MetricsShowTheConnectionsToAProvider) {
  StartProvider();
  AddModel("m", {"fake-5x2"});
  StartServer();
  const auto value = [&](const std::string& name, const std::string& state) {
    for (const auto& family : server_->CollectMetrics()) {
      if (family.name != name) continue;
      for (const auto& metric : family.metric) {
        if (!state.empty() && metric.label.at(1).value != state) continue;
        return metric.gauge.value + metric.counter.value;
      }
    }
    return -1.0;
  };
  for (int i = 0; i < 4; ++i) Route(Encoded("m", false));
  // Each io thread has its own.
  const double connects = value("agentgw_upstream_connects_total", "");
  EXPECT_GE(connects, 1);
  EXPECT_EQ(connects + value("agentgw_upstream_connections_reused_total", ""),
            4);
  EXPECT_EQ(value("agentgw_upstream_connections", "idle"), connects);
  EXPECT_EQ(value("agentgw_upstream_connections", "busy"), 0);
  EXPECT_EQ(value("agentgw_upstream_connect_failures_total", ""), 0);
  EXPECT_EQ(value("agentgw_upstream_waiting", ""), 0);

  // Another state of the config has clients of its own, and counts on.
  ASSERT_TRUE(server_->Reload(config_).ok());
  Route(Encoded("m", false));
  EXPECT_EQ(value("agentgw_upstream_connects_total", ""), connects + 1);
}

TEST_F(ModelRouterTest, BadConfigIsRefusedWithEveryFault) {
  config::v1::Config config;
  ASSERT_TRUE(google::protobuf::TextFormat::ParseFromString(
      R"pb(
        stream { coalesce { seconds: 2 } }
        usage { spool_bytes: 10 }
        routing { fallback_model: "x" }
        providers {
          key: "p"
          value {
            base_url: "http://p"
            key { env: "NO_SUCH_VARIABLE_HERE" }
          }
        }
      )pb",
      &config));
  const std::string faults(ReadOptions(config).status().message());
  EXPECT_THAT(faults, HasSubstr("usage.spoolBytes: 1MiB or more"));
  EXPECT_THAT(faults, HasSubstr("stream.coalesce: from 0 to 1s"));
  EXPECT_THAT(faults, HasSubstr("routing.fallbackModel"));
  config.clear_routing();
  EXPECT_THAT(std::string(ReadOptions(config).status().message()),
              HasSubstr("providers.p.key"));
}

}  // namespace
}  // namespace gateway::model_router
