#include "tests/fakes/scripted_model_router.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_split.h>

#include <algorithm>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <chrono>
#include <utility>

#include "common/concurrency/spawn.h"
#include "common/status/error.h"

namespace gateway {
namespace {

using model_router::v1::Completed;
using model_router::v1::NewTurn;
using model_router::v1::RouteEvent;
using model_router::v1::RouteRequest;

Awaitable<void> Rest(std::chrono::milliseconds time) {
  const auto executor = co_await boost::asio::this_coro::executor;
  boost::asio::steady_timer timer(executor, time);
  co_await timer.async_wait(kAwait);
}

bool WantsStream(const RouteRequest& request) {
  return request.has_typed() ? request.typed().stream()
                             : request.encoded().stream();
}

chat::v1::Message TextMessage(chat::v1::Role role, absl::string_view text) {
  chat::v1::Message message;
  message.set_role(role);
  message.add_content()->mutable_text()->set_text(std::string(text));
  return message;
}

NewTurn TurnOf(const RouteRequest& request, absl::string_view text) {
  NewTurn turn;
  if (request.has_typed() && request.typed().chat().messages_size() > 0) {
    *turn.add_request_messages() = *request.typed().chat().messages().rbegin();
  } else {
    *turn.add_request_messages() = TextMessage(chat::v1::ROLE_USER, "question");
  }
  *turn.add_answer_messages() = TextMessage(chat::v1::ROLE_ASSISTANT, text);
  if (request.session().turns_size() > 0) {
    turn.set_parent_turn_id(request.session().turns().rbegin()->turn_id());
  }
  turn.set_answer_id("chatcmpl-1");
  turn.set_target("fake/fake-m");
  return turn;
}

void SetFrames(std::string data, model_router::v1::Frames& frames) {
  frames.set_data(std::move(data));
  frames.add_ends(static_cast<uint32_t>(frames.data().size()));
}

}  // namespace

ScriptedModelRouter::ScriptedModelRouter(std::vector<std::string> models)
    : script_(AnswerScript("hello")) {
  SetModels(std::move(models));
}

void ScriptedModelRouter::OnRoute(Script script) {
  std::lock_guard lock(mu_);
  script_ = std::move(script);
}

std::vector<RouteRequest> ScriptedModelRouter::requests() const {
  std::lock_guard lock(mu_);
  return requests_;
}

std::vector<absl::Time> ScriptedModelRouter::deadlines() const {
  std::lock_guard lock(mu_);
  return deadlines_;
}

int ScriptedModelRouter::running() const {
  std::lock_guard lock(mu_);
  return running_;
}

int ScriptedModelRouter::cancelled() const {
  std::lock_guard lock(mu_);
  return cancelled_;
}

void ScriptedModelRouter::SetModels(std::vector<std::string> models) {
  std::sort(models.begin(), models.end());
  std::lock_guard lock(mu_);
  catalogue_.clear_models();
  for (std::string& name : models) {
    auto& model = *catalogue_.add_models();
    model.set_name(std::move(name));
    model.set_owned_by("fake");
    model.set_created(1'790'000'000);
    model.set_context_tokens(8192);
  }
  catalogue_.set_version(catalogue_.version() + 1);
}

void ScriptedModelRouter::SetWatchable(bool watchable) {
  std::lock_guard lock(mu_);
  watchable_ = watchable;
}

int ScriptedModelRouter::watches() const {
  std::lock_guard lock(mu_);
  return watches_;
}

Awaitable<absl::Status> ScriptedModelRouter::Route(
    rpc::Call& call, const RouteRequest& request, rpc::Sink<RouteEvent>& sink) {
  Script script;
  {
    std::lock_guard lock(mu_);
    requests_.push_back(request);
    deadlines_.push_back(call.deadline);
    ++running_;
    script = script_;
  }
  absl::Status status = co_await script(request, sink);
  const bool cancelled = co_await IsCancelled();
  std::lock_guard lock(mu_);
  --running_;
  if (cancelled) ++cancelled_;
  co_return status;
}

Awaitable<absl::Status> ScriptedModelRouter::WatchCatalogue(
    rpc::Call&, const model_router::v1::WatchCatalogueRequest&,
    rpc::Sink<model_router::v1::Catalogue>& sink) {
  {
    std::lock_guard lock(mu_);
    ++watches_;
  }
  int64_t seen = 0;
  while (true) {
    const bool cancelled = co_await IsCancelled();
    if (cancelled) co_return absl::CancelledError();
    model_router::v1::Catalogue catalogue;
    {
      std::lock_guard lock(mu_);
      if (!watchable_) co_return absl::UnavailableError("scripted");
      catalogue = catalogue_;
    }
    if (catalogue.version() != seen) {
      seen = catalogue.version();
      const absl::Status written = co_await sink.Write(std::move(catalogue));
      if (!written.ok()) co_return written;
    }
    co_await Rest(std::chrono::milliseconds(1));
  }
}

Awaitable<absl::StatusOr<model_router::v1::PlanBatchResponse>>
ScriptedModelRouter::PlanBatch(rpc::Call&,
                               const model_router::v1::PlanBatchRequest&) {
  co_return absl::UnimplementedError("scripted");
}

RouteEvent StartedEvent() {
  RouteEvent event;
  event.mutable_started()->set_provider("fake");
  event.mutable_started()->set_provider_model("fake-m");
  event.mutable_started()->set_attempt(1);
  return event;
}

std::string ChunkFrame(absl::string_view text) {
  return absl::StrCat(
      R"(data: {"id":"chatcmpl-1","object":"chat.completion.chunk",)"
      R"("created":1,"model":"fake-m","choices":[{"index":0,"delta":)"
      R"({"content":")",
      text, R"("},"finish_reason":null}]})", "\n\n");
}

