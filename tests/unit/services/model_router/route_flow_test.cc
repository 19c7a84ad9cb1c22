#include "services/model_router/route_flow.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <deque>
#include <limits>

#include "common/status/error.h"
#include "services/model_router/frames.h"
#include "services/model_router/model_router_service.h"
#include "tests/support/fake_clock.h"
#include "tests/unit/services/model_router/flow_test_support.h"

namespace gateway::model_router {
namespace {

using metrics_collector::v1::OUTCOME_CANCELLED;
using metrics_collector::v1::OUTCOME_COMPLETED;
using metrics_collector::v1::OUTCOME_FAILED;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// What a scripted attempt does, in order.
struct Attempt {
  struct Step {
    std::string text;
    bool token = true;
  };
  std::vector<Step> steps;
  // Waits for ever behind the steps.
  bool hangs = false;
  absl::Status error;
  OtherTarget other_target = OtherTarget::kNo;
  bool has_usage = true;
  // An error, and yet the provider told its usage.
  bool failed_usage = false;
  bool billable = true;
  // A kept connection dies under the request first.
  bool resends = false;
  // The request cannot be spelled for the target, so that nothing is sent.
  bool unfit = false;
  // Of a whole answer.
  size_t answer_bytes = 0;
};

// Answers attempts from a script and remembers what it was asked.
class FakeProvider final : public ModelProvider {
 public:
  explicit FakeProvider(Clock* clock) : clock_(*clock) {}

  Awaitable<absl::Status> Call(const ProviderCall& call, AnswerSink& sink,
                               Answer& answer) override {
    targets.push_back(call.target->id);
    stored.clear();
    for (const auto* message : call.stored) {
      stored.push_back(message->content(0).text().text());
    }
    system_text = std::string(call.system_text);
    first_deadline = call.limits->deadline();
    const Attempt attempt = std::move(script.front());
    script.pop_front();
    if (attempt.unfit) {
      co_return MakeError(reason::kInvalidValue, "no place for it");
    }
    const absl::Status first = call.before_send(absl::OkStatus());
    if (!first.ok()) co_return first;
    answer.billable = attempt.billable;
    if (attempt.resends) {
      const absl::Status allowed =
          call.before_send(MakeError(reason::kUpstreamUnavailable, "died"));
      if (!allowed.ok()) co_return allowed;
    }
    for (const Attempt::Step& step : attempt.steps) {
      v1::RouteEvent run;
      if (call.envelope != nullptr) {
        AppendFrame(step.text, *run.mutable_frames());
      } else {
        run.mutable_deltas()->add_deltas()->set_text(step.text);
      }
      call.limits->OnEvents(clock_.Now(), step.token);
      if (step.token) ++answer.output_estimate;
      const absl::Status written =
          co_await sink.Write(std::move(run), step.token);
      if (!written.ok()) co_return written;
    }
    if (attempt.hangs) {
      co_await clock_.SleepUntil(absl::InfiniteFuture());
      co_return ClientClosed();
    }
    answer.usage.set_uncached_input_tokens(10);
    answer.usage.set_output_tokens(5);
    if (!attempt.error.ok()) {
      answer.other_target = attempt.other_target;
      answer.has_usage = attempt.failed_usage;
      co_return attempt.error;
    }
    answer.has_usage = attempt.has_usage;
    answer.id = "chatcmpl-1";
    answer.model = "answered-by";
    answer.finish_reason = chat::v1::FINISH_REASON_STOP;
    if (call.want_turn) {
      answer.message.set_role(chat::v1::ROLE_ASSISTANT);
      answer.message.add_content()->mutable_text()->set_text("answer");
    }
    if (call.envelope != nullptr) {
      AppendFrame("data: [DONE]\n\n", answer.last_frames);
    }
    if (attempt.answer_bytes > 0) {
      EXPECT_LE(attempt.answer_bytes, call.max_answer_bytes);
      answer.last_run.mutable_answer()->set_encoded(
          std::string(attempt.answer_bytes, 'x'));
    }
    co_return absl::OkStatus();
  }

  std::deque<Attempt> script;
  std::vector<std::string> targets;
  std::vector<std::string> stored;
  std::string system_text;
  absl::Time first_deadline;

