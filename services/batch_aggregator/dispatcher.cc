#include "services/batch_aggregator/dispatcher.h"

#include <absl/strings/str_cat.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <iterator>
#include <limits>
#include <utility>

#include "common/clients/request_id.h"
#include "common/concurrency/spawn.h"
#include "common/log/log.h"
#include "common/status/error.h"
#include "services/batch_aggregator/batch_tally.h"

namespace gateway::batch_aggregator {
namespace {

// Results that are made and written together when many items end at once.
constexpr size_t kEndTogether = 500;

absl::Status DamagedItem(const ItemRef& ref) {
  return MakeError(reason::kDataLoss,
                   absl::StrCat("what is stored of the item at place ",
                                ref.index, " (from 0) is damaged"));
}

}  // namespace

Dispatcher::Dispatcher(const DispatcherOptions& options,
                       const boost::asio::any_io_executor& executor,
                       const Parts& parts)
    : options_(options),
      executor_(executor),
      parts_(parts),
      sender_(parts.router, parts.sessions),
      committer_(executor, parts.repository, parts.blocking, parts.clock,
                 [this](const std::vector<NewResult>& results,
                        const BatchRepository::Appended& appended) {
                   Committed(results, appended);
                 }),
      window_(options.window),
      tasks_(executor, std::numeric_limits<size_t>::max()),
      changed_(executor) {}

void Dispatcher::Announce(uint64_t batch) {
  boost::asio::post(executor_, [this, batch] { batches_[batch] = {}; });
}

void Dispatcher::Add(OpenBatch batch) {
  boost::asio::post(executor_, [this, batch = std::move(batch)] {
    AddLive(batch, {});
    if (batches_.at(batch.number).cancelled) {
      StartCancelled(TakeOut(batch.number));
    }
    changed_.Set();
  });
}

void Dispatcher::Forget(uint64_t batch) {
  boost::asio::post(executor_, [this, batch] { batches_.erase(batch); });
}

void Dispatcher::Cancel(uint64_t batch) {
  boost::asio::post(executor_, [this, batch] { DoCancel(batch); });
}

void Dispatcher::Drain() {
  drain_begins_.store(true);
  boost::asio::post(executor_, [this] {
    if (!std::exchange(draining_, true) && !stopping_) {
      for (Flush& flush : window_.TakeAll()) StartFlush(std::move(flush));
      Count();
      changed_.Set();
    }
    drain_begins_.store(false);
  });
}

Awaitable<void> Dispatcher::Run(BatchRepository::Unfinished unfinished) {
  Resume(unfinished);
  unfinished = {};
  while (true) {
    changed_.Reset();
    const bool cancelled = co_await IsCancelled();
    if (cancelled) break;
    Advance();
    co_await WaitUntil(NextWakeup());
  }
  co_await ShutDown();
}

void Dispatcher::Resume(const BatchRepository::Unfinished& unfinished) {
  absl::flat_hash_set<ItemRef> flushed;
  for (const stored::v1::Flush& flush : unfinished.flushes) {
    for (const stored::v1::FlushItem& item : flush.items()) {
      flushed.insert({item.batch(), item.index()});
    }
  }
  absl::flat_hash_map<ItemRef, std::string> share_keys;
  for (const OpenBatch& batch : unfinished.batches) {
    AddLive(batch, flushed);
    for (const OpenBatch::Item& item : batch.items) {
      const ItemRef ref{batch.number, item.index};
      if (!item.damaged && flushed.contains(ref)) {
        share_keys[ref] = item.pending.share_key();
      }
    }
  }
  size_t sent_again = 0;
  for (const stored::v1::Flush& flush : unfinished.flushes) {
    std::vector<ItemRef> items;
    std::vector<std::string> keys;
    for (const stored::v1::FlushItem& item : flush.items()) {
      // An item goes out once, however many flushes name it.
      const auto left = share_keys.find(ItemRef{item.batch(), item.index()});
      if (left == share_keys.end()) continue;
      items.push_back(left->first);
      keys.push_back(std::move(left->second));
      share_keys.erase(left);
      ++sent_again;
    }
    if (items.empty()) continue;
    parts_.metrics->Flushed(FlushReason::kResume, items.size());
    MakeReady({flush.tenant(), flush.model()}, flush.planned_target(), items,
              keys);
  }
  for (const OpenBatch& batch : unfinished.batches) {
    if (batch.batch.state() == v1::BATCH_STATE_CANCELLING) {
      DoCancel(batch.number);
    }
  }
  if (unfinished.batches.empty()) return;
  LOG_INFO("batch", "unfinished batches are taken up",
           {{"batches", unfinished.batches.size()},
            {"waiting_items", window_.size()},
            {"sent_again", sent_again}});
}

void Dispatcher::AddLive(const OpenBatch& batch,
                         const absl::flat_hash_set<ItemRef>& flushed) {
  LiveBatch& live = batches_[batch.number];
  live.batch_id = batch.batch.batch_id();
  live.account = batch.batch.account();
  live.models.assign(batch.batch.models().begin(), batch.batch.models().end());
  live.left = static_cast<int64_t>(batch.items.size());
  const absl::Time since = absl::FromUnixMicros(batch.batch.create_time_us());
  std::vector<ItemRef> damaged;
  for (const OpenBatch::Item& item : batch.items) {
    const ItemRef ref{batch.number, item.index};
    if (item.damaged) damaged.push_back(ref);
    if (item.damaged || flushed.contains(ref)) continue;
    window_.Add({live.account.tenant(), live.models.at(item.pending.model())},
                {ref, item.pending.bytes(), since});
  }
  StartDamaged(std::move(damaged));
}

// ---- what starts when ------------------------------------------------------

bool Dispatcher::HasRoomForFlush() const {
  return !draining_ && ready_.size() + preparing_ < options_.concurrency;
}

bool Dispatcher::MayFlush(const QueueKey& queue) const {
  // A provider that does not answer is not given ever more items.
  const auto held_back = held_back_of_.find(queue);
  return held_back == held_back_of_.end() ||
         held_back->second < options_.window.size;
}

void Dispatcher::Advance() {
  const absl::Time now = parts_.clock->Now();
  Release(now);
  const auto may_flush = [this](const QueueKey& queue) {
    return MayFlush(queue);
  };
  while (HasRoomForFlush()) {
    std::optional<Flush> flush = window_.Take(now, may_flush);
    if (!flush.has_value()) break;
    StartFlush(*std::move(flush));
  }
  while (running_.size() < options_.concurrency && !ready_.empty()) {
    const SendingPtr sending = std::move(ready_.front());
    ready_.pop_front();
    StartSending(sending);
  }
  Count();
}

absl::Time Dispatcher::NextWakeup() const {
  absl::Time next = absl::InfiniteFuture();
  if (draining_) return next;
  if (!held_back_.empty()) next = held_back_.begin()->first;
  if (!HasRoomForFlush()) return next;
  return std::min(next, window_.NextDue([this](const QueueKey& queue) {
    return MayFlush(queue);
  }));
}

Awaitable<void> Dispatcher::WaitUntil(absl::Time time) {
  if (time == absl::InfiniteFuture()) {
    co_await changed_.Wait();
    co_return;
  }
  TaskGroup timer(executor_, 1);
  auto wake = [](Dispatcher* self, absl::Time at) -> Awaitable<void> {
    co_await self->parts_.clock->SleepUntil(at);
    self->changed_.Set();
  };
  timer.Start(wake(this, time));
  co_await changed_.Wait();
  timer.Cancel();
  co_await timer.Join();
}

void Dispatcher::Count() {
  const size_t active = running_.size() + ready_.size() + preparing_;
  active_.store(active);
  parts_.metrics->SetInFlight(running_.size());
  parts_.metrics->SetWaiting(window_.size());
  if (draining_ && active == 0) parts_.watch->Close();
}

// ---- a flush ---------------------------------------------------------------

void Dispatcher::StartFlush(Flush flush) {
  const absl::Time now = parts_.clock->Now();
  parts_.metrics->Flushed(flush.reason, flush.items.size());
  for (const WaitingItem& item : flush.items) {
    parts_.metrics->Waited(now - item.since);
  }
  preparing_ += flush.items.size();
  tasks_.Start(PrepareFlush(std::move(flush)));
}

Awaitable<void> Dispatcher::PrepareFlush(Flush flush) {
  const size_t count = flush.items.size();
  std::vector<ItemRef> items;
  for (const WaitingItem& item : flush.items) items.push_back(item.ref);
  const std::optional<std::string> target = co_await Plan(flush, items);
  if (target.has_value()) {
    items = DropCancelled(items);
    const auto share_keys = co_await Record(flush.queue, *target, items);
    if (share_keys.has_value()) {
      MakeReady(flush.queue, *target, items, *share_keys);
    }
  }
  preparing_ -= count;
  changed_.Set();
}

Awaitable<std::optional<std::string>> Dispatcher::Plan(
    const Flush& flush, const std::vector<ItemRef>& items) {
  const absl::Time deadline = parts_.clock->Now() + options_.item_timeout;
  RetryOptions retry = options_.retry;
  retry.max_attempts = std::numeric_limits<int>::max();
  model_router::v1::PlanBatchRequest request;
  request.set_model(flush.queue.model);
  request.set_item_count(static_cast<int32_t>(items.size()));
  int64_t bytes = 0;
  for (const WaitingItem& item : flush.items) bytes += item.bytes;
  request.set_total_bytes(bytes);
  request.mutable_context()->set_priority(common::v1::PRIORITY_BATCH);
  request.mutable_context()->mutable_account()->set_tenant(flush.queue.tenant);
  for (int attempts = 1;; ++attempts) {
    request.mutable_context()->set_request_id(NewRequestId());
    const absl::Time now = parts_.clock->Now();
    rpc::Call call{.deadline = now + options_.plan_timeout};
    const auto plan = co_await parts_.router->PlanBatch(call, request);
    if (plan.ok()) co_return plan->planned_target();
    const bool cancelled = co_await IsCancelled();
    if (cancelled || stopping_) co_return std::nullopt;
    absl::Status error = plan.status();
    // The call's own time is short on purpose.
    if (absl::IsDeadlineExceeded(error) || absl::IsCancelled(error)) {
      error = MakeError(reason::kUnavailable, "the plan did not come in time");
    }
    const std::optional<absl::Duration> delay = RetryDelay(
        retry, error, attempts, absl::Uniform<double>(random_, 0.0, 1.0));
    if (!delay.has_value() || parts_.clock->Now() + *delay > deadline) {
      co_await Fail(items, error);
      co_return std::nullopt;
    }
    if (draining_) co_return std::nullopt;
    LOG_WARNING_EVERY(absl::Seconds(10), "batch", "a flush cannot be planned",
                      {{"model", flush.queue.model}, {"error", error}});
    co_await parts_.clock->SleepFor(*delay);
    if (draining_ || stopping_) co_return std::nullopt;
  }
}

Awaitable<std::optional<std::vector<std::string>>> Dispatcher::Record(
    const QueueKey& queue, const std::string& planned_target,
    const std::vector<ItemRef>& items) {
  while (true) {
    auto record = [this, &queue, &planned_target, &items] {
      return parts_.repository->RecordFlush(queue, planned_target, items);
    };
    absl::StatusOr<std::vector<std::string>> share_keys =
        co_await parts_.blocking->Run(std::move(record));
    if (share_keys.ok()) co_return *std::move(share_keys);
    LOG_WARNING_EVERY(absl::Seconds(10), "batch", "a flush cannot be recorded",
                      {{"error", share_keys.status()}});
    const bool goes_on = co_await WaitForStorage();
    if (!goes_on) co_return std::nullopt;
  }
}

void Dispatcher::MakeReady(const QueueKey& queue,
                           const std::string& planned_target,
                           const std::vector<ItemRef>& items,
                           const std::vector<std::string>& share_keys) {
  absl::flat_hash_map<std::string, SendingPtr> shared;
  const std::vector<ItemRef> wanted = DropCancelled(items);
  const absl::flat_hash_set<ItemRef> is_wanted(wanted.begin(), wanted.end());
  for (size_t i = 0; i < items.size(); ++i) {
    if (!is_wanted.contains(items[i])) continue;
    SendingPtr sending;
    if (!share_keys[i].empty()) sending = shared[share_keys[i]];
    if (sending == nullptr) {
      sending = std::make_shared<Sending>();
      sending->queue = queue;
      sending->planned_target = planned_target;
      if (!share_keys[i].empty()) shared[share_keys[i]] = sending;
      ready_.push_back(sending);
    }
    sending->items.push_back(items[i]);
  }
}

// ---- a sending -------------------------------------------------------------

void Dispatcher::StartSending(const SendingPtr& sending) {
  running_.insert(sending);
  Spawn(executor_, RunSending(sending), sending->cancel.slot(),
        [this, sending] {
          running_.erase(sending);
          changed_.Set();
        });
}

Awaitable<void> Dispatcher::RunSending(SendingPtr sending) {
  const absl::StatusOr<stored::v1::Item> item = co_await ReadFirst(*sending);
  // Cancelled or answered meanwhile, all of them.
  if (sending->items.empty() || stopping_) co_return;
  if (!item.ok()) {
    HoldBack(sending, options_.retry.first_delay);
    co_return;
  }
  const ItemRef first = sending->items.front();
  const auto batch = batches_.find(first.batch);
  if (batch == batches_.end()) co_return;
  const common::v1::Account account = batch->second.account;
  if (sending->attempts++ == 0) {
    sending->deadline = parts_.clock->Now() + options_.item_timeout;
  }
  parts_.metrics->Sent(/*again=*/sending->attempts > 1);
  ItemSender::Sent sent =
      co_await sender_.Send(account, sending->queue.model,
                            sending->planned_target, *item, sending->deadline);
  if (sending->items.empty()) co_return;
  if (!sent.error.ok()) {
    // What was cut short by the end of the process is sent again by the next.
    if (stopping_) co_return;
    const std::optional<absl::Duration> delay =
        RetryDelay(options_.retry, sent.error, sending->attempts,
                   absl::Uniform<double>(random_, 0.0, 1.0));
    if (delay.has_value() && parts_.clock->Now() + *delay < sending->deadline) {
      if (!draining_) HoldBack(sending, *delay);
      co_return;
    }
  }
  co_await Answer(std::exchange(sending->items, {}), std::move(sent.result));
}

Awaitable<absl::StatusOr<stored::v1::Item>> Dispatcher::ReadFirst(
    Sending& sending) {
  while (!sending.items.empty()) {
    const ItemRef ref = sending.items.front();
    auto read = [this, ref] { return parts_.repository->ReadItem(ref); };
    absl::StatusOr<stored::v1::Item> item =
        co_await parts_.blocking->Run(std::move(read));
    const bool still_first =
        !sending.items.empty() && sending.items.front() == ref;
    // Its batch was cancelled while it was read.
    if (!still_first) continue;
    const bool damaged = absl::IsDataLoss(item.status());
    if (!damaged && !absl::IsNotFound(item.status())) co_return item;
    sending.items.erase(sending.items.begin());
    if (damaged) StartDamaged({ref});
  }
  co_return absl::NotFoundError("all items have their results");
}

void Dispatcher::HoldBack(const SendingPtr& sending, absl::Duration delay) {
  ++held_back_of_[sending->queue];
  held_back_.emplace(parts_.clock->Now() + delay, sending);
}

void Dispatcher::Release(absl::Time now) {
  if (draining_) return;
  while (!held_back_.empty() && held_back_.begin()->first <= now) {
    const SendingPtr sending = held_back_.begin()->second;
    held_back_.erase(held_back_.begin());
    const auto count = held_back_of_.find(sending->queue);
    if (--count->second == 0) held_back_of_.erase(count);
    if (!sending->items.empty()) ready_.push_front(sending);
  }
}

// The first of `items` was sent; the others asked for the same.
Awaitable<void> Dispatcher::Answer(std::vector<ItemRef> items,
                                   v1::ItemResult result) {
  v1::ItemResult shared = result;
  shared.clear_usage();
  shared.clear_cost();
  shared.set_shared(true);
  const ItemRef first = items.front();
  items.erase(items.begin());
  std::vector<NewResult> results;
  if (!items.empty()) results = co_await EachGets(items, std::move(shared));
  results.push_back({first, std::move(result)});
  co_await Commit(std::move(results));
}

Awaitable<std::vector<NewResult>> Dispatcher::EachGets(
    std::span<const ItemRef> items, v1::ItemResult result) {
  auto make = [this, items,
               &result]() -> absl::StatusOr<std::vector<NewResult>> {
    std::vector<NewResult> results;
    for (const ItemRef& ref : items) {
      const absl::StatusOr<std::string> custom_id =
          parts_.repository->ReadCustomId(ref);
      // It has its result already.
      if (absl::IsNotFound(custom_id.status())) continue;
      // Nobody can tell whose result it would be.
      if (absl::IsDataLoss(custom_id.status())) {
        results.push_back({ref, FailedResult("", DamagedItem(ref))});
        continue;
      }
      if (!custom_id.ok()) return custom_id.status();
      result.set_custom_id(*custom_id);
      results.push_back({ref, result});
    }
    return results;
  };
  while (true) {
    auto work = make;
    absl::StatusOr<std::vector<NewResult>> results =
        co_await parts_.blocking->Run(std::move(work));
    if (results.ok()) co_return *std::move(results);
    LOG_WARNING_EVERY(absl::Seconds(10), "batch", "items cannot be read",
                      {{"error", results.status()}});
    const bool goes_on = co_await WaitForStorage();
    if (!goes_on) co_return std::vector<NewResult>();
  }
}

// ---- results ---------------------------------------------------------------

Awaitable<void> Dispatcher::Commit(std::vector<NewResult> results) {
  co_await committer_.Commit(std::move(results));
}

void Dispatcher::Committed(const std::vector<NewResult>& results,
                           const BatchRepository::Appended& appended) {
  for (const uint64_t batch : appended.damaged) LetGo(batch);
  absl::flat_hash_set<uint64_t> notified;
  for (const size_t place : appended.stored) {
    const NewResult& result = results[place];
    const auto batch = batches_.find(result.ref.batch);
    // It was let go.
    if (batch == batches_.end()) continue;
    parts_.metrics->Ended(OutcomeOf(result.result), result.result.shared());
    notified.insert(result.ref.batch);
    if (--batch->second.left == 0) batches_.erase(batch);
  }
  for (const uint64_t batch : notified) parts_.watch->Notify(batch);
}

Awaitable<void> Dispatcher::Fail(std::vector<ItemRef> items,
                                 absl::Status error) {
  const v1::ItemResult failed = FailedResult("", error);
  for (std::span<const ItemRef> left = items; !left.empty();) {
    const size_t count = std::min(left.size(), kEndTogether);
    std::vector<NewResult> results =
        co_await EachGets(left.subspan(0, count), failed);
    if (!results.empty()) co_await Commit(std::move(results));
    left = left.subspan(count);
  }
}

void Dispatcher::StartCancelled(std::vector<ItemRef> items) {
  if (items.empty() || stopping_) return;
  tasks_.Start(Fail(std::move(items), MakeError(reason::kClientClosed,
                                                "the batch was cancelled")));
}

void Dispatcher::StartDamaged(std::vector<ItemRef> items) {
  if (stopping_) return;
  for (const ItemRef& item : items) {
    tasks_.Start(Fail({item}, DamagedItem(item)));
  }
}

Awaitable<bool> Dispatcher::WaitForStorage() {
  if (stopping_) co_return false;
  co_await parts_.clock->SleepFor(absl::Seconds(1));
  co_return !stopping_;
}

// ---- cancelling ------------------------------------------------------------

bool Dispatcher::Strip(Sending& sending, uint64_t batch,
                       std::vector<ItemRef>& removed) {
  std::erase_if(sending.items, [&](const ItemRef& item) {
    if (item.batch != batch) return false;
    removed.push_back(item);
    return true;
  });
  return sending.items.empty();
}

void Dispatcher::DoCancel(uint64_t batch) {
  const auto live = batches_.find(batch);
  if (live == batches_.end() || live->second.cancelled || stopping_) return;
  live->second.cancelled = true;
  StartCancelled(TakeOut(batch));
  changed_.Set();
}

void Dispatcher::LetGo(uint64_t batch) {
  const auto live = batches_.find(batch);
  if (live == batches_.end()) return;
  LOG_ERROR(
      "batch", "a batch is damaged and does not go on",
      {{"batch_id", live->second.batch_id}, {"items_left", live->second.left}});
  batches_.erase(live);
  (void)TakeOut(batch);
  parts_.watch->Notify(batch);
  changed_.Set();
}

std::vector<ItemRef> Dispatcher::TakeOut(uint64_t batch) {
  std::vector<ItemRef> removed = window_.Remove(batch);
  std::erase_if(ready_, [&](const SendingPtr& sending) {
    return Strip(*sending, batch, removed);
  });
  // These are passed over when their time comes.
  for (const auto& [time, sending] : held_back_) {
    Strip(*sending, batch, removed);
  }
  const std::vector<SendingPtr> running(running_.begin(), running_.end());
  for (const SendingPtr& sending : running) {
    const bool has_any = !sending->items.empty();
    if (has_any && Strip(*sending, batch, removed)) {
      sending->cancel.emit(boost::asio::cancellation_type::terminal);
    }
  }
  return removed;
}

std::vector<ItemRef> Dispatcher::DropCancelled(
    const std::vector<ItemRef>& items) {
  std::vector<ItemRef> left;
  std::vector<ItemRef> cancelled;
  for (const ItemRef& item : items) {
    const auto batch = batches_.find(item.batch);
    if (batch == batches_.end()) continue;
    (batch->second.cancelled ? cancelled : left).push_back(item);
  }
  StartCancelled(std::move(cancelled));
  return left;
}

// ---- the end ---------------------------------------------------------------

Awaitable<void> Dispatcher::ShutDown() {
  stopping_ = true;
  committer_.GiveUp();
  const std::vector<SendingPtr> running(running_.begin(), running_.end());
  for (const SendingPtr& sending : running) {
    sending->cancel.emit(boost::asio::cancellation_type::terminal);
  }
  tasks_.Cancel();
  while (!running_.empty()) {
    changed_.Reset();
    co_await changed_.Wait();
  }
  co_await tasks_.Join();
  ready_.clear();
  preparing_ = 0;
  Count();
  parts_.watch->Close();
}

}  // namespace gateway::batch_aggregator
