#ifndef GATEWAY_TESTS_FAKES_SCRIPTED_MODEL_ROUTER_H_
#define GATEWAY_TESTS_FAKES_SCRIPTED_MODEL_ROUTER_H_

#include <absl/status/status.h>
#include <absl/strings/string_view.h>

#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "common/clients/model_router.h"

namespace gateway {

// A model-router that does what a test wrote. Thread-safe.
class ScriptedModelRouter final : public ModelRouter {
 public:
  using RouteRequest = model_router::v1::RouteRequest;
  using RouteEvent = model_router::v1::RouteEvent;
  using Script = std::function<Awaitable<absl::Status>(const RouteRequest&,
                                                       rpc::Sink<RouteEvent>&)>;

  explicit ScriptedModelRouter(std::vector<std::string> models = {"m"});

  // For the calls that begin from now on. At first: AnswerScript("hello").
  void OnRoute(Script script);

  // What Route was asked, in order.
  std::vector<RouteRequest> requests() const;
  std::vector<absl::Time> deadlines() const;
  // Calls of Route that run now.
  int running() const;
  // Calls of Route that were cancelled.
  int cancelled() const;

  // Watchers see the new catalogue.
  void SetModels(std::vector<std::string> models);
  // Watches end, and fail until told otherwise.
  void SetWatchable(bool watchable);
  int watches() const;

  Awaitable<absl::Status> Route(rpc::Call& call, const RouteRequest& request,
                                rpc::Sink<RouteEvent>& sink) override;
  Awaitable<absl::Status> WatchCatalogue(
      rpc::Call& call, const model_router::v1::WatchCatalogueRequest& request,
      rpc::Sink<model_router::v1::Catalogue>& sink) override;
  Awaitable<absl::StatusOr<model_router::v1::PlanBatchResponse>> PlanBatch(
      rpc::Call& call,
      const model_router::v1::PlanBatchRequest& request) override;

 private:
  mutable std::mutex mu_;
  Script script_;
  std::vector<RouteRequest> requests_;
  std::vector<absl::Time> deadlines_;
  model_router::v1::Catalogue catalogue_;
  int running_ = 0;
  int cancelled_ = 0;
  bool watchable_ = true;
  int watches_ = 0;
};

// A good answer, in the form and manner that the request asks for. A stream is
// `started`, one run for each word of `text`, and the end.
ScriptedModelRouter::Script AnswerScript(std::string text);
// `failed`, at once.
ScriptedModelRouter::Script FailScript(absl::Status error);
// `started` and a run, then `failed`.
ScriptedModelRouter::Script BreakScript(absl::Status error);
// No event at all: the mesh failed.
ScriptedModelRouter::Script MeshFailScript(absl::Status error);
// `started` and, of a stream, a run; then nothing until it is cancelled.
ScriptedModelRouter::Script HangScript();

// The pieces that they are made of.
model_router::v1::RouteEvent StartedEvent();
model_router::v1::RouteEvent RunEvent(
    const model_router::v1::RouteRequest& request, absl::string_view text);
// The end of a stream, or the whole answer.
model_router::v1::RouteEvent EndEvent(
    const model_router::v1::RouteRequest& request, absl::string_view text);
model_router::v1::RouteEvent FailedEvent(const absl::Status& error);
// One server-sent event with `text` as content.
std::string ChunkFrame(absl::string_view text);
inline constexpr char kDoneFrame[] = "data: [DONE]\n\n";
// A body of OpenAI's chat completion.
std::string AnswerBody(absl::string_view text);

}  // namespace gateway

#endif  // GATEWAY_TESTS_FAKES_SCRIPTED_MODEL_ROUTER_H_