 private:
  Clock& clock_;
};

class FakeObserver final : public RouteObserver {
 public:
  void OnAttemptBegun(const Target& target) override { ++in_flight; }
  void OnAttemptEnded(const AttemptReport& report) override {
    --in_flight;
    ended.push_back(std::string(report.target.id) + " " +
                    (report.status.ok() ? "ok" : ReasonOf(report.status)));
    first_token = report.first_token;
  }
  void OnFallback(const Target& from, const Target& to,
                  absl::string_view reason) override {
    fallbacks.push_back(from.id + ">" + to.id + " " + std::string(reason));
  }

  int in_flight = 0;
  std::vector<std::string> ended;
  std::vector<std::string> fallbacks;
  std::optional<absl::Duration> first_token;
};

constexpr char kConfig[] = R"pb(
  providers {
    key: "p"
    value { base_url: "http://p" }
  }
  models {
    key: "m"
    value {
      targets {
        provider: "p"
        model: "one"
        price { input: 2 output: 3 }
      }
      targets { provider: "p" model: "two" weight: 0 }
      context_tokens: 1000
    }
  }
  models {
    key: "large"
    value {
      targets { provider: "p" model: "large" }
      context_tokens: 9000
    }
  }
  routing { fallback_model: "large" }
)pb";

class RouteFlowTest : public testing::Test {
 protected:
  RouteFlowTest() {
    spool_ = *UsageSpool::Open({.directory = dir_.path(), .max_bytes = 1 << 20},
                               clock_.Now());
    UseCatalogue(ParseText<config::v1::Config>(kConfig));
    call_.deadline = clock_.Now() + absl::Minutes(10);
    request_ = ParseText<v1::RouteRequest>(R"pb(
      context {
        request_id: "req_1"
        account { tenant: "default" key_id: "k" }
      }
      model: "m"
      typed {
        chat {
          model: "m"
          messages {
            role: ROLE_USER
            content { text { text: "hello" } }
          }
        }
        stream: true
      }
    )pb");
  }

  RouterParts PartsOf(const config::v1::Config& config) {
    RouterParts parts;
    parts.catalogue = *Catalogue::FromConfig(config);
    parts.providers = {&provider_};
    parts.spool = spool_.get();
    parts.observer = &observer_;
    parts.clock = &clock_;
    parts.draw = [] { return 1; };
    parts.max_event_bytes = 1 << 20;
    return parts;
  }
  void UseCatalogue(const config::v1::Config& config) {
    service_ = std::make_unique<ModelRouterService>(PartsOf(config));
  }

  void UseEncoded(const std::string& body) {
    request_.mutable_encoded()->set_dialect("openai_chat");
    request_.mutable_encoded()->set_body(body);
    request_.mutable_encoded()->set_stream(true);
    request_.mutable_encoded()->set_framing(v1::FRAMING_SSE);
  }

  TestFlow<absl::Status>& Start() {
    flow_.emplace(io_, service_->Route(call_, request_, sink_));
    return *flow_;
  }
  void RunToEnd() {
    ASSERT_TRUE(Start().ended());
    ASSERT_TRUE(flow_->result().ok()) << flow_->result();
    EXPECT_EQ(observer_.in_flight, 0);
    EXPECT_EQ(service_->active(), 0);
    EXPECT_EQ(spool_->open_rows(), 0);
  }

  const v1::Failed& failed() const { return sink_.messages.back().failed(); }
  const v1::Completed& completed() const {
    return sink_.messages.back().completed();
  }
  std::vector<UsageRow> rows() { return spool_->Read(100); }

