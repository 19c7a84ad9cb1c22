#ifndef GATEWAY_COMMON_CONCURRENCY_SPAWN_H_
#define GATEWAY_COMMON_CONCURRENCY_SPAWN_H_

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <functional>

#include "common/concurrency/awaitable.h"

// The ways to start a flow. All of them: cancellation is seen as an error code
// and never thrown; any type of cancellation is heeded; an exception that
// escapes the flow (none of ours does) is reported on stderr and ends the flow
// alone. The flow starts on the executor's thread, in a turn of its own.
namespace gateway {

// Nobody waits for it and nothing cancels it: only for flows that own all
// they use and end by themselves.
void SpawnDetached(const boost::asio::any_io_executor& executor,
                   Awaitable<void> flow);

// `cancel` emits to the flow, on the executor's thread; emit
// `cancellation_type::terminal`. `done`, if set, runs on that thread when the
// flow has ended, also by an exception. The signal that owns the slot must
// live until then.
void Spawn(const boost::asio::any_io_executor& executor, Awaitable<void> flow,
           boost::asio::cancellation_slot cancel, std::function<void()> done);

// Inside a flow: whether it has been cancelled. An operation that begins after
// the cancellation is not cut short by it, so loops ask.
Awaitable<bool> IsCancelled();

// Lets other flows of this thread run.
Awaitable<void> Yield();

}  // namespace gateway

#endif  // GATEWAY_COMMON_CONCURRENCY_SPAWN_H_
