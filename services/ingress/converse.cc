#include "services/ingress/converse.h"

#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <utility>

#include "common/clients/request_id.h"
#include "common/concurrency/spawn.h"
#include "common/status/error.h"
#include "services/ingress/session_wish.h"
#include "services/ingress/shielded.h"
#include "services/ingress/typed_chat.h"

namespace gateway::ingress {

using agent::v1::ConverseRequest;
using agent::v1::ConverseResponse;

constexpr size_t kMaxTurnIdBytes = 64;

bool Conversations::Enter(Conversation* conversation) {
  MutexLock lock(mu_);
  open_.insert(conversation);
  return draining_;
}

void Conversations::Leave(Conversation* conversation) {
  MutexLock lock(mu_);
  open_.erase(conversation);
}

void Conversations::BeginDrain() {
  MutexLock lock(mu_);
  draining_ = true;
  for (Conversation* conversation : open_) conversation->NoteDrain();
}

// Sends a turn's events under its id.
class Conversation::TurnSink final : public TypedStreamSink {
 public:
  TurnSink(Conversation& conversation, const std::string& turn_id,
           absl::string_view request_id)
      : TypedStreamSink(request_id),
        conversation_(conversation),
        turn_id_(turn_id) {}

  Awaitable<void> Failed(const absl::Status& error) override {
    Events events;
    *events.Add() = FailedEvent(error);
    // A turn that was cancelled may write no more, but its client waits for
    // the end of it.
    auto sending = Send(std::move(events));
    (void)co_await Shielded(std::move(sending));
  }

 private:
  Awaitable<absl::Status> Send(Events events) override {
    ConverseResponse response;
    response.set_turn_id(turn_id_);
    response.mutable_events()->Swap(&events);
    co_return co_await conversation_.Send(std::move(response));
  }

