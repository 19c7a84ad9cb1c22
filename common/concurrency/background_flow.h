#ifndef GATEWAY_COMMON_CONCURRENCY_BACKGROUND_FLOW_H_
#define GATEWAY_COMMON_CONCURRENCY_BACKGROUND_FLOW_H_

#include <absl/time/time.h>

#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <future>
#include <utility>

#include "common/concurrency/awaitable.h"
#include "common/concurrency/spawn.h"

namespace gateway {

// A flow on an io thread, driven by a plain thread.
class BackgroundFlow {
 public:
  explicit BackgroundFlow(boost::asio::io_context& io) : io_(io) {}
  ~BackgroundFlow() { Stop(); }
  BackgroundFlow(const BackgroundFlow&) = delete;
  BackgroundFlow& operator=(const BackgroundFlow&) = delete;

  // Again only after Stop or Await.
  void Start(Awaitable<void> flow) {
    end_ = {};
    ended_ = end_.get_future();
    Spawn(io_.get_executor(), std::move(flow), cancel_.slot(),
          [this] { end_.set_value(); });
  }

  // Blocks until it has ended: by itself within `grace`, or cancelled after it.
  // Idempotent. Not on an io thread, as the next.
  void Stop(absl::Duration grace = absl::ZeroDuration()) {
    if (!ended_.valid()) return;
    const auto ended = ended_.wait_for(absl::ToChronoNanoseconds(grace));
    if (ended != std::future_status::ready) {
      boost::asio::post(io_, [this] {
        cancel_.emit(boost::asio::cancellation_type::terminal);
      });
    }
    Await();
  }

  // Blocks until it has ended by itself. Idempotent.
  void Await() {
    if (ended_.valid()) ended_.wait();
    ended_ = {};
  }

 private:
  boost::asio::io_context& io_;
  boost::asio::cancellation_signal cancel_;  // of the io thread
  std::promise<void> end_;
  std::future<void> ended_;
};

}  // namespace gateway

#endif  // GATEWAY_COMMON_CONCURRENCY_BACKGROUND_FLOW_H_