  TempDir dir_;
  FakeClock clock_;
  boost::asio::io_context io_;
  FakeProvider provider_{&clock_};
  FakeObserver observer_;
  std::unique_ptr<UsageSpool> spool_;
  std::unique_ptr<ModelRouterService> service_;
  rpc::Call call_;
  v1::RouteRequest request_;
  KeepingSink<v1::RouteEvent> sink_;
  std::optional<TestFlow<absl::Status>> flow_;
};

TEST_F(RouteFlowTest, StreamsRunsAndThenCompletes) {
  provider_.script = {{.steps = {{"a"}, {"b"}}}};
  RunToEnd();
  ASSERT_EQ(sink_.messages.size(), 3u);
  EXPECT_EQ(sink_.messages[0].started().provider(), "p");
  EXPECT_EQ(sink_.messages[0].started().provider_model(), "one");
  EXPECT_EQ(sink_.messages[0].started().attempt(), 1);
  EXPECT_EQ(sink_.messages[0].deltas().deltas(0).text(), "a");
  EXPECT_FALSE(sink_.messages[1].has_started());
  EXPECT_EQ(completed().usage().output_tokens(), 5);
  EXPECT_EQ(completed().usage().source(), chat::v1::USAGE_SOURCE_PROVIDER);
  EXPECT_TRUE(completed().cost().priced());
  EXPECT_EQ(completed().cost().pico_usd(), 10 * 2 + 5 * 3);
  EXPECT_EQ(completed().answer_id(), "chatcmpl-1");
  EXPECT_EQ(completed().answer_model(), "answered-by");
  EXPECT_EQ(completed().receipt().steps(0).outcome(), "answered");
  EXPECT_FALSE(completed().has_turn());
  EXPECT_THAT(observer_.ended, ElementsAre("p/one ok"));
}

TEST_F(RouteFlowTest, BooksTheAttempt) {
  provider_.script = {{.steps = {{"a"}}}};
  RunToEnd();
  const auto rows = this->rows();
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].request_id(), "req_1");
  EXPECT_EQ(rows[0].attempt(), 1);
  EXPECT_EQ(rows[0].account().key_id(), "k");
  EXPECT_EQ(rows[0].model(), "m");
  EXPECT_EQ(rows[0].provider_model(), "one");
  EXPECT_EQ(rows[0].outcome(), OUTCOME_COMPLETED);
  EXPECT_EQ(rows[0].usage().uncached_input_tokens(), 10);
  EXPECT_EQ(rows[0].cost().pico_usd(), 35);
}

TEST_F(RouteFlowTest, EstimatesWhatTheProviderDoesNotTell) {
  provider_.script = {{.steps = {{"a"}, {"b"}}, .has_usage = false}};
  RunToEnd();
  EXPECT_EQ(completed().usage().source(), chat::v1::USAGE_SOURCE_ESTIMATED);
  EXPECT_EQ(completed().usage().output_tokens(), 2);
  EXPECT_GT(completed().usage().uncached_input_tokens(), 0);
}

TEST_F(RouteFlowTest, EncodedStreamEndsInItsLastFrames) {
  UseEncoded(
      R"({"model":"m","stream":true,"messages":[{"role":"user","content":"x"}]})");
  provider_.script = {{.steps = {{"data: 1\n\n"}}}};
  RunToEnd();
  EXPECT_EQ(sink_.messages[0].frames().data(), "data: 1\n\n");
  EXPECT_EQ(completed().last_frames().data(), "data: [DONE]\n\n");
}

TEST_F(RouteFlowTest, StartupIsHeldBackUntilTheFirstToken) {
  provider_.script = {
      {.steps = {{"role", false}, {"more", false}, {"a"}, {"b"}}}};
  RunToEnd();
  ASSERT_EQ(sink_.messages.size(), 3u);
  EXPECT_EQ(sink_.messages[0].deltas().deltas_size(), 3);
  EXPECT_EQ(sink_.messages[0].deltas().deltas(0).text(), "role");
  EXPECT_EQ(sink_.messages[1].deltas().deltas(0).text(), "b");
}

TEST_F(RouteFlowTest, AsksTheNextTargetAsLongAsNothingWasShown) {
  provider_.script = {{.steps = {{"role", false}},
                       .error = MakeError(reason::kUpstreamBadResponse, "cut"),
                       .other_target = OtherTarget::kYes},
                      {.steps = {{"a"}}}};
  RunToEnd();
  EXPECT_THAT(provider_.targets, ElementsAre("p/one", "p/two"));
  ASSERT_EQ(sink_.messages.size(), 2u);
  EXPECT_EQ(sink_.messages[0].deltas().deltas_size(), 1);
  EXPECT_EQ(sink_.messages[0].started().attempt(), 2);
  EXPECT_THAT(observer_.fallbacks,
              ElementsAre("p/one>p/two upstream_bad_response"));
  EXPECT_EQ(completed().receipt().steps(0).outcome(), "upstream_bad_response");
  EXPECT_EQ(completed().receipt().steps(1).target(), "p/two");
  const auto rows = this->rows();
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].outcome(), OUTCOME_FAILED);
  EXPECT_EQ(rows[0].reason(), "upstream_bad_response");
  EXPECT_EQ(rows[1].attempt(), 2);
}

