#ifndef GATEWAY_TESTS_SUPPORT_TEST_STREAMS_H_
#define GATEWAY_TESTS_SUPPORT_TEST_STREAMS_H_

#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include "common/concurrency/event.h"
#include "common/concurrency/spawn.h"
#include "common/rpc/call.h"

namespace gateway {

// Messages that a test pushes. All on one io thread.
template <class T>
class TestSource final : public rpc::Source<T> {
 public:
  explicit TestSource(const boost::asio::any_io_executor& executor)
      : changed_(executor) {}

  void Push(T message) {
    messages_.push_back(std::move(message));
    changed_.Pulse();
  }
  // The writer has said all.
  void End() {
    ended_ = true;
    changed_.Pulse();
  }
  // Reads fail from now on.
  void Break(absl::Status status) {
    broken_ = std::move(status);
    changed_.Pulse();
  }

  Awaitable<absl::StatusOr<std::optional<T>>> Read() override {
    while (true) {
      if (!messages_.empty()) {
        std::optional<T> message(std::move(messages_.front()));
        messages_.pop_front();
        co_return message;
      }
      if (!broken_.ok()) co_return broken_;
      if (ended_) co_return std::nullopt;
      co_await changed_.Wait();
      const bool cancelled = co_await IsCancelled();
      if (cancelled) co_return absl::CancelledError();
    }
  }

 private:
  Event changed_;
  std::deque<T> messages_;
  bool ended_ = false;
  absl::Status broken_;
};

// Keeps what is written to it.
template <class T>
class TestSink final : public rpc::Sink<T> {
 public:
  Awaitable<absl::Status> Write(T message) override {
    if (!broken.ok()) co_return broken;
    messages.push_back(std::move(message));
    co_return absl::OkStatus();
  }

  std::vector<T> messages;
  absl::Status broken;
};

}  // namespace gateway

#endif  // GATEWAY_TESTS_SUPPORT_TEST_STREAMS_H_