std::string AnswerBody(absl::string_view text) {
  return absl::StrCat(
      R"({"id":"chatcmpl-1","object":"chat.completion","created":1,)"
      R"("model":"fake-m","choices":[{"index":0,"message":)"
      R"({"role":"assistant","content":")",
      text,
      R"("},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,)"
      R"("completion_tokens":2,"total_tokens":5}})");
}

RouteEvent RunEvent(const RouteRequest& request, absl::string_view text) {
  RouteEvent event;
  if (request.has_typed()) {
    event.mutable_deltas()->add_deltas()->set_text(std::string(text));
  } else {
    SetFrames(ChunkFrame(text), *event.mutable_frames());
  }
  return event;
}

RouteEvent EndEvent(const RouteRequest& request, absl::string_view text) {
  RouteEvent event;
  Completed& completed = *event.mutable_completed();
  completed.mutable_usage()->set_uncached_input_tokens(3);
  completed.mutable_usage()->set_output_tokens(2);
  completed.mutable_usage()->set_source(chat::v1::USAGE_SOURCE_PROVIDER);
  completed.mutable_cost()->set_pico_usd(7);
  completed.mutable_cost()->set_priced(true);
  completed.set_finish_reason(chat::v1::FINISH_REASON_STOP);
  completed.set_answer_id("chatcmpl-1");
  completed.set_answer_model("fake-m");
  if (request.want_turn()) *completed.mutable_turn() = TurnOf(request, text);
  if (WantsStream(request)) {
    if (request.has_encoded()) {
      SetFrames(kDoneFrame, *completed.mutable_last_frames());
    }
  } else if (request.has_encoded()) {
    event.mutable_answer()->set_encoded(AnswerBody(text));
  } else {
    auto& typed = *event.mutable_answer()->mutable_typed();
    typed.set_id("chatcmpl-1");
    typed.set_model("fake-m");
    auto& choice = *typed.add_choices();
    *choice.mutable_message() = TextMessage(chat::v1::ROLE_ASSISTANT, text);
    choice.set_finish_reason(chat::v1::FINISH_REASON_STOP);
  }
  return event;
}

RouteEvent FailedEvent(const absl::Status& error) {
  RouteEvent event;
  auto& failed = *event.mutable_failed();
  failed.set_code(static_cast<int>(error.code()));
  failed.set_message(std::string(error.message()));
  if (const auto detail = DetailOf(error)) {
    *failed.mutable_detail() = *detail;
  }
  return event;
}

ScriptedModelRouter::Script AnswerScript(std::string text) {
  return [text](const RouteRequest& request,
                rpc::Sink<RouteEvent>& sink) -> Awaitable<absl::Status> {
    std::string whole = text;
    if (WantsStream(request)) {
      co_await sink.Write(StartedEvent());
      for (const absl::string_view word : absl::StrSplit(whole, ' ')) {
        const absl::Status written =
            co_await sink.Write(RunEvent(request, word));
        if (!written.ok()) co_return written;
      }
      co_return co_await sink.Write(EndEvent(request, whole));
    }
    RouteEvent event = EndEvent(request, whole);
    *event.mutable_started() = StartedEvent().started();
    co_return co_await sink.Write(std::move(event));
  };
}

ScriptedModelRouter::Script FailScript(absl::Status error) {
  return [error](const RouteRequest&,
                 rpc::Sink<RouteEvent>& sink) -> Awaitable<absl::Status> {
    co_return co_await sink.Write(FailedEvent(error));
  };
}

ScriptedModelRouter::Script BreakScript(absl::Status error) {
  return [error](const RouteRequest& request,
                 rpc::Sink<RouteEvent>& sink) -> Awaitable<absl::Status> {
    RouteEvent failed = FailedEvent(error);
    co_await sink.Write(StartedEvent());
    co_await sink.Write(RunEvent(request, "part"));
    co_return co_await sink.Write(std::move(failed));
  };
}

ScriptedModelRouter::Script MeshFailScript(absl::Status error) {
  return [error](const RouteRequest&,
                 rpc::Sink<RouteEvent>&) -> Awaitable<absl::Status> {
    co_return error;
  };
}

ScriptedModelRouter::Script HangScript() {
  return [](const RouteRequest& request,
            rpc::Sink<RouteEvent>& sink) -> Awaitable<absl::Status> {
    co_await sink.Write(StartedEvent());
    if (WantsStream(request)) co_await sink.Write(RunEvent(request, "part"));
    while (true) {
      const bool cancelled = co_await IsCancelled();
      if (cancelled) co_return absl::CancelledError();
      co_await Rest(std::chrono::hours(1));
    }
  };
}

}  // namespace gateway