TEST_F(RouteFlowTest, WaitsLessForTheFirstTokenWhileAnotherTargetIsLeft) {
  provider_.script = {{.error = MakeError(reason::kUpstreamTimeout, "slow"),
                       .other_target = OtherTarget::kYes},
                      {.error = MakeError(reason::kUpstreamTimeout, "slow"),
                       .other_target = OtherTarget::kYes},
                      {.steps = {{"a"}}}};
  Start();
  EXPECT_THAT(provider_.targets, ElementsAre("p/one", "p/two", "p/large"));
  // The last one: its head may take 30 s.
  EXPECT_EQ(provider_.first_deadline, clock_.Now() + absl::Seconds(30));
}

// The client is told what its answer took, and charged for all that it took.
TEST_F(RouteFlowTest, UsageIsOfTheAnswerAndCostOfAllAttempts) {
  provider_.script = {{.error = MakeError(reason::kUpstreamBadResponse, "cut"),
                       .other_target = OtherTarget::kYes,
                       .failed_usage = true},
                      {.steps = {{"a"}}}};
  const auto config = ParseText<config::v1::Config>(R"pb(
    providers {
      key: "p"
      value { base_url: "http://p" }
    }
    models {
      key: "m"
      value {
        targets {
          provider: "p"
          model: "one"
          price { input: 2 output: 3 }
        }
        targets {
          provider: "p"
          model: "two"
          weight: 0
          price { input: 20 output: 30 }
        }
      }
    }
  )pb");
  UseCatalogue(config);
  RunToEnd();
  EXPECT_EQ(completed().usage().uncached_input_tokens(), 10);
  EXPECT_EQ(completed().usage().output_tokens(), 5);
  EXPECT_EQ(completed().cost().pico_usd(), 35 + 350);
  EXPECT_TRUE(completed().cost().priced());
  int64_t booked = 0;
  for (const UsageRow& row : rows()) booked += row.cost().pico_usd();
  EXPECT_EQ(completed().cost().pico_usd(), booked);
}

TEST_F(RouteFlowTest, AnAttemptWithoutAPriceLeavesTheCallWithoutOne) {
  // The second target has none.
  provider_.script = {{.error = MakeError(reason::kUpstreamBadResponse, "cut"),
                       .other_target = OtherTarget::kYes,
                       .failed_usage = true},
                      {.steps = {{"a"}}}};
  RunToEnd();
  EXPECT_FALSE(completed().cost().priced());
  EXPECT_EQ(completed().cost().pico_usd(), 0);
}

TEST_F(RouteFlowTest, AnAnswerThatFitsNoMessageFailsAndIsBooked) {
  request_.mutable_typed()->set_stream(false);
  provider_.script = {{.answer_bytes = (1 << 20) - kEventOverhead}};
  RunToEnd();
  EXPECT_EQ(failed().detail().reason(), reason::kUpstreamBadResponse);
  EXPECT_EQ(failed().detail().remedy(), common::v1::REMEDY_CHANGE_REQUEST);
  EXPECT_EQ(failed().usage().output_tokens(), 5);
  EXPECT_EQ(failed().receipt().steps_size(), 1);
  EXPECT_EQ(rows()[0].outcome(), OUTCOME_COMPLETED);
  EXPECT_THAT(provider_.targets, ElementsAre("p/one"));
}

TEST_F(RouteFlowTest, AnAnswerThatJustFitsIsDelivered) {
  request_.mutable_typed()->set_stream(false);
  provider_.script = {{.answer_bytes = (1 << 20) - kEventOverhead - 100}};
  RunToEnd();
  EXPECT_TRUE(sink_.messages.back().has_completed());
}