  Conversation& conversation_;
  const std::string& turn_id_;
};

Conversation::Conversation(Conversations& all, ExchangeServices& services,
                           const Arrival& arrival, rpc::Call& call,
                           const ConversationOptions& options,
                           rpc::Source<ConverseRequest>& source,
                           rpc::Sink<ConverseResponse>& sink,
                           const boost::asio::any_io_executor& executor)
    : all_(all),
      services_(services),
      arrival_(arrival),
      call_(call),
      options_(options),
      source_(source),
      sink_(sink),
      executor_(executor),
      watchers_(executor, /*max_parallel=*/2),
      refusals_(executor, options.max_turns_in_flight),
      changed_(executor),
      idle_since_(services.clock->Now()),
      sent_(executor) {
  draining_ = all_.Enter(this);
}

Conversation::~Conversation() { all_.Leave(this); }

void Conversation::NoteDrain() {
  // The conversation may end before this runs, on the same thread.
  boost::asio::post(executor_, [this, alive = std::weak_ptr<bool>(alive_)] {
    if (alive.expired()) return;
    draining_ = true;
    changed_.Pulse();
  });
}

Awaitable<absl::Status> Conversation::Run() {
  watchers_.Start(ReadRequests());
  watchers_.Start(WatchIdleness());
  bool told = false;
  while (true) {
    const bool cancelled = co_await IsCancelled();
    if (cancelled) gone_ = true;
    if (gone_ || timed_out_) break;
    if (draining_ && !told) {
      told = true;
      ConverseResponse response;
      response.set_going_away(true);
      (void)co_await Send(std::move(response));
      continue;
    }
    if ((read_all_ || told) && idle()) break;
    co_await changed_.Wait();
  }
  ending_ = true;
  watchers_.Cancel();
  for (auto& [id, turn] : turns_) {
    // Ending a turn takes it out of the map, but never from inside the
    // emission: its flow is asleep in an operation that completes later.
    const std::shared_ptr<Turn> held = turn;
    boost::asio::post(executor_, [held] {
      held->cancel.emit(boost::asio::cancellation_type::terminal);
    });
  }
  while (!turns_.empty()) co_await changed_.Wait();
  refusals_.Cancel();
  co_await refusals_.Join();
  co_await watchers_.Join();
  if (gone_) co_return services_.Left(arrival_.time, call_.deadline);
  co_return read_error_;
}

Awaitable<void> Conversation::ReadRequests() {
  while (true) {
    auto request = co_await source_.Read();
    if (!request.ok()) {
      const bool cancelled = co_await IsCancelled();
      if (cancelled) break;
      if (absl::IsCancelled(request.status())) {
        gone_ = true;
      } else {
        read_all_ = true;
        read_error_ = request.status();
      }
      break;
    }
    if (!request->has_value()) {
      read_all_ = true;
      break;
    }
    // What was read as the call ended.
    if (ending_) break;
    ConverseRequest& message = **request;
    if (message.has_cancel()) {
      CancelTurn(message.turn_id());
      continue;
    }
    auto turn = std::make_shared<Turn>();
    absl::Status held = HoldBody(message, *turn);
    if (!held.ok()) message.clear_start();
    while (turns_.size() + refusals_.running() >=
           options_.max_turns_in_flight) {
      co_await changed_.Wait();
      const bool cancelled = co_await IsCancelled();
      if (cancelled || ending_) co_return;
    }
    StartTurn(std::move(message), std::move(turn), std::move(held));
  }
  changed_.Pulse();
}

Awaitable<void> Conversation::WatchIdleness() {
  Clock& clock = *services_.clock;
  while (true) {
    const bool slept =
        co_await clock.SleepUntil(idle_since_ + options_.idle_timeout);
    if (!slept) co_return;
    if (!idle()) {
      idle_since_ = clock.Now();
    } else if (clock.Now() >= idle_since_ + options_.idle_timeout) {
      timed_out_ = true;
      changed_.Pulse();
      co_return;
    }
  }
}

Arrival Conversation::ArrivalOfTurn() const {
  Arrival arrival = arrival_;
  arrival.request_id = NewRequestId();
  arrival.time = services_.clock->Now();
  return arrival;
}

absl::Status Conversation::CheckTurnId(const std::string& turn_id) const {
  if (turn_id.empty() || turn_id.size() > kMaxTurnIdBytes) {
    return InvalidParameter("turn_id", "A turn id is 1 to 64 bytes.");
  }
  if (turns_.contains(turn_id)) {
    return InvalidParameter("turn_id", "A turn of this id is in flight.");
  }
  return absl::OkStatus();
}

absl::Status Conversation::HoldBody(const ConverseRequest& request,
                                    Turn& turn) const {
  if (services_.bodies == nullptr) return absl::OkStatus();
  auto permit = services_.bodies->TryAcquire(
      static_cast<int64_t>(request.ByteSizeLong()));
  if (!permit) return Overloaded("Too many requests are in flight.");
  turn.body = *std::move(permit);
  return absl::OkStatus();
}

void Conversation::StartTurn(ConverseRequest request,
                             std::shared_ptr<Turn> turn, absl::Status held) {
  absl::Status refusal = CheckTurnId(request.turn_id());
  if (refusal.ok()) refusal = std::move(held);
  if (refusal.ok() && !request.has_start()) {
    refusal = MissingParameter("start");
  }
  if (refusal.ok() && draining_) refusal = Draining();
  if (!refusal.ok()) {
    refusals_.Start(RefuseTurn(request.turn_id(), std::move(refusal)));
    return;
  }
  const std::string turn_id = request.turn_id();
  turns_.emplace(turn_id, turn);
  Spawn(executor_, RunTurn(std::move(request), turn), turn->cancel.slot(),
        [this, turn, turn_id] {
          turns_.erase(turn_id);
          idle_since_ = services_.clock->Now();
          changed_.Pulse();
        });
}

Awaitable<void> Conversation::RunTurn(ConverseRequest request,
                                      std::shared_ptr<Turn> turn) {
  const Arrival arrival = ArrivalOfTurn();
  const auto& start = request.start();
  TypedReader reader(
      start.chat(), start.has_session() ? &start.session() : nullptr,
      /*stream=*/true, options_.typed, arrival.time, call_.deadline);
  TurnSink sink(*this, request.turn_id(), arrival.request_id);
  Exchange exchange(services_, arrival, sink);
  const absl::Status outcome = co_await exchange.Run(reader);
  // The exchange takes a cancelled flow for a client that left; this one waits
  // for the end of its turn.
  if (turn->cancelled_by_client && !gone_ && !outcome.ok() &&
      !exchange.heard()) {
    co_await sink.Failed(outcome);
  }
}

Awaitable<void> Conversation::RefuseTurn(std::string turn_id,
                                         absl::Status error) {
  common::v1::CallContext context;
  const Arrival arrival = ArrivalOfTurn();
  const bool known = services_.Recognise(arrival, context).ok();
  if (CheckUser(arrival.user, "x-user-id").ok()) {
    context.mutable_account()->set_user(arrival.user.data(),
                                        arrival.user.size());
  }
  services_.End(arrival, known ? &context.account() : nullptr, error);
  TurnSink sink(*this, turn_id, /*request_id=*/"");
  co_await sink.Failed(error);
  changed_.Pulse();
}

void Conversation::CancelTurn(const std::string& turn_id) {
  const auto it = turns_.find(turn_id);
  if (it == turns_.end()) return;
  const std::shared_ptr<Turn> turn = it->second;
  turn->cancelled_by_client = true;
  boost::asio::post(executor_, [turn] {
    turn->cancel.emit(boost::asio::cancellation_type::terminal);
  });
}

Awaitable<absl::Status> Conversation::Send(ConverseResponse response) {
  while (sending_) co_await sent_.Wait();
  sending_ = true;
  absl::Status sent = co_await sink_.Write(std::move(response));
  sending_ = false;
  sent_.Pulse();
  if (!sent.ok()) {
    gone_ = true;
    changed_.Pulse();
  }
  co_return sent;
}

}  // namespace gateway::ingress
