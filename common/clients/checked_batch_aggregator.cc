#include "common/clients/checked_batch_aggregator.h"

#include <utility>

namespace gateway {

using batch_aggregator::v1::Batch;
using batch_aggregator::v1::CancelBatchRequest;
using batch_aggregator::v1::GetBatchRequest;
using batch_aggregator::v1::ListBatchesRequest;
using batch_aggregator::v1::ListBatchesResponse;
using batch_aggregator::v1::StreamBatchResultsRequest;
using batch_aggregator::v1::StreamBatchResultsResponse;
using batch_aggregator::v1::SubmitBatchRequest;

namespace {

// Looks at the header on its way through.
class HeaderCheckingSource final : public rpc::Source<SubmitBatchRequest> {
 public:
  HeaderCheckingSource(const rpc::Call& call,
                       rpc::Source<SubmitBatchRequest>& source)
      : call_(call), source_(source) {}

  Awaitable<absl::StatusOr<std::optional<SubmitBatchRequest>>> Read() override {
    auto read = co_await source_.Read();
    if (!read.ok() || !read->has_value() || !(*read)->has_header())
      co_return read;
    absl::Status checked = CheckAccount(call_, (*read)->header().context());
    if (!checked.ok()) co_return checked;
    co_return read;
  }

 private:
  const rpc::Call& call_;
  rpc::Source<SubmitBatchRequest>& source_;
};

}  // namespace

Awaitable<absl::StatusOr<Batch>> CheckedBatchAggregator::SubmitBatch(
    rpc::Call& call, rpc::Source<SubmitBatchRequest>& source) {
  absl::Status checked = CheckDeadline(call);
  if (!checked.ok()) co_return checked;
  HeaderCheckingSource checking(call, source);
  co_return co_await entry_.Enter(call, inner_->SubmitBatch(call, checking));
}

Awaitable<absl::StatusOr<Batch>> CheckedBatchAggregator::GetBatch(
    rpc::Call& call, const GetBatchRequest& request) {
  absl::Status checked = CheckAccount(call, request.context());
  if (!checked.ok()) return Refuse<absl::StatusOr<Batch>>(std::move(checked));
  return entry_.Enter(call, inner_->GetBatch(call, request));
}

Awaitable<absl::StatusOr<ListBatchesResponse>>
CheckedBatchAggregator::ListBatches(rpc::Call& call,
                                    const ListBatchesRequest& request) {
  absl::Status checked = CheckAccount(call, request.context());
  if (!checked.ok())
    return Refuse<absl::StatusOr<ListBatchesResponse>>(std::move(checked));
  return entry_.Enter(call, inner_->ListBatches(call, request));
}

Awaitable<absl::StatusOr<Batch>> CheckedBatchAggregator::CancelBatch(
    rpc::Call& call, const CancelBatchRequest& request) {
  absl::Status checked = CheckAccount(call, request.context());
  if (!checked.ok()) return Refuse<absl::StatusOr<Batch>>(std::move(checked));
  return entry_.Enter(call, inner_->CancelBatch(call, request));
}

Awaitable<absl::Status> CheckedBatchAggregator::StreamBatchResults(
    rpc::Call& call, const StreamBatchResultsRequest& request,
    rpc::Sink<StreamBatchResultsResponse>& sink) {
  absl::Status checked = CheckAccount(call, request.context());
  if (!checked.ok()) return Refuse<absl::Status>(std::move(checked));
  return entry_.Enter(call, inner_->StreamBatchResults(call, request, sink));
}

}  // namespace gateway