TEST_F(RouteFlowTest, WhatIsSentTwiceIsBookedTwice) {
  provider_.script = {{.steps = {{"a"}}, .resends = true}};
  RunToEnd();
  EXPECT_EQ(sink_.messages[0].started().attempt(), 2);
  const auto rows = this->rows();
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].attempt(), 1);
  EXPECT_EQ(rows[0].outcome(), OUTCOME_FAILED);
  EXPECT_EQ(rows[0].usage().uncached_input_tokens(), 0);
  EXPECT_EQ(rows[1].attempt(), 2);
  EXPECT_EQ(rows[1].outcome(), OUTCOME_COMPLETED);
}

TEST_F(RouteFlowTest, WhatCannotBeSentIsNoAttempt) {
  provider_.script = {{.unfit = true}};
  RunToEnd();
  EXPECT_EQ(failed().detail().reason(), reason::kInvalidValue);
  EXPECT_FALSE(failed().has_receipt());
  EXPECT_THAT(provider_.targets, ElementsAre("p/one"));
  EXPECT_THAT(observer_.ended, IsEmpty());
  EXPECT_THAT(rows(), IsEmpty());
}

Attempt Down() {
  return {.error = MakeError(reason::kUpstreamUnavailable, "down"),
          .other_target = OtherTarget::kYes,
          .billable = false};
}

// What the model asked for allows, and the fallback does not.
TEST_F(RouteFlowTest, TheFallbackIsNotAskedForWhatItsRowRefuses) {
  auto config = ParseText<config::v1::Config>(kConfig);
  config.mutable_models()->at("m").mutable_allow()->set_stored_data(true);
  UseEncoded(
      R"({"model":"m","stream":true,"store":true,"messages":[{"role":"user","content":"x"}]})");
  for (const bool allowed : {false, true}) {
    config.mutable_models()->at("large").mutable_allow()->set_stored_data(
        allowed);
    UseCatalogue(config);
    provider_.targets.clear();
    provider_.script = {Down(), Down(), Down()};
    RunToEnd();
    EXPECT_EQ(provider_.targets.size(), allowed ? 3u : 2u);
    EXPECT_EQ(failed().detail().reason(), reason::kUpstreamUnavailable);
  }
  // The other way round it is the caller's error.
  config.mutable_models()->at("m").clear_allow();
  UseCatalogue(config);
  provider_.targets.clear();
  RunToEnd();
  EXPECT_EQ(failed().detail().reason(), reason::kUnsupportedParameter);
  EXPECT_THAT(provider_.targets, IsEmpty());
}

TEST_F(RouteFlowTest, AFallbackThatARequestDoesNotFitIsSkipped) {
  provider_.script = {Down(), Down(), {.unfit = true}};
  RunToEnd();
  EXPECT_THAT(provider_.targets, ElementsAre("p/one", "p/two", "p/large"));
  EXPECT_EQ(failed().detail().reason(), reason::kUpstreamUnavailable);
  EXPECT_EQ(failed().receipt().steps_size(), 2);
  EXPECT_THAT(observer_.fallbacks,
              ElementsAre("p/one>p/two upstream_unavailable"));
}

TEST_F(RouteFlowTest, ABrokenStreamIsNotStartedAnew) {
  provider_.script = {{.steps = {{"a"}},
                       .error = MakeError(reason::kUpstreamBadResponse, "cut"),
                       .other_target = OtherTarget::kYes,
                       .has_usage = false}};
  RunToEnd();
  EXPECT_THAT(provider_.targets, ElementsAre("p/one"));
  EXPECT_EQ(failed().code(), static_cast<int>(absl::StatusCode::kUnavailable));
  EXPECT_EQ(failed().detail().reason(), "upstream_bad_response");
  EXPECT_EQ(failed().usage().output_tokens(), 1);
  EXPECT_EQ(rows()[0].usage().source(), chat::v1::USAGE_SOURCE_ESTIMATED);
}

