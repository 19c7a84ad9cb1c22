#ifndef GATEWAY_COMMON_CONCURRENCY_AWAITABLE_H_
#define GATEWAY_COMMON_CONCURRENCY_AWAITABLE_H_

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace gateway {

// A flow: a coroutine that runs on one io thread from start to end. It is
// cancelled through Asio's cancellation slot, on that thread.
//
// Three things that GCC 12.2 compiles wrongly, without a warning:
// - `co_await` inside the condition of if, while, for or switch: the frame's
//   layout is wrong, and it crashes, unless the body has a local variable at
//   its outermost level. Await into a variable first.
// - a lambda that captures by copy, written within the co_await expression:
//   destroyed twice. Name it first.
// - an aggregate made from an awaited value, as in `Pair{co_await F()}`:
//   destroyed twice. Await into a variable first.
template <class T>
using Awaitable = boost::asio::awaitable<T>;

// How every Asio operation is awaited: its error code is a value, never an
// exception.
inline constexpr auto kAwait =
    boost::asio::as_tuple(boost::asio::use_awaitable);

}  // namespace gateway

#endif  // GATEWAY_COMMON_CONCURRENCY_AWAITABLE_H_
