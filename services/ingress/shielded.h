#ifndef GATEWAY_SERVICES_INGRESS_SHIELDED_H_
#define GATEWAY_SERVICES_INGRESS_SHIELDED_H_

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

#include "common/concurrency/awaitable.h"

namespace gateway::ingress {

// Runs `flow` to its end even if the caller is cancelled meanwhile or has been
// before: for what must be put in order behind a client that left. `flow`
// bounds its own time.
template <class T>
Awaitable<T> Shielded(Awaitable<T> flow) {
  const auto executor = co_await boost::asio::this_coro::executor;
  co_return co_await boost::asio::co_spawn(
      executor, std::move(flow),
      boost::asio::bind_cancellation_slot(boost::asio::cancellation_slot(),
                                          boost::asio::use_awaitable));
}

}  // namespace gateway::ingress

#endif  // GATEWAY_SERVICES_INGRESS_SHIELDED_H_
