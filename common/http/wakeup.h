#ifndef GATEWAY_COMMON_HTTP_WAKEUP_H_
#define GATEWAY_COMMON_HTTP_WAKEUP_H_

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <optional>
#include <utility>

#include "common/concurrency/awaitable.h"

namespace gateway::http {

enum class Wake { kReady, kTimeout, kCancelled };

// Where one coroutine waits for an event of its own io thread. All calls on
// that thread.
class Wakeup {
 public:
  explicit Wakeup(boost::asio::any_io_executor executor)
      : executor_(std::move(executor)) {}

  bool waiting() const { return waiter_.has_value(); }

  // Suspends until Notify, or until the coroutine is cancelled.
  Awaitable<Wake> Wait() {
    Token token;
    return boost::asio::async_initiate<Token, void(Wake)>(
        [this](Waiter waiter) {
          auto slot = boost::asio::get_associated_cancellation_slot(waiter);
          waiter_.emplace(std::move(waiter));
          if (slot.is_connected()) slot.template emplace<Canceller>(this);
        },
        token);
  }

  // Resumes the waiter, if there is one, before it returns: the caller's last
  // act, as the owner may be gone afterwards.
  void Notify(Wake wake) {
    if (waiter_) Take()(wake);
  }

  // Destroys the waiting coroutine.
  void Drop() {
    if (waiter_) Take();
  }

 private:
  using Token = boost::asio::use_awaitable_t<>;
  using Waiter = boost::asio::async_result<Token, void(Wake)>::handler_type;

  struct Canceller {
    explicit Canceller(Wakeup* owner) : wakeup(owner) {}
    void operator()(boost::asio::cancellation_type) {
      if (!wakeup->waiter_) return;
      // A coroutine must not be resumed from inside the emission.
      boost::asio::post(wakeup->executor_, [waiter = wakeup->Take()]() mutable {
        std::move(waiter)(Wake::kCancelled);
      });
    }
    Wakeup* wakeup;
  };

  Waiter Take() {
    Waiter waiter = std::move(*waiter_);
    waiter_.reset();
    return waiter;
  }

  boost::asio::any_io_executor executor_;
  std::optional<Waiter> waiter_;
};

}  // namespace gateway::http

#endif  // GATEWAY_COMMON_HTTP_WAKEUP_H_
