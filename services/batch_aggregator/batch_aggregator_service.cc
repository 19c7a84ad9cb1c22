#include "services/batch_aggregator/batch_aggregator_service.h"

#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>

#include <boost/asio/this_coro.hpp>
#include <boost/intrusive_ptr.hpp>
#include <utility>

#include "common/concurrency/spawn.h"
#include "common/log/log.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "common/status/page_size.h"
#include "services/batch_aggregator/batch_tally.h"

namespace gateway::batch_aggregator {
namespace {

// What is held of a batch that is coming in, and of results that go out.
constexpr int64_t kChunkBytes = 4 << 20;
constexpr size_t kChunkItems = 1000;
constexpr int64_t kPageBytes = 256 << 10;

absl::StatusOr<uint64_t> ParseCursor(const std::string& cursor) {
  uint64_t sequence = 0;
  if (!cursor.empty() && !absl::SimpleAtoi(cursor, &sequence)) {
    return InvalidParameter("cursor", "this is not a cursor").Build();
  }
  return sequence;
}

}  // namespace

Awaitable<absl::StatusOr<v1::Batch>> BatchAggregatorService::SubmitBatch(
    rpc::Call& call, rpc::Source<v1::SubmitBatchRequest>& source) {
  if (draining_.load()) co_return Draining().Build();
  Incoming incoming(options_.limits);
  const absl::Status received = co_await Receive(source, incoming);
  if (!received.ok()) {
    co_await Discard(incoming);
    co_return received;
  }
  if (incoming.before.has_value()) co_return Describe(*incoming.before);
  parts_.dispatcher->Announce(incoming.number);
  absl::StatusOr<CommittedBatch> committed = co_await Commit(incoming);
  if (!committed.ok() || !committed->created) {
    parts_.dispatcher->Forget(incoming.number);
  }
  if (!committed.ok()) {
    co_await Discard(incoming);
    co_return committed.status();
  }
  if (committed->created) {
    LOG_INFO("batch", "batch accepted",
             {{"batch_id", committed->batch.batch_id()},
              {"tenant", committed->batch.account().tenant()},
              {"items", committed->batch.total_items()}});
    parts_.dispatcher->Add(
        {incoming.number, committed->batch, std::move(incoming.items)});
  }
  co_return Describe(committed->batch);
}

Awaitable<absl::Status> BatchAggregatorService::Receive(
    rpc::Source<v1::SubmitBatchRequest>& source, Incoming& incoming) {
  while (true) {
    auto read = co_await source.Read();
    if (!read.ok()) co_return read.status();
    if (!read->has_value()) break;
    v1::SubmitBatchRequest& message = **read;
    if (!message.has_item()) {
      const absl::Status begun = co_await Begin(message.header(), incoming);
      // What follows was read by the call before.
      if (!begun.ok() || incoming.before.has_value()) co_return begun;
      continue;
    }
    CO_ASSIGN_OR_RETURN(BatchDraft::Facts facts,
                        incoming.draft.Add(message.item()));
    incoming.items.push_back(
        {static_cast<uint32_t>(incoming.items.size()), facts.pending});
    incoming.items.back().pending.clear_custom_id();
    incoming.chunk_bytes += facts.pending.bytes();
    StagedItem& staged = incoming.chunk.emplace_back();
    *staged.item.mutable_item() = std::move(*message.mutable_item());
    staged.item.set_whole_history(facts.whole_history);
    staged.pending = std::move(facts.pending);
    if (incoming.chunk_bytes < kChunkBytes &&
        incoming.chunk.size() < kChunkItems) {
      continue;
    }
    const absl::Status kept = co_await Stage(incoming);
    if (!kept.ok()) co_return kept;
  }
  CO_RETURN_IF_ERROR(incoming.draft.Complete());
  co_return co_await Stage(incoming);
}

Awaitable<absl::Status> BatchAggregatorService::Begin(
    const v1::BatchHeader& header, Incoming& incoming) {
  CO_RETURN_IF_ERROR(incoming.draft.SetHeader(header));
  auto find = [this, &header] {
    return parts_.repository->FindByKey(header.context().account().tenant(),
                                        header.idempotency_key(),
                                        parts_.clock->Now());
  };
  auto before = co_await parts_.blocking->Run(std::move(find));
  if (!before.ok()) co_return before.status();
  incoming.before = *std::move(before);
  if (!incoming.before.has_value()) {
    incoming.number = parts_.repository->Reserve();
  }
  co_return absl::OkStatus();
}

Awaitable<absl::Status> BatchAggregatorService::Stage(Incoming& incoming) {
  auto stage = [this, &incoming] {
    return parts_.repository->Stage(incoming.number, incoming.staged,
                                    incoming.chunk);
  };
  const absl::Status staged = co_await parts_.blocking->Run(std::move(stage));
  incoming.staged += static_cast<uint32_t>(incoming.chunk.size());
  incoming.chunk.clear();
  incoming.chunk_bytes = 0;
  co_return staged;
}

Awaitable<absl::StatusOr<CommittedBatch>> BatchAggregatorService::Commit(
    Incoming& incoming) {
  const v1::BatchHeader& header = incoming.draft.header();
  stored::v1::Batch batch;
  batch.set_batch_id(MakeBatchId(incoming.number));
  *batch.mutable_account() = header.context().account();
  batch.set_idempotency_key(header.idempotency_key());
  *batch.mutable_metadata() = header.metadata();
  for (const std::string& model : incoming.draft.models()) {
    batch.add_models(model);
  }
  const absl::Time now = parts_.clock->Now();
  batch.set_create_time_us(absl::ToUnixMicros(now));
  batch.set_state(v1::BATCH_STATE_RUNNING);
  batch.set_total_items(incoming.draft.item_count());
  auto commit = [this, &incoming, &batch, now] {
    return parts_.repository->Commit(incoming.number, batch,
                                     options_.max_open_batches, now);
  };
  co_return co_await parts_.blocking->Run(std::move(commit));
}

Awaitable<void> BatchAggregatorService::Discard(const Incoming& incoming) {
  if (incoming.staged == 0) co_return;
  auto discard = [this, number = incoming.number] {
    return parts_.repository->Discard(number);
  };
  const absl::Status discarded =
      co_await parts_.blocking->Run(std::move(discard));
  if (!discarded.ok()) {
    LOG_WARNING_EVERY(absl::Seconds(10), "batch",
                      "items of a refused batch stay until the next start",
                      {{"error", discarded}});
  }
}

Awaitable<absl::StatusOr<v1::Batch>> BatchAggregatorService::GetBatch(
    rpc::Call& call, const v1::GetBatchRequest& request) {
  auto find = [this, &request] {
    return parts_.repository->Find(request.context().account().tenant(),
                                   request.batch_id(), parts_.clock->Now());
  };
  const auto batch = co_await parts_.blocking->Run(std::move(find));
  if (!batch.ok()) co_return batch.status();
  co_return Describe(*batch);
}

Awaitable<absl::StatusOr<v1::ListBatchesResponse>>
BatchAggregatorService::ListBatches(rpc::Call& call,
                                    const v1::ListBatchesRequest& request) {
  CO_ASSIGN_OR_RETURN(const size_t limit, PageSize(request.page_size()));
  // One more tells whether there is another page.
  auto list = [this, &request, limit] {
    return parts_.repository->List(request.context().account().tenant(),
                                   request.page_token(), limit + 1,
                                   parts_.clock->Now());
  };
  auto batches = co_await parts_.blocking->Run(std::move(list));
  if (!batches.ok()) co_return batches.status();
  v1::ListBatchesResponse response;
  if (batches->size() > limit) {
    batches->resize(limit);
    response.set_next_page_token(batches->back().batch_id());
  }
  for (const stored::v1::Batch& batch : *batches) {
    *response.add_batches() = Describe(batch);
  }
  co_return response;
}

Awaitable<absl::StatusOr<v1::Batch>> BatchAggregatorService::CancelBatch(
    rpc::Call& call, const v1::CancelBatchRequest& request) {
  auto cancel = [this, &request] {
    return parts_.repository->BeginCancel(request.context().account().tenant(),
                                          request.batch_id(),
                                          parts_.clock->Now());
  };
  const auto cancelled = co_await parts_.blocking->Run(std::move(cancel));
  if (!cancelled.ok()) co_return cancelled.status();
  if (cancelled->batch.state() == v1::BATCH_STATE_CANCELLING) {
    parts_.dispatcher->Cancel(cancelled->number);
  }
  co_return Describe(cancelled->batch);
}

Awaitable<absl::Status> BatchAggregatorService::StreamBatchResults(
    rpc::Call& call, const v1::StreamBatchResultsRequest& request,
    rpc::Sink<v1::StreamBatchResultsResponse>& sink) {
  CO_ASSIGN_OR_RETURN(uint64_t after, ParseCursor(request.cursor()));
  const boost::intrusive_ptr<ResultWatch::Waiter> waiter(
      new ResultWatch::Waiter(co_await boost::asio::this_coro::executor));
  const ResultWatch::Registration registration(
      parts_.watch, BatchNumber(request.batch_id()).value_or(0), waiter);
  while (true) {
    // Before the results: those that come in between are read.
    const bool closed = parts_.watch->closed();
    auto read = [this, &request, after] {
      return parts_.repository->ReadResults(
          request.context().account().tenant(), request.batch_id(), after,
          kPageBytes, parts_.clock->Now());
    };
    auto page = co_await parts_.blocking->Run(std::move(read));
    if (!page.ok()) co_return page.status();
    for (StoredResult& result : page->results) {
      v1::StreamBatchResultsResponse response;
      *response.mutable_result() = std::move(result.result);
      response.set_cursor(absl::StrCat(result.sequence));
      after = result.sequence;
      const absl::Status written = co_await sink.Write(std::move(response));
      if (!written.ok()) co_return written;
    }
    if (!page->results.empty()) continue;
    if (!request.follow() || HasEnded(page->batch)) co_return absl::OkStatus();
    if (closed) co_return Draining().Build();
    const bool cancelled = co_await IsCancelled();
    if (cancelled) co_return ClientClosed().Build();
    co_await waiter->Wait();
  }
}

}  // namespace gateway::batch_aggregator
