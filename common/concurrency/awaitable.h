#ifndef GATEWAY_COMMON_CONCURRENCY_AWAITABLE_H_
#define GATEWAY_COMMON_CONCURRENCY_AWAITABLE_H_

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace gateway {

// A flow: a coroutine that runs on one io thread from start to end. It is
// cancelled through Asio's cancellation slot, on that thread.
template <class T>
using Awaitable = boost::asio::awaitable<T>;

// How every Asio operation is awaited: its error code is a value, never an
// exception.
inline constexpr auto kAwait =
    boost::asio::as_tuple(boost::asio::use_awaitable);

}  // namespace gateway

#endif  // GATEWAY_COMMON_CONCURRENCY_AWAITABLE_H_
