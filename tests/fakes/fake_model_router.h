#ifndef GATEWAY_TESTS_FAKES_FAKE_MODEL_ROUTER_H_
#define GATEWAY_TESTS_FAKES_FAKE_MODEL_ROUTER_H_

#include <absl/status/status.h>
#include <absl/time/time.h>

#include <boost/intrusive_ptr.hpp>
#include <map>
#include <string>
#include <vector>

#include "common/clients/model_router.h"
#include "common/concurrency/mutex.h"
#include "common/rpc/wakeup.h"

namespace gateway {

// How FakeModelRouter answers calls for one model.
struct FakeAnswer {
  // The text, piece by piece: one event each in a stream.
  std::vector<std::string> pieces = {"Hel", "lo"};
  // Between two pieces, and before the first.
  absl::Duration pace = absl::ZeroDuration();
  // After the pieces, wait until the call is cancelled.
  bool hang = false;
  // After the pieces, end with a `failed` event.
  absl::Status failed = absl::OkStatus();
  // At once: the call's own status, as if the mesh had failed.
  absl::Status broken = absl::OkStatus();
};

// A model-router whose models answer what a test told them, in the caller's
// form: typed deltas, frames of the openai_chat dialect, or whole answers.
// Models without an answer fail with `model_not_found`. Usage counts each piece
// as one token. Thread-safe.
class FakeModelRouter final : public ModelRouter {
 public:
  // Adds the model to the catalogue too.
  void SetAnswer(const std::string& model, FakeAnswer answer);

  // Pushed to all watchers.
  void SetCatalogue(model_router::v1::Catalogue catalogue);

  // In the order in which they came.
  std::vector<model_router::v1::RouteRequest> requests() const;
  std::vector<model_router::v1::PlanBatchRequest> plans() const;
  // Route and WatchCatalogue calls that run now.
  int active() const;
  // Route and WatchCatalogue calls that ended because they were cancelled.
  int cancelled() const;
  // Bytes of events that the sinks have taken.
  int64_t bytes_written() const;

  Awaitable<absl::Status> Route(
      rpc::Call& call, const model_router::v1::RouteRequest& request,
      rpc::Sink<model_router::v1::RouteEvent>& sink) override;
  Awaitable<absl::Status> WatchCatalogue(
      rpc::Call& call, const model_router::v1::WatchCatalogueRequest& request,
      rpc::Sink<model_router::v1::Catalogue>& sink) override;
  Awaitable<absl::StatusOr<model_router::v1::PlanBatchResponse>> PlanBatch(
      rpc::Call& call,
      const model_router::v1::PlanBatchRequest& request) override;

 private:
  class Watcher;

  Awaitable<absl::Status> Answer(const model_router::v1::RouteRequest& request,
                                 FakeAnswer answer,
                                 rpc::Sink<model_router::v1::RouteEvent>& sink);
  Awaitable<absl::Status> Send(model_router::v1::RouteEvent event,
                               rpc::Sink<model_router::v1::RouteEvent>& sink);
  void Begin();
  void End(const absl::Status& status);

  mutable Mutex mu_;
  std::map<std::string, FakeAnswer> answers_ ABSL_GUARDED_BY(mu_);
  model_router::v1::Catalogue catalogue_ ABSL_GUARDED_BY(mu_);
  std::vector<Watcher*> watchers_ ABSL_GUARDED_BY(mu_);
  std::vector<model_router::v1::RouteRequest> requests_ ABSL_GUARDED_BY(mu_);
  std::vector<model_router::v1::PlanBatchRequest> plans_ ABSL_GUARDED_BY(mu_);
  int active_ ABSL_GUARDED_BY(mu_) = 0;
  int cancelled_ ABSL_GUARDED_BY(mu_) = 0;
  int64_t bytes_written_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace gateway

#endif  // GATEWAY_TESTS_FAKES_FAKE_MODEL_ROUTER_H_
