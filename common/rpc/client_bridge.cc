#include "common/rpc/client_bridge.h"

#include <absl/strings/match.h>
#include <absl/time/clock.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <exception>

#include "common/status/grpc_status.h"

namespace gateway::rpc {

namespace asio = boost::asio;

namespace {

class PumpWakeup final : public Wakeup {
 public:
  using Wakeup::Wakeup;
};

Awaitable<void> Root(Awaitable<void> flow) {
  co_await asio::this_coro::throw_if_cancelled(false);
  co_await std::move(flow);
}

// What gRPC refuses by itself. A peer that says no has a reason.
absl::Status TooMuch(absl::string_view text) {
  if (absl::StartsWith(text, "Sent message larger")) {
    return MakeError(reason::kRequestTooLarge,
                     "The request and its conversation are too large.");
  }
  if (absl::StartsWith(text, "Received message larger")) {
    return InternalError().NoRetry();
  }
  return Overloaded("A part of the gateway has too much to do.");
}

}  // namespace

ClientCall::ClientCall(asio::any_io_executor executor, const Call& call)
    : Wakeup(std::move(executor)) {
  if (call.deadline != absl::InfiniteFuture()) {
    context_.set_deadline(absl::ToChronoTime(call.deadline));
  }
}

Awaitable<absl::Status> ClientCall::Admit(const Call& call) {
  const auto flow = co_await asio::this_coro::cancellation_state;
  if (FlowCancelled(flow)) co_return ClientClosed().Build();
  if (call.Expired(absl::Now())) co_return DeadlineExceeded().Build();
  co_return absl::OkStatus();
}

absl::Status ClientCall::result() const {
  if (status_.ok()) return absl::OkStatus();
  absl::Status status = FromGrpcStatus(status_);
  if (DetailOf(status)) return status;
  // gRPC's own words for what has a reason of ours.
  if (absl::IsDeadlineExceeded(status)) return DeadlineExceeded();
  // A flow that was cancelled itself never gets here: it was the peer, which
  // stopped as the call arrived.
  if (absl::IsCancelled(status)) {
    return MakeError(reason::kUnavailable, "The peer is shutting down.");
  }
  if (status.code() == absl::StatusCode::kResourceExhausted) {
    return TooMuch(status.message());
  }
  return status;
}

void ClientCall::ReactToDone(const grpc::Status& status) {
  status_ = status;
  done_.store(true, std::memory_order_release);
  Wake();
  Unref();
}

ClientPump::ClientPump(const asio::any_io_executor& executor)
    : wakeup_(new PumpWakeup(executor)) {}

void ClientPump::StopPump() {
  stopped_ = true;
  cancel_.emit(asio::cancellation_type::terminal);
}

Awaitable<void> ClientPump::JoinPump(ClientCall& call) {
  StopPump();
  while (pumping_) co_await call.Wait(/*cancellable=*/false);
}

void ClientPump::Spawn(boost::intrusive_ptr<ClientCall> self,
                       Awaitable<void> flow) {
  pumping_ = true;
  const asio::any_io_executor executor = self->executor();
  asio::co_spawn(
      executor, Root(std::move(flow)),
      asio::bind_cancellation_slot(
          cancel_.slot(), [self = std::move(self)](std::exception_ptr) {}));
}

Awaitable<void> ClientPump::AwaitWrite() {
  while (writing_.load(std::memory_order_acquire)) {
    co_await wakeup_->Wait(/*cancellable=*/false);
  }
}

void ClientPump::EndPump(ClientCall& call) {
  pumping_ = false;
  call.Wake();
}

void ClientPump::ReactToWrite(bool ok) {
  if (!ok) failed_.store(true);
  writing_.store(false, std::memory_order_release);
  wakeup_->Wake();
}

}  // namespace gateway::rpc
