#ifndef GATEWAY_COMMON_RPC_CALL_H_
#define GATEWAY_COMMON_RPC_CALL_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/strings/string_view.h>
#include <absl/time/time.h>

#include <algorithm>
#include <optional>
#include <span>
#include <utility>

#include "common/concurrency/awaitable.h"

// What every way of calling a service shares, with or without gRPC below it.
//
// A call is one coroutine on one io thread. The caller owns the Call, the
// request, the sink and the source, and keeps them until the awaitable has
// returned; the callee holds on to none of them afterwards. Cancellation is
// Asio's: whoever cancels the caller's coroutine, on its io thread, ends the
// call at once with CANCELLED.
namespace gateway::rpc {

// Request metadata as a client of the public API sent it. Immutable; lives as
// long as its call.
class Metadata {
 public:
  virtual ~Metadata() = default;

  // The first value of `key` (lower case); nullopt if it was not sent.
  virtual std::optional<absl::string_view> Get(absl::string_view key) const = 0;
};

// Metadata that goes back ahead of the answer.
class ResponseMetadata {
 public:
  virtual ~ResponseMetadata() = default;

  // For the call's own flow, before its first message and its end. `key` is
  // lower case; both are printable ASCII.
  virtual void Add(absl::string_view key, absl::string_view value) = 0;
};

// What a call carries besides its message.
struct Call {
  // When the caller stops waiting. Every onward call is given this or less.
  absl::Time deadline = absl::InfiniteFuture();

  // Set by servers of the public API only, both; null inside the mesh.
  const Metadata* metadata = nullptr;
  ResponseMetadata* response_metadata = nullptr;

  bool Expired(absl::Time now) const { return now >= deadline; }

  // Never negative; infinite without a deadline.
  absl::Duration Remaining(absl::Time now) const {
    return Expired(now) ? absl::ZeroDuration() : deadline - now;
  }

  // The same call with at most `limit` left from `now`.
  Call Within(absl::Duration limit, absl::Time now) const {
    Call copy = *this;
    copy.deadline = std::min(deadline, now + limit);
    return copy;
  }
};

// Where the messages of a stream go. Used by one coroutine at a time.
template <class T>
class Sink {
 public:
  virtual ~Sink() = default;

  // Returns once the sink can take the next message: awaiting it is the
  // back-pressure. An error (CANCELLED if the reader has left) is final; the
  // writer stops and returns it.
  virtual Awaitable<absl::Status> Write(T message) = 0;

  // Messages that arrived together, in order. The sink may move from them, and
  // overrides this if it can merge them into one run.
  virtual Awaitable<absl::Status> WriteMany(std::span<T> messages) {
    for (T& message : messages) {
      absl::Status written = co_await Write(std::move(message));
      if (!written.ok()) co_return written;
    }
    co_return absl::OkStatus();
  }
};

// Where the messages of a stream come from. Used by one coroutine at a time.
template <class T>
class Source {
 public:
  virtual ~Source() = default;

  // nullopt: the writer has ended the stream. An error is final.
  virtual Awaitable<absl::StatusOr<std::optional<T>>> Read() = 0;
};

}  // namespace gateway::rpc

#endif  // GATEWAY_COMMON_RPC_CALL_H_
