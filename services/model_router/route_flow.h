#ifndef GATEWAY_SERVICES_MODEL_ROUTER_ROUTE_FLOW_H_
#define GATEWAY_SERVICES_MODEL_ROUTER_ROUTE_FLOW_H_

#include <absl/status/status.h>

#include <cstdint>
#include <optional>

#include "common/dialect/openai_chat/envelope.h"
#include "common/rpc/call.h"
#include "gateway/model_router/v1/model_router.pb.h"
#include "services/model_router/conversation.h"
#include "services/model_router/model_provider.h"
#include "services/model_router/stream_relay.h"
#include "services/model_router/target_choice.h"
#include "services/model_router/usage_spool.h"

namespace gateway::model_router {

struct RouterParts;

// One call of Route, from the check of the request to its terminal event: asks
// the targets in order until one answers or has shown the caller something,
// with a usage row opened before each attempt and closed before the call ends.
// Lives in the call's frame.
class RouteFlow {
 public:
  RouteFlow(const RouterParts& parts, rpc::Call& call,
            const v1::RouteRequest& request, rpc::Sink<v1::RouteEvent>& sink);

  // OK: the terminal event has been written. CANCELLED: nobody reads.
  Awaitable<absl::Status> Run();

 private:
  // The request makes sense, and `model_` and what else is asked of it is set.
  absl::Status Check();
  absl::Status CheckEncoded();
  absl::Status CheckTyped();
  absl::Status ReadConversation();

  // Whether `next` may do better than the target that failed last.
  bool MayHelp(const Target& next) const;

  // Asks one target. OK: done, the last event is written. Else `sent_` says
  // whether it was asked at all, `committed_` whether the caller has seen a
  // part of an answer.
  Awaitable<absl::Status> Attempt(const Target& target, bool another_left);
  Awaitable<absl::Status> Complete(const Target& target,
                                   const AttemptLimits& limits,
                                   StreamRelay& relay);
  Awaitable<absl::Status> Fail(const absl::Status& error);
  // Of all attempts.
  v1::Cost TotalCost() const;

  absl::Status OpenRow(const Target& target, absl::Time now);
  // The request goes out to the target: the first time, or once more since
  // `before` came of it. Each is an attempt with a row of its own.
  absl::Status BeginSending(const Target& target, const absl::Status& before,
                            const AttemptLimits& limits, StreamRelay& relay);
  // Books what the attempt came to.
  void CloseRow(const Target& target, const absl::Status& status,
                const AttemptLimits& limits);

  const RouterParts& parts_;
  rpc::Call& call_;
  const v1::RouteRequest& request_;
  rpc::Sink<v1::RouteEvent>& sink_;

  const Model* model_ = nullptr;
  TargetList targets_;
  std::optional<dialect::openai_chat::Envelope> envelope_;
  // Of an encoded request with a session.
  Messages decoded_messages_;
  std::optional<Conversation> conversation_;
  bool stream_ = false;
  // 0: the request names no bound.
  int64_t asked_output_tokens_ = 0;
  int64_t prompt_estimate_ = 0;

  // Of the current attempt.
  Answer answer_;
  UsageRow row_;
  UsageSpool::Ticket ticket_;
  bool row_open_ = false;
  bool sent_ = false;
  absl::Time began_;
  bool committed_ = false;

  // Of the last target that was asked and failed, and what to tell the caller.
  const Target* failed_ = nullptr;
  absl::Status failure_;
  OtherTarget other_target_ = OtherTarget::kYes;

  // Of all attempts.
  int32_t attempts_ = 0;
  chat::v1::Usage total_usage_;
  v1::Cost total_cost_;
  v1::Receipt receipt_;
};

}  // namespace gateway::model_router

#endif  // GATEWAY_SERVICES_MODEL_ROUTER_ROUTE_FLOW_H_