TEST_F(RouteFlowTest, AFaultyRequestIsNotSentElsewhere) {
  provider_.script = {{.error = MakeError(reason::kUpstreamRejected, "bad"),
                       .billable = false}};
  RunToEnd();
  EXPECT_EQ(provider_.targets.size(), 1u);
  EXPECT_EQ(failed().detail().reason(), "upstream_rejected");
  EXPECT_EQ(rows()[0].usage().uncached_input_tokens(), 0);
}

TEST_F(RouteFlowTest, ATooLongPromptGoesOnlyWhereMoreFits) {
  provider_.script = {
      {.error = MakeError(reason::kContextLengthExceeded, "long"),
       .other_target = OtherTarget::kLargerContext},
      {.steps = {{"a"}}}};
  RunToEnd();
  EXPECT_THAT(provider_.targets, ElementsAre("p/one", "p/large"));
}

TEST_F(RouteFlowTest, WhenAllFailTheLastErrorIsTheAnswer) {
  for (int i = 0; i < 3; ++i) {
    provider_.script.push_back(
        {.error = MakeError(reason::kUpstreamUnavailable, "down")
                      .RetryAfter(absl::Seconds(i + 1)),
         .other_target = OtherTarget::kYes,
         .billable = false});
  }
  RunToEnd();
  EXPECT_EQ(failed().detail().retry_delay().seconds(), 3);
  EXPECT_EQ(failed().receipt().steps_size(), 3);
  EXPECT_EQ(rows().size(), 3u);
}

TEST_F(RouteFlowTest, ACallerThatLeavesEndsTheAttempt) {
  provider_.script = {{.steps = {{"a"}}, .hangs = true}};
  Start();
  EXPECT_FALSE(flow_->ended());
  EXPECT_EQ(observer_.in_flight, 1);
  EXPECT_EQ(spool_->open_rows(), 1);
  flow_->Cancel();
  ASSERT_TRUE(flow_->ended());
  EXPECT_TRUE(absl::IsCancelled(flow_->result()));
  EXPECT_EQ(observer_.in_flight, 0);
  const auto rows = this->rows();
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].outcome(), OUTCOME_CANCELLED);
  EXPECT_EQ(rows[0].usage().output_tokens(), 1);
  EXPECT_EQ(rows[0].usage().source(), chat::v1::USAGE_SOURCE_ESTIMATED);
  // Nobody is there to read an end.
  EXPECT_EQ(sink_.messages.size(), 1u);
}

TEST_F(RouteFlowTest, AReaderThatIsGoneEndsTheAttempt) {
  sink_.error = ClientClosed();
  provider_.script = {{.steps = {{"a"}, {"b"}}}};
  Start();
  ASSERT_TRUE(flow_->ended());
  EXPECT_TRUE(absl::IsCancelled(flow_->result()));
  EXPECT_EQ(rows()[0].outcome(), OUTCOME_CANCELLED);
}

TEST_F(RouteFlowTest, NothingIsSpentThatCannotBeBooked) {
  UsageRow row;
  row.set_request_id("x");
  std::vector<UsageSpool::Ticket> open;
  for (;;) {
    auto ticket = spool_->Begin(row);
    if (!ticket.ok()) break;
    open.push_back(*ticket);
  }
  provider_.script = {{.steps = {{"a"}}}};
  Start();
  ASSERT_TRUE(flow_->ended());
  EXPECT_THAT(observer_.ended, IsEmpty());
  EXPECT_EQ(sink_.messages.size(), 1u);
  EXPECT_EQ(failed().detail().reason(), "usage_spool_full");
  EXPECT_TRUE(failed().detail().has_retry_delay());
  for (const auto& ticket : open) spool_->End(ticket, row);
}

