#ifndef GATEWAY_SERVICES_MODEL_ROUTER_STREAM_RELAY_H_
#define GATEWAY_SERVICES_MODEL_ROUTER_STREAM_RELAY_H_

#include <absl/status/status.h>

#include "common/rpc/call.h"
#include "gateway/model_router/v1/model_router.pb.h"
#include "services/model_router/model_provider.h"

namespace gateway::model_router {

// Hands the runs of one attempt to the caller. What comes before the first
// token is held back: as long as the caller has seen nothing, another target
// can still take over unnoticed.
class StreamRelay final : public AnswerSink {
 public:
  // `sink` outlives it. `started` goes out with the first run.
  StreamRelay(rpc::Sink<v1::RouteEvent>& sink, v1::Started started);

  Awaitable<absl::Status> Write(v1::RouteEvent run, bool token) override;

  // Before anything was handed on.
  void set_attempt(int32_t attempt) { started_.set_attempt(attempt); }

  // The caller has been handed something of this attempt.
  bool committed() const { return committed_; }

  // The stream's last event: `completed`, and what is left of the answer.
  Awaitable<absl::Status> WriteLast(v1::RouteEvent end);

 private:
  // More than this is not held back.
  static constexpr size_t kMaxHeldBytes = 64 << 10;

  Awaitable<absl::Status> Forward(v1::RouteEvent run);

  rpc::Sink<v1::RouteEvent>& sink_;
  v1::Started started_;
  v1::RouteEvent held_;
  bool committed_ = false;
};

}  // namespace gateway::model_router

#endif  // GATEWAY_SERVICES_MODEL_ROUTER_STREAM_RELAY_H_
