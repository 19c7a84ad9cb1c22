#include "tests/fakes/fake_batch_aggregator.h"

#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>

#include <boost/asio/this_coro.hpp>
#include <boost/intrusive_ptr.hpp>
#include <utility>

#include "common/status/error.h"

namespace gateway {

using namespace batch_aggregator::v1;  // NOLINT: its messages, all of them

class FakeBatchAggregator::Follower final : public rpc::Wakeup {
 public:
  using Wakeup::Wakeup;
};

void FakeBatchAggregator::Answer(const std::string& batch_id,
                                 const std::string& custom_id,
                                 const std::string& text) {
  ItemResult result;
  result.set_custom_id(custom_id);
  auto* choice = result.mutable_answer()->mutable_typed()->add_choices();
  choice->mutable_message()->set_role(chat::v1::ROLE_ASSISTANT);
  choice->mutable_message()->add_content()->mutable_text()->set_text(text);
  choice->set_finish_reason(chat::v1::FINISH_REASON_STOP);
  result.mutable_usage()->set_output_tokens(1);
  MutexLock lock(mu_);
  AddResult(batch_id, std::move(result));
}

void FakeBatchAggregator::Fail(const std::string& batch_id,
                               const std::string& custom_id,
                               const absl::Status& error) {
  ItemResult result;
  result.set_custom_id(custom_id);
  result.mutable_error()->set_code(static_cast<int>(error.code()));
  result.mutable_error()->set_message(std::string(error.message()));
  *result.mutable_error()->mutable_detail() = DetailOrDefault(error);
  MutexLock lock(mu_);
  AddResult(batch_id, std::move(result));
}

void FakeBatchAggregator::AddResult(const std::string& batch_id,
                                    ItemResult result) {
  StoredBatch& stored = batches_.at(batch_id);
  Batch& batch = stored.batch;
  if (result.has_answer()) {
    batch.set_succeeded_items(batch.succeeded_items() + 1);
  } else if (result.error().code() ==
             static_cast<int>(absl::StatusCode::kCancelled)) {
    batch.set_cancelled_items(batch.cancelled_items() + 1);
  } else {
    batch.set_failed_items(batch.failed_items() + 1);
  }
  stored.results.push_back(std::move(result));
  if (static_cast<int64_t>(stored.results.size()) == batch.total_items()) {
    batch.set_state(batch.state() == BATCH_STATE_CANCELLING
                        ? BATCH_STATE_CANCELLED
                        : BATCH_STATE_SUCCEEDED);
  }
  for (Follower* follower : followers_) follower->Wake();
}

std::vector<BatchItem> FakeBatchAggregator::Items(
    const std::string& batch_id) const {
  MutexLock lock(mu_);
  return batches_.at(batch_id).items;
}

BatchHeader FakeBatchAggregator::Header(const std::string& batch_id) const {
  MutexLock lock(mu_);
  return batches_.at(batch_id).header;
}

int FakeBatchAggregator::batches() const {
  MutexLock lock(mu_);
  return batches_.size();
}

int64_t FakeBatchAggregator::bytes_read() const {
  MutexLock lock(mu_);
  return bytes_read_;
}

int FakeBatchAggregator::broken_submits() const {
  MutexLock lock(mu_);
  return broken_submits_;
}

absl::StatusOr<FakeBatchAggregator::StoredBatch*> FakeBatchAggregator::Find(
    const common::v1::CallContext& context, const std::string& batch_id) {
  const auto found = batches_.find(batch_id);
  if (found == batches_.end() ||
      found->second.header.context().account().tenant() !=
          context.account().tenant()) {
    return MakeError(reason::kBatchNotFound, "there is no such batch").Build();
  }
  return &found->second;
}

Awaitable<absl::StatusOr<Batch>> FakeBatchAggregator::SubmitBatch(
    rpc::Call& call, rpc::Source<SubmitBatchRequest>& source) {
  std::optional<BatchHeader> header;
  std::vector<BatchItem> items;
  while (true) {
    auto read = co_await source.Read();
    MutexLock lock(mu_);
    if (!read.ok()) {
      ++broken_submits_;
      co_return read.status();
    }
    if (!read->has_value()) break;
    SubmitBatchRequest& message = **read;
    bytes_read_ += message.ByteSizeLong();
    if (message.has_header() == header.has_value()) {
      co_return InvalidParameter("header", "exactly one header goes first")
          .Build();
    }
    if (message.has_header()) {
      header = std::move(*message.mutable_header());
    } else {
      items.push_back(std::move(*message.mutable_item()));
    }
  }
  if (items.empty()) co_return MissingParameter("items").Build();
  MutexLock lock(mu_);
  co_return Store(*std::move(header), std::move(items));
}

Batch FakeBatchAggregator::Store(BatchHeader header,
                                 std::vector<BatchItem> items) {
  for (const auto& [id, stored] : batches_) {
    if (!header.idempotency_key().empty() &&
        stored.header.idempotency_key() == header.idempotency_key() &&
        stored.header.context().account().tenant() ==
            header.context().account().tenant()) {
      return stored.batch;
    }
  }
  const std::string id = absl::StrFormat("batch-%06d", batches_.size() + 1);
  StoredBatch& stored = batches_[id];
  stored.batch.set_batch_id(id);
  stored.batch.set_state(BATCH_STATE_RUNNING);
  stored.batch.set_total_items(items.size());
  *stored.batch.mutable_metadata() = header.metadata();
  stored.header = std::move(header);
  stored.items = std::move(items);
  return stored.batch;
}

Awaitable<absl::StatusOr<Batch>> FakeBatchAggregator::GetBatch(
    rpc::Call& call, const GetBatchRequest& request) {
  MutexLock lock(mu_);
  auto stored = Find(request.context(), request.batch_id());
  if (!stored.ok()) co_return stored.status();
  co_return (*stored)->batch;
}

Awaitable<absl::StatusOr<ListBatchesResponse>> FakeBatchAggregator::ListBatches(
    rpc::Call& call, const ListBatchesRequest& request) {
  MutexLock lock(mu_);
  ListBatchesResponse response;
  for (auto each = batches_.rbegin(); each != batches_.rend(); ++each) {
    if (Find(request.context(), each->first).ok()) {
      *response.add_batches() = each->second.batch;
    }
  }
  co_return response;
}

Awaitable<absl::StatusOr<Batch>> FakeBatchAggregator::CancelBatch(
    rpc::Call& call, const CancelBatchRequest& request) {
  MutexLock lock(mu_);
  auto stored = Find(request.context(), request.batch_id());
  if (!stored.ok()) co_return stored.status();
  if ((*stored)->batch.state() != BATCH_STATE_RUNNING) {
    co_return (*stored)->batch;
  }
  (*stored)->batch.set_state(BATCH_STATE_CANCELLING);
  for (const BatchItem& item : (*stored)->items) {
    bool ended = false;
    for (const ItemResult& result : (*stored)->results) {
      if (result.custom_id() == item.custom_id()) ended = true;
    }
    if (ended) continue;
    ItemResult result;
    result.set_custom_id(item.custom_id());
    result.mutable_error()->set_code(
        static_cast<int>(absl::StatusCode::kCancelled));
    AddResult(request.batch_id(), std::move(result));
  }
  co_return (*stored)->batch;
}

Awaitable<absl::Status> FakeBatchAggregator::StreamBatchResults(
    rpc::Call& call, const StreamBatchResultsRequest& request,
    rpc::Sink<StreamBatchResultsResponse>& sink) {
  size_t next = 0;
  if (!request.cursor().empty() && !absl::SimpleAtoi(request.cursor(), &next)) {
    co_return InvalidParameter("cursor", "is not one of this batch").Build();
  }
  const boost::intrusive_ptr<Follower> follower(
      new Follower(co_await boost::asio::this_coro::executor));
  {
    MutexLock lock(mu_);
    followers_.push_back(follower.get());
  }
  absl::Status status;
  bool ended = false;
  while (status.ok() && !ended) {
    StreamBatchResultsResponse response;
    {
      MutexLock lock(mu_);
      auto stored = Find(request.context(), request.batch_id());
      if (!stored.ok()) {
        status = stored.status();
      } else if (next < (*stored)->results.size()) {
        *response.mutable_result() = (*stored)->results[next++];
        response.set_cursor(absl::StrCat(next));
      } else {
        ended = !request.follow() ||
                (*stored)->batch.state() == BATCH_STATE_SUCCEEDED ||
                (*stored)->batch.state() == BATCH_STATE_CANCELLED;
      }
    }
    if (response.has_result()) {
      status = co_await sink.Write(std::move(response));
    } else if (status.ok() && !ended) {
      co_await follower->Wait();
      const auto flow = co_await boost::asio::this_coro::cancellation_state;
      if (rpc::FlowCancelled(flow)) status = ClientClosed();
    }
  }
  MutexLock lock(mu_);
  std::erase(followers_, follower.get());
  co_return status;
}

}  // namespace gateway
