#include "services/model_router/stream_relay.h"

#include <utility>

#include "services/model_router/frames.h"

namespace gateway::model_router {

StreamRelay::StreamRelay(rpc::Sink<v1::RouteEvent>& sink, v1::Started started)
    : sink_(sink), started_(std::move(started)) {}

Awaitable<absl::Status> StreamRelay::Write(v1::RouteEvent run, bool token) {
  if (!committed_ && !token &&
      RunBytes(held_) + RunBytes(run) <= kMaxHeldBytes) {
    PrependRun(std::move(held_), run);
    held_ = std::move(run);
    co_return absl::OkStatus();
  }
  co_return co_await Forward(std::move(run));
}

Awaitable<absl::Status> StreamRelay::WriteLast(v1::RouteEvent end) {
  return Forward(std::move(end));
}

Awaitable<absl::Status> StreamRelay::Forward(v1::RouteEvent run) {
  if (!committed_) {
    committed_ = true;
    *run.mutable_started() = std::move(started_);
    PrependRun(std::move(held_), run);
  }
  return sink_.Write(std::move(run));
}

}  // namespace gateway::model_router
