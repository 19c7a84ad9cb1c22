#include "services/ingress/batch_source.h"

#include <absl/time/clock.h>

#include <utility>

#include "common/rpc/deadline.h"
#include "common/status/error.h"
#include "services/ingress/session_wish.h"

namespace gateway::ingress {

namespace batch_pb = batch_aggregator::v1;
using agent::v1::SubmitBatchRequest;

Awaitable<absl::Status> BatchSource::Open(const ApiKey& caller,
                                          common::v1::CallContext& context) {
  auto first = co_await ReadInTime();
  if (!first.ok()) co_return first.status();
  if (!first->has_value() || !(*first)->has_header()) {
    co_return MissingParameter("header").Build();
  }
  agent::v1::SubmitBatchHeader& given = *(**first).mutable_header();
  if (!given.user().empty()) {
    const absl::Status checked = CheckUser(given.user(), "header.user");
    if (!checked.ok()) co_return checked;
    context.mutable_account()->set_user(given.user());
  }
  header_.emplace();
  batch_pb::BatchHeader& header = *header_->mutable_header();
  *header.mutable_context() = context;
  header.mutable_idempotency_key()->swap(*given.mutable_idempotency_key());
  header.mutable_metadata()->swap(*given.mutable_metadata());
  for (const std::string& model : caller.models()) {
    header.add_allowed_models(model);
  }
  co_return absl::OkStatus();
}

Awaitable<absl::StatusOr<std::optional<batch_pb::SubmitBatchRequest>>>
BatchSource::Read() {
  if (header_) co_return std::exchange(header_, std::nullopt);
  auto request = co_await ReadInTime();
  if (!request.ok()) co_return request.status();
  if (!request->has_value()) co_return std::nullopt;
  SubmitBatchRequest& message = **request;
  if (!message.has_item()) {
    co_return static_cast<absl::Status>(
        InvalidParameter("item", "Only items follow a batch's header."));
  }
  batch_pb::SubmitBatchRequest out;
  out.mutable_item()->Swap(message.mutable_item());
  co_return std::move(out);
}

Awaitable<absl::StatusOr<std::optional<SubmitBatchRequest>>>
BatchSource::ReadInTime() {
  // Of the real clock, as the timer behind it.
  const absl::Time until = absl::Now() + idle_timeout_;
  auto read = source_.Read();
  auto request = co_await rpc::WithDeadline(until, std::move(read));
  if (absl::IsDeadlineExceeded(request.status())) {
    co_return MakeError(reason::kRequestTimeout,
                        "The next part of the batch did not come in time.")
        .Build();
  }
  co_return request;
}

}  // namespace gateway::ingress
