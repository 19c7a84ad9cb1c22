#include "common/rpc/wakeup.h"

#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/async_result.hpp>

namespace gateway::rpc {

namespace asio = boost::asio;

void Wakeup::Wake() {
  if (state_.exchange(kWoken) == kWaiting) PostResume();
}

void Wakeup::PostResume() {
  PostTo(executor_,
         [self = boost::intrusive_ptr<Wakeup>(this)] { self->Resume(); });
}

void Wakeup::Resume() {
  if (!handler_) return;
  Handler handler = std::move(*handler_);
  handler_.reset();
  handler();
}

Awaitable<void> Wakeup::Wait(bool cancellable) {
  if (state_.exchange(kBusy) == kWoken) co_return;
  if (cancellable) {
    const auto flow = co_await asio::this_coro::cancellation_state;
    if (FlowCancelled(flow)) co_return;
  }
  auto park = [this, cancellable](auto handler) {
    auto slot = asio::get_associated_cancellation_slot(handler);
    if (cancellable && slot.is_connected()) {
      // Resuming from inside the slot would destroy what is running.
      slot.assign([this](asio::cancellation_type) { PostResume(); });
    }
    handler_.emplace(std::move(handler));
    State busy = kBusy;
    if (!state_.compare_exchange_strong(busy, kWaiting)) PostResume();
  };
  co_await asio::async_initiate<const asio::use_awaitable_t<>&, void()>(
      std::move(park), asio::use_awaitable);
  state_.store(kBusy);
}

}  // namespace gateway::rpc