TEST_F(RouteFlowTest, RefusesWhatMakesNoSense) {
  const auto reason_of = [&](auto change) {
    const v1::RouteRequest before = request_;
    change(request_);
    EXPECT_TRUE(Start().ended());
    request_ = before;
    return failed().detail().reason() + " " + failed().detail().param();
  };
  EXPECT_THAT(reason_of([](auto& r) { r.set_model("none"); }),
              HasSubstr("model_not_found"));
  EXPECT_EQ(reason_of([](auto& r) { r.clear_form(); }),
            "missing_required_parameter form");
  EXPECT_EQ(reason_of([](auto& r) {
              r.mutable_typed()->mutable_chat()->clear_messages();
            }),
            "missing_required_parameter messages");
  EXPECT_THAT(reason_of([&](auto&) { UseEncoded("{"); }),
              HasSubstr("invalid_json"));
  EXPECT_THAT(
      reason_of([&](auto&) {
        UseEncoded(
            R"({"model":"other","stream":true,"messages":[{"role":"user"}]})");
      }),
      HasSubstr("invalid_value model"));
  EXPECT_THAT(
      reason_of([&](auto&) {
        UseEncoded(
            R"({"model":"m","stream":true,"store":true,"messages":[{"role":"user","content":"x"}]})");
      }),
      HasSubstr("unsupported_parameter store"));
  EXPECT_THAT(provider_.targets, IsEmpty());
  EXPECT_THAT(rows(), IsEmpty());
}

TEST_F(RouteFlowTest, NewCallsAreRefusedDuringADrain) {
  service_->BeginDrain();
  Start();
  ASSERT_TRUE(flow_->ended());
  EXPECT_EQ(ReasonOf(flow_->result()), reason::kDraining);
  EXPECT_THAT(sink_.messages, IsEmpty());
}

constexpr char kSession[] = R"pb(
  mode: SESSION_MODE_NEW
  system_text: "be brief"
  turns {
    turn_id: "t1"
    request_messages {
      role: ROLE_USER
      content { text { text: "q1" } }
    }
    answer_messages {
      role: ROLE_ASSISTANT
      content { text { text: "a1" } }
    }
    token_count: 600
  }
  turns {
    turn_id: "t2"
    parent_turn_id: "t1"
    request_messages {
      role: ROLE_USER
      content { text { text: "q2" } }
    }
    answer_messages {
      role: ROLE_ASSISTANT
      content { text { text: "a2" } }
    }
    token_count: 300
  }
)pb";

TEST_F(RouteFlowTest, StoredTurnsGoInFrontAndTheNewOneComesBack) {
  *request_.mutable_session() = ParseText<v1::SessionContext>(kSession);
  request_.set_want_turn(true);
  provider_.script = {{.steps = {{"answer"}}}};
  RunToEnd();
  EXPECT_THAT(provider_.stored, ElementsAre("q1", "a1", "q2", "a2"));
  EXPECT_EQ(provider_.system_text, "be brief");
  EXPECT_EQ(sink_.messages[0].started().dropped_turns(), 0);
  const v1::NewTurn& turn = completed().turn();
  EXPECT_EQ(turn.parent_turn_id(), "t2");
  ASSERT_EQ(turn.request_messages_size(), 1);
  EXPECT_EQ(turn.request_messages(0).content(0).text().text(), "hello");
  EXPECT_EQ(turn.answer_messages(0).content(0).text().text(), "answer");
  EXPECT_EQ(turn.system_text(), "be brief");
  EXPECT_EQ(turn.answer_id(), "chatcmpl-1");
  EXPECT_EQ(turn.target(), "p/one");
  EXPECT_GT(turn.token_count(), 5);
}

TEST_F(RouteFlowTest, TheOldestTurnsGoAndMoreFitElsewhere) {
  *request_.mutable_session() = ParseText<v1::SessionContext>(kSession);
  request_.mutable_session()->mutable_turns(1)->set_token_count(500);
  provider_.script = {
      {.error = MakeError(reason::kContextLengthExceeded, "long"),
       .other_target = OtherTarget::kLargerContext},
      {.steps = {{"a"}}}};
  // Looks at each attempt's prompt as it is asked.
  Start();
  EXPECT_THAT(provider_.stored, ElementsAre("q1", "a1", "q2", "a2"));
  EXPECT_EQ(sink_.messages[0].started().dropped_turns(), 0);

  sink_.messages.clear();
  provider_.script = {{.steps = {{"a"}}}};
  Start();
  EXPECT_THAT(provider_.stored, ElementsAre("q2", "a2"));
  EXPECT_EQ(sink_.messages[0].started().dropped_turns(), 1);
}

