#include "services/batch_aggregator/item_sender.h"

#include <utility>

#include "common/clients/request_id.h"
#include "common/concurrency/spawn.h"
#include "common/status/error.h"
#include "services/batch_aggregator/batch_tally.h"

namespace gateway::batch_aggregator {
namespace {

using model_router::v1::RouteEvent;
using model_router::v1::RouteRequest;

// Keeps the answer and how it ended.
class WholeAnswerSink final : public rpc::Sink<RouteEvent> {
 public:
  Awaitable<absl::Status> Write(RouteEvent event) override {
    if (event.has_answer()) answer = std::move(*event.mutable_answer());
    if (event.has_completed()) {
      completed = std::move(*event.mutable_completed());
    }
    if (event.has_failed()) failed = std::move(*event.mutable_failed());
    co_return absl::OkStatus();
  }

  std::optional<model_router::v1::WholeAnswer> answer;
  std::optional<model_router::v1::Completed> completed;
  std::optional<model_router::v1::Failed> failed;
};

absl::Status ErrorOf(const model_router::v1::Failed& failed) {
  const auto code = failed.code() == 0
                        ? absl::StatusCode::kUnknown
                        : static_cast<absl::StatusCode>(failed.code());
  absl::Status error(code, failed.message());
  return failed.has_detail() ? WithDetail(std::move(error), failed.detail())
                             : error;
}

// The error that the call ended in; OK if there is an answer.
absl::Status ErrorOf(const absl::Status& called, const WholeAnswerSink& sink) {
  if (sink.failed.has_value()) return ErrorOf(*sink.failed);
  if (!called.ok()) return called;
  if (!sink.completed.has_value() || !sink.answer.has_value()) {
    return MakeError(reason::kUnavailable,
                     "the answer ended before it was complete");
  }
  return absl::OkStatus();
}

}  // namespace

Awaitable<ItemSender::Sent> ItemSender::Send(const common::v1::Account& account,
                                             const std::string& model,
                                             const std::string& planned_target,
                                             const stored::v1::Item& item,
                                             absl::Time deadline) {
  RouteRequest request;
  request.mutable_context()->set_request_id(NewRequestId());
  *request.mutable_context()->mutable_account() = account;
  request.mutable_context()->set_priority(common::v1::PRIORITY_BATCH);
  request.set_model(model);
  request.set_planned_target(planned_target);
  if (item.item().has_typed()) {
    *request.mutable_typed()->mutable_chat() = item.item().typed();
  } else {
    *request.mutable_encoded() = item.item().encoded();
  }

  rpc::Call call{.deadline = deadline};
  WholeAnswerSink sink;
  absl::Status called;
  if (!item.item().session_id().empty()) {
    called = co_await AddSession(call, item, request);
  }
  if (called.ok()) called = co_await router_->Route(call, request, sink);

  Sent sent;
  sent.error = ErrorOf(called, sink);
  const bool cancelled = co_await IsCancelled();
  if (absl::IsCancelled(sent.error) && !cancelled) {
    sent.error = MakeError(reason::kUnavailable, "the call was broken off");
  }
  if (sent.error.ok()) {
    *sent.result.mutable_answer() = std::move(*sink.answer);
    *sent.result.mutable_usage() = sink.completed->usage();
    *sent.result.mutable_cost() = sink.completed->cost();
  } else {
    sent.result = FailedResult("", sent.error);
    if (sink.failed.has_value() && sink.failed->has_usage()) {
      *sent.result.mutable_usage() = sink.failed->usage();
      *sent.result.mutable_cost() = sink.failed->cost();
    }
  }
  sent.result.set_custom_id(item.item().custom_id());
  sent.result.set_request_id(request.context().request_id());
  co_return sent;
}

Awaitable<absl::Status> ItemSender::AddSession(rpc::Call& call,
                                               const stored::v1::Item& item,
                                               RouteRequest& request) {
  session_store::v1::ReadContextRequest read;
  *read.mutable_context() = request.context();
  read.set_session_id(item.item().session_id());
  auto context = co_await sessions_->ReadContext(call, read);
  if (!context.ok()) co_return context.status();
  auto* session = request.mutable_session();
  session->set_mode(item.whole_history() ? model_router::v1::SESSION_MODE_FULL
                                         : model_router::v1::SESSION_MODE_NEW);
  session->mutable_turns()->Swap(context->mutable_turns());
  session->set_system_text(context->system_text());
  session->set_last_target(context->last_target());
  co_return absl::OkStatus();
}

}  // namespace gateway::batch_aggregator
