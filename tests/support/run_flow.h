#ifndef GATEWAY_TESTS_SUPPORT_RUN_FLOW_H_
#define GATEWAY_TESTS_SUPPORT_RUN_FLOW_H_

#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/io_context.hpp>
#include <optional>
#include <utility>

#include "common/concurrency/awaitable.h"
#include "common/concurrency/spawn.h"

namespace gateway {

// A flow of a test, on an io_context that the test itself runs. The test steps
// time and peers in between, then looks at what came out.
template <class T>
class TestFlow {
 public:
  TestFlow(boost::asio::io_context& io, Awaitable<T> flow) : io_(io) {
    Spawn(io.get_executor(), Keep(std::move(flow)), cancel_.slot(), nullptr);
    Poll();
  }
  TestFlow(const TestFlow&) = delete;
  TestFlow& operator=(const TestFlow&) = delete;

  // Runs what can run now.
  void Poll() {
    io_.restart();
    io_.poll();
  }

  void Cancel() {
    cancel_.emit(boost::asio::cancellation_type::terminal);
    Poll();
  }

  bool done() const { return result_.has_value(); }
  // Precondition: done.
  T& result() { return *result_; }

 private:
  Awaitable<void> Keep(Awaitable<T> flow) {
    result_.emplace(co_await std::move(flow));
  }

  boost::asio::io_context& io_;
  boost::asio::cancellation_signal cancel_;
  std::optional<T> result_;
};

inline Awaitable<bool> ThenTrue(Awaitable<void> flow) {
  co_await std::move(flow);
  co_return true;
}

// For a flow without a result.
class VoidTestFlow : public TestFlow<bool> {
 public:
  VoidTestFlow(boost::asio::io_context& io, Awaitable<void> flow)
      : TestFlow<bool>(io, ThenTrue(std::move(flow))) {}
};

}  // namespace gateway

#endif  // GATEWAY_TESTS_SUPPORT_RUN_FLOW_H_
