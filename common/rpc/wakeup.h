#ifndef GATEWAY_COMMON_RPC_WAKEUP_H_
#define GATEWAY_COMMON_RPC_WAKEUP_H_

#include <atomic>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/intrusive_ptr.hpp>
#include <optional>
#include <utility>

#include "common/concurrency/awaitable.h"

namespace gateway::rpc {

// Runs `function` on the executor's thread, never inline. The executors of
// flows are io_contexts; going to one directly spares the type erasure.
template <class Function>
void PostTo(const boost::asio::any_io_executor& executor, Function function) {
  using IoExecutor = boost::asio::io_context::executor_type;
  if (const auto* io = executor.target<IoExecutor>()) {
    boost::asio::post(*io, std::move(function));
  } else {
    boost::asio::post(executor, std::move(function));
  }
}

// The shared state of a flow and the reactions that feed it: reference-counted,
// and a place where the flow sleeps until a reaction has something for it. The
// flow waits in a loop over its own condition, as with a condition variable:
//
//   while (!ready) co_await state.Wait();
//
// Many wakes between two waits cost one hand-over between threads, and none
// while the flow is busy.
class Wakeup {
 public:
  explicit Wakeup(boost::asio::any_io_executor executor)
      : executor_(std::move(executor)) {}
  Wakeup(const Wakeup&) = delete;
  Wakeup& operator=(const Wakeup&) = delete;

  const boost::asio::any_io_executor& executor() const { return executor_; }

  // Any thread.
  void Wake();

  // The flow's thread, one flow at a time. Returns after a Wake() that came
  // since the last return, or, if `cancellable`, once the flow is cancelled;
  // sometimes for no reason.
  Awaitable<void> Wait(bool cancellable = true);

  void Ref() { references_.fetch_add(1, std::memory_order_relaxed); }
  void Unref() {
    if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }

 protected:
  virtual ~Wakeup() = default;

 private:
  using Handler = boost::asio::async_result<boost::asio::use_awaitable_t<>,
                                            void()>::handler_type;
  enum State { kBusy, kWaiting, kWoken };

  void PostResume();
  void Resume();

  // Set at construction.
  const boost::asio::any_io_executor executor_;
  // Any thread.
  std::atomic<int> references_{0};
  std::atomic<State> state_{kBusy};
  // The flow's thread.
  std::optional<Handler> handler_;
};

inline void intrusive_ptr_add_ref(Wakeup* wakeup) { wakeup->Ref(); }
inline void intrusive_ptr_release(Wakeup* wakeup) { wakeup->Unref(); }

// Of `co_await boost::asio::this_coro::cancellation_state`.
inline bool FlowCancelled(const boost::asio::cancellation_state& flow) {
  return flow.cancelled() != boost::asio::cancellation_type::none;
}

}  // namespace gateway::rpc

#endif  // GATEWAY_COMMON_RPC_WAKEUP_H_
