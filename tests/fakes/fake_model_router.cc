#include "tests/fakes/fake_model_router.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>

#include <algorithm>
#include <boost/asio/this_coro.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <utility>

#include "common/status/error.h"
#include "common/time/clock.h"

namespace gateway {

using model_router::v1::Catalogue;
using model_router::v1::Completed;
using model_router::v1::PlanBatchRequest;
using model_router::v1::PlanBatchResponse;
using model_router::v1::RouteEvent;
using model_router::v1::RouteRequest;
using model_router::v1::WatchCatalogueRequest;

namespace {

constexpr char kAnswerId[] = "chatcmpl-fake";

boost::json::object Chunk(const std::string& model) {
  return {{"id", kAnswerId},
          {"object", "chat.completion.chunk"},
          {"created", 1790000000},
          {"model", model}};
}

std::string Framed(const boost::json::object& object, const RouteRequest& to) {
  const std::string json = boost::json::serialize(object);
  if (to.encoded().framing() == model_router::v1::FRAMING_JSON) return json;
  return absl::StrCat("data: ", json, "\n\n");
}

void AddFrame(const std::string& frame, model_router::v1::Frames* frames) {
  frames->mutable_data()->append(frame);
  frames->add_ends(frames->data().size());
}

std::string PieceFrame(const RouteRequest& request, const std::string& piece) {
  boost::json::object chunk = Chunk(request.model());
  chunk["choices"] = {{{"index", 0},
                       {"delta", {{"content", piece}}},
                       {"finish_reason", nullptr}}};
  return Framed(chunk, request);
}

void AddLastFrames(const RouteRequest& request, int64_t tokens,
                   model_router::v1::Frames* frames) {
  boost::json::object chunk = Chunk(request.model());
  chunk["choices"] = {{{"index", 0},
                       {"delta", boost::json::object()},
                       {"finish_reason", "stop"}}};
  AddFrame(Framed(chunk, request), frames);
  if (request.encoded().include_usage()) {
    chunk["choices"] = boost::json::array();
    chunk["usage"] = {{"prompt_tokens", 1},
                      {"completion_tokens", tokens},
                      {"total_tokens", tokens + 1}};
    AddFrame(Framed(chunk, request), frames);
  }
  if (request.encoded().framing() != model_router::v1::FRAMING_JSON) {
    AddFrame("data: [DONE]\n\n", frames);
  }
}

std::string WholeBody(const RouteRequest& request, const std::string& text,
                      int64_t tokens) {
  boost::json::object body = Chunk(request.model());
  body["object"] = "chat.completion";
  body["choices"] = {{{"index", 0},
                      {"message", {{"role", "assistant"}, {"content", text}}},
                      {"finish_reason", "stop"}}};
  body["usage"] = {{"prompt_tokens", 1},
                   {"completion_tokens", tokens},
                   {"total_tokens", tokens + 1}};
  return boost::json::serialize(body);
}

chat::v1::Message AssistantMessage(const std::string& text) {
  chat::v1::Message message;
  message.set_role(chat::v1::ROLE_ASSISTANT);
  message.add_content()->mutable_text()->set_text(text);
  return message;
}

void FillCompleted(const RouteRequest& request, const FakeAnswer& answer,
                   Completed* completed) {
  const int64_t tokens = answer.pieces.size();
  completed->mutable_usage()->set_uncached_input_tokens(1);
  completed->mutable_usage()->set_output_tokens(tokens);
  completed->set_finish_reason(chat::v1::FINISH_REASON_STOP);
  completed->set_answer_id(kAnswerId);
  completed->set_answer_model(request.model());
  auto* step = completed->mutable_receipt()->add_steps();
  step->set_target(absl::StrCat("fake/", request.model()));
  step->set_outcome("answered");
  if (!request.want_turn()) return;
  auto* turn = completed->mutable_turn();
  if (request.session().turns_size() > 0) {
    turn->set_parent_turn_id(request.session().turns().rbegin()->turn_id());
  }
  for (const chat::v1::Message& message : request.typed().chat().messages()) {
    *turn->add_request_messages() = message;
  }
  *turn->add_answer_messages() =
      AssistantMessage(absl::StrJoin(answer.pieces, ""));
  turn->set_token_count(tokens + 1);
  turn->set_answer_id(kAnswerId);
  turn->set_target(absl::StrCat("fake/", request.model()));
}

}  // namespace

// Waits for the catalogue to change.
class FakeModelRouter::Watcher final : public rpc::Wakeup {
 public:
  using Wakeup::Wakeup;
};

void FakeModelRouter::SetAnswer(const std::string& model, FakeAnswer answer) {
  Catalogue catalogue;
  {
    MutexLock lock(mu_);
    answers_[model] = std::move(answer);
    for (const auto& known : catalogue_.models()) {
      if (known.name() == model) return;
    }
    catalogue = catalogue_;
  }
  auto* row = catalogue.add_models();
  row->set_name(model);
  row->set_owned_by("fake");
  row->set_created(1790000000);
  std::sort(catalogue.mutable_models()->begin(),
            catalogue.mutable_models()->end(),
            [](const auto& a, const auto& b) { return a.name() < b.name(); });
  SetCatalogue(std::move(catalogue));
}

void FakeModelRouter::SetCatalogue(Catalogue catalogue) {
  MutexLock lock(mu_);
  catalogue.set_version(catalogue_.version() + 1);
  catalogue_ = std::move(catalogue);
  for (Watcher* watcher : watchers_) watcher->Wake();
}

std::vector<RouteRequest> FakeModelRouter::requests() const {
  MutexLock lock(mu_);
  return requests_;
}

std::vector<PlanBatchRequest> FakeModelRouter::plans() const {
  MutexLock lock(mu_);
  return plans_;
}

int FakeModelRouter::active() const {
  MutexLock lock(mu_);
  return active_;
}

int FakeModelRouter::cancelled() const {
  MutexLock lock(mu_);
  return cancelled_;
}

int64_t FakeModelRouter::bytes_written() const {
  MutexLock lock(mu_);
  return bytes_written_;
}

void FakeModelRouter::Begin() {
  MutexLock lock(mu_);
  ++active_;
}

void FakeModelRouter::End(const absl::Status& status) {
  MutexLock lock(mu_);
  --active_;
  if (absl::IsCancelled(status)) ++cancelled_;
}

Awaitable<absl::Status> FakeModelRouter::Route(rpc::Call& call,
                                               const RouteRequest& request,
                                               rpc::Sink<RouteEvent>& sink) {
  std::optional<FakeAnswer> answer;
  {
    MutexLock lock(mu_);
    requests_.push_back(request);
    const auto found = answers_.find(request.model());
    if (found != answers_.end()) answer = found->second;
  }
  if (!answer) {
    answer = FakeAnswer{.pieces = {}, .failed = ModelNotFound(request.model())};
  }
  if (!answer->broken.ok()) co_return answer->broken;
  Begin();
  absl::Status status = co_await Answer(request, *std::move(answer), sink);
  End(status);
  co_return status;
}

Awaitable<absl::Status> FakeModelRouter::Answer(const RouteRequest& request,
                                                FakeAnswer answer,
                                                rpc::Sink<RouteEvent>& sink) {
  const bool typed = request.has_typed();
  const bool stream =
      typed ? request.typed().stream() : request.encoded().stream();
  RouteEvent event;
  event.mutable_started()->set_provider("fake");
  event.mutable_started()->set_provider_model(request.model());
  event.mutable_started()->set_attempt(1);
  for (const std::string& piece : answer.pieces) {
    if (answer.pace > absl::ZeroDuration()) {
      const bool slept = co_await RealClock()->SleepFor(answer.pace);
      if (!slept) co_return ClientClosed().Build();
    }
    if (!stream) continue;
    if (typed) {
      event.mutable_deltas()->add_deltas()->set_text(piece);
    } else {
      AddFrame(PieceFrame(request, piece), event.mutable_frames());
    }
    absl::Status sent = co_await Send(std::move(event), sink);
    if (!sent.ok()) co_return sent;
    event.Clear();
  }
  if (answer.hang) {
    co_await RealClock()->SleepUntil(absl::InfiniteFuture());
    co_return ClientClosed().Build();
  }
  if (!answer.failed.ok()) {
    event.clear_started();
    event.mutable_failed()->set_code(static_cast<int>(answer.failed.code()));
    event.mutable_failed()->set_message(std::string(answer.failed.message()));
    *event.mutable_failed()->mutable_detail() = DetailOrDefault(answer.failed);
    co_return co_await Send(std::move(event), sink);
  }
  const std::string text = absl::StrJoin(answer.pieces, "");
  const int64_t tokens = answer.pieces.size();
  FillCompleted(request, answer, event.mutable_completed());
  if (!stream && typed) {
    auto* whole = event.mutable_answer()->mutable_typed();
    whole->set_id(kAnswerId);
    whole->set_model(request.model());
    *whole->add_choices()->mutable_message() = AssistantMessage(text);
    whole->mutable_choices(0)->set_finish_reason(chat::v1::FINISH_REASON_STOP);
    *whole->mutable_usage() = event.completed().usage();
  } else if (!stream) {
    event.mutable_answer()->set_encoded(WholeBody(request, text, tokens));
  } else if (typed) {
    auto* delta = event.mutable_deltas()->add_deltas();
    delta->set_finish_reason(chat::v1::FINISH_REASON_STOP);
  } else {
    AddLastFrames(request, tokens,
                  event.mutable_completed()->mutable_last_frames());
  }
  co_return co_await Send(std::move(event), sink);
}

Awaitable<absl::Status> FakeModelRouter::Send(RouteEvent event,
                                              rpc::Sink<RouteEvent>& sink) {
  const int64_t bytes = event.ByteSizeLong();
  absl::Status written = co_await sink.Write(std::move(event));
  if (written.ok()) {
    MutexLock lock(mu_);
    bytes_written_ += bytes;
  }
  co_return written;
}

Awaitable<absl::Status> FakeModelRouter::WatchCatalogue(
    rpc::Call& call, const WatchCatalogueRequest& request,
    rpc::Sink<Catalogue>& sink) {
  Begin();
  const boost::intrusive_ptr<Watcher> watcher(
      new Watcher(co_await boost::asio::this_coro::executor));
  {
    MutexLock lock(mu_);
    watchers_.push_back(watcher.get());
  }
  int64_t seen = -1;
  absl::Status status;
  while (status.ok()) {
    Catalogue catalogue;
    {
      MutexLock lock(mu_);
      catalogue = catalogue_;
    }
    const auto flow = co_await boost::asio::this_coro::cancellation_state;
    if (rpc::FlowCancelled(flow)) {
      status = ClientClosed();
    } else if (catalogue.version() == seen) {
      co_await watcher->Wait();
    } else {
      seen = catalogue.version();
      status = co_await sink.Write(std::move(catalogue));
    }
  }
  {
    MutexLock lock(mu_);
    std::erase(watchers_, watcher.get());
  }
  End(status);
  co_return status;
}

Awaitable<absl::StatusOr<PlanBatchResponse>> FakeModelRouter::PlanBatch(
    rpc::Call& call, const PlanBatchRequest& request) {
  MutexLock lock(mu_);
  plans_.push_back(request);
  if (!answers_.contains(request.model())) {
    co_return ModelNotFound(request.model()).Build();
  }
  PlanBatchResponse response;
  response.set_planned_target(absl::StrCat("fake/", request.model()));
  co_return response;
}

}  // namespace gateway