// A bound as large as the context, or one that no sum can hold.
TEST_F(RouteFlowTest, ALargeBoundDoesNotCostTheConversation) {
  *request_.mutable_session() = ParseText<v1::SessionContext>(kSession);
  request_.mutable_session()->mutable_turns(0)->set_token_count(100);
  for (const int64_t bound : {int64_t{1000}, dialect::kMaxOutputTokens}) {
    request_.mutable_typed()->mutable_chat()->set_max_output_tokens(bound);
    provider_.script = {{.steps = {{"a"}}}};
    RunToEnd();
    EXPECT_THAT(provider_.stored, ElementsAre("q1", "a1", "q2", "a2"));
  }
  for (const int64_t bound :
       {int64_t{-1}, int64_t{0}, dialect::kMaxOutputTokens + 1,
        std::numeric_limits<int64_t>::max()}) {
    request_.mutable_typed()->mutable_chat()->set_max_output_tokens(bound);
    RunToEnd();
    EXPECT_EQ(failed().detail().reason(), reason::kInvalidValue);
    EXPECT_EQ(failed().detail().param(), "max_output_tokens");
  }
}

TEST_F(RouteFlowTest, AWholeHistoryBranchesWhereItDiffers) {
  *request_.mutable_session() = ParseText<v1::SessionContext>(kSession);
  request_.mutable_session()->set_mode(v1::SESSION_MODE_FULL);
  request_.set_want_turn(true);
  UseEncoded(
      R"({"model":"m","stream":true,"messages":[{"role":"system","content":"s"},)"
      R"({"role":"user","content":"q1"},{"role":"assistant","content":"a1"},)"
      R"({"role":"user","content":"changed"}]})");
  provider_.script = {{.steps = {{"x"}}}};
  RunToEnd();
  EXPECT_THAT(provider_.stored, IsEmpty());
  EXPECT_EQ(provider_.system_text, "");
  const v1::NewTurn& turn = completed().turn();
  EXPECT_EQ(turn.parent_turn_id(), "t1");
  ASSERT_EQ(turn.request_messages_size(), 1);
  EXPECT_EQ(turn.request_messages(0).content(0).text().text(), "changed");
  EXPECT_EQ(turn.system_text(), "s");
}

TEST_F(RouteFlowTest, PlannedTargetIsUsed) {
  request_.set_planned_target("p/two");
  provider_.script = {{.steps = {{"a"}}}};
  RunToEnd();
  EXPECT_THAT(provider_.targets, ElementsAre("p/two"));
}

class ServiceTest : public RouteFlowTest {};

TEST_F(ServiceTest, PlansABatchOnOneTarget) {
  v1::PlanBatchRequest request;
  request.set_model("m");
  TestFlow<absl::StatusOr<v1::PlanBatchResponse>> flow(
      io_, service_->PlanBatch(call_, request));
  ASSERT_TRUE(flow.ended());
  EXPECT_EQ(flow.result()->planned_target(), "p/one");
  request.set_model("none");
  TestFlow<absl::StatusOr<v1::PlanBatchResponse>> unknown(
      io_, service_->PlanBatch(call_, request));
  EXPECT_EQ(ReasonOf(unknown.result().status()), reason::kModelNotFound);
}

TEST_F(ServiceTest, WatchersGetTheCatalogueAndStay) {
  KeepingSink<v1::Catalogue> sink;
  const v1::WatchCatalogueRequest request;
  TestFlow<absl::Status> flow(io_,
                              service_->WatchCatalogue(call_, request, sink));
  ASSERT_EQ(sink.messages.size(), 1u);
  EXPECT_EQ(sink.messages[0].models(0).name(), "large");
  EXPECT_EQ(sink.messages[0].version(), 1);
  // Each change has a number of its own.
  for (const int version : {2, 3}) {
    service_->Replace(PartsOf(ParseText<config::v1::Config>(kConfig)));
    clock_.Advance(absl::Seconds(1));
    flow.Poll();
    ASSERT_EQ(sink.messages.size(), static_cast<size_t>(version));
    EXPECT_EQ(sink.messages.back().version(), version);
  }
  EXPECT_FALSE(flow.ended());
  flow.Cancel();
  ASSERT_TRUE(flow.ended());
  EXPECT_TRUE(absl::IsCancelled(flow.result()));
}

}  // namespace
}  // namespace gateway::model_router
