#include "common/rpc/server_bridge.h"

#include <absl/strings/match.h>
#include <absl/time/clock.h>
#include <grpc/grpc.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <chrono>
#include <exception>

#include "common/status/grpc_status.h"

namespace gateway::rpc {

namespace asio = boost::asio;

namespace {

absl::Time DeadlineOf(const grpc::CallbackServerContext& context) {
  const auto deadline = context.deadline();
  return deadline == std::chrono::system_clock::time_point::max()
             ? absl::InfiniteFuture()
             : absl::FromChrono(deadline);
}

}  // namespace

class ServerCall::ContextMetadata final : public Metadata,
                                          public ResponseMetadata {
 public:
  explicit ContextMetadata(grpc::CallbackServerContext* context)
      : context_(context) {}

  std::optional<absl::string_view> Get(absl::string_view key) const override {
    const auto& metadata = context_->client_metadata();
    const auto found = metadata.find(grpc::string_ref(key.data(), key.size()));
    if (found == metadata.end()) return std::nullopt;
    return absl::string_view(found->second.data(), found->second.size());
  }

  void Add(absl::string_view key, absl::string_view value) override {
    context_->AddInitialMetadata(std::string(key), std::string(value));
  }

 private:
  grpc::CallbackServerContext* const context_;
};

ServerCall::ServerCall(const ServerBridge& bridge,
                       grpc::CallbackServerContext* context,
                       DrainRule drain_rule,
                       const google::protobuf::Message* request)
    : Wakeup(bridge.io.Next().get_executor()),
      calls_(bridge.calls),
      context_(context),
      drain_rule_(drain_rule),
      request_bytes_(request == nullptr ||
                             bridge.calls.limits_.bodies == nullptr
                         ? 0
                         : static_cast<int64_t>(request->ByteSizeLong())) {
  call_.deadline = DeadlineOf(*context);
  if (bridge.expose_metadata) {
    metadata_ = std::make_unique<ContextMetadata>(context);
    call_.metadata = metadata_.get();
    call_.response_metadata = metadata_.get();
  }
}

ServerCall::~ServerCall() = default;

void ServerCall::Launch() {
  Ref();
  PostTo(executor(),
         [self = boost::intrusive_ptr<ServerCall>(this)] { self->Begin(); });
}

void ServerCall::ReactToCancel() {
  PostTo(executor(), [self = boost::intrusive_ptr<ServerCall>(this)] {
    self->cancel_.emit(asio::cancellation_type::terminal);
  });
}

void ServerCall::ReactToDone() {
  calls_.Concluded();
  done_.store(true);
  if (watching_.load()) {
    PostTo(executor(), [self = boost::intrusive_ptr<ServerCall>(this)] {
      self->write_watch_->cancel();
    });
  }
  Unref();
}

void ServerCall::WatchWrites() {
  if (write_watch_) return;
  write_watch_.emplace(executor());
  watching_.store(true);
  // Its end is told on another thread.
  grpc_call* const call = context_->c_call();
  grpc_call_ref(call);
  AwaitWriteTimeout(write_began_,
                    std::shared_ptr<grpc_call>(call, grpc_call_unref));
}

void ServerCall::AwaitWriteTimeout(std::chrono::steady_clock::time_point began,
                                   std::shared_ptr<grpc_call> call) {
  write_watch_->expires_at(
      began + absl::ToChronoNanoseconds(calls_.limits_.write_timeout));
  write_watch_->async_wait(
      [self = boost::intrusive_ptr<ServerCall>(this),
       call = std::move(call)](boost::system::error_code error) mutable {
        if (!error) self->OnWriteTimeout(std::move(call));
      });
}

void ServerCall::OnWriteTimeout(std::shared_ptr<grpc_call> call) {
  if (done_.load()) return;
  const auto now = std::chrono::steady_clock::now();
  if (!WriteUnderWay() && !concluded_) return AwaitWriteTimeout(now, call);
  if (now - write_began_ <
      absl::ToChronoNanoseconds(calls_.limits_.write_timeout)) {
    return AwaitWriteTimeout(write_began_, call);
  }
  calls_.stats_.write_timeouts.fetch_add(1, std::memory_order_relaxed);
  // The write fails, and the flow is cancelled.
  grpc_call_cancel_with_status(call.get(), GRPC_STATUS_CANCELLED,
                               "The client took no message for too long.",
                               nullptr);
}

bool ServerCall::Hold(const google::protobuf::Message& message) {
  return calls_.limits_.bodies == nullptr ||
         HoldBytes(static_cast<int64_t>(message.ByteSizeLong()));
}

bool ServerCall::HoldBytes(int64_t bytes) {
  body_.Release();
  if (bytes == 0) return true;
  auto permit = calls_.limits_.bodies->TryAcquire(bytes);
  if (!permit) {
    calls_.stats_.refused.fetch_add(1, std::memory_order_relaxed);
    return false;
  }
  body_ = *std::move(permit);
  return true;
}

void ServerCall::EndForDrain() {
  PostTo(executor(), [self = boost::intrusive_ptr<ServerCall>(this)] {
    self->ended_for_drain_ = true;
    self->cancel_.emit(asio::cancellation_type::terminal);
  });
}

bool ServerCall::LosesLastMessage() const {
  // That transport has no name for its peer; the others begin with their kind.
  return !absl::StartsWith(context_->peer(), "ip");
}

void ServerCall::Begin() {
  if (!calls_.Enter(this)) return Conclude(Draining());
  absl::Status refusal;
  if (call_.Expired(absl::Now())) {
    refusal = DeadlineExceeded();
  } else if (!HoldBytes(request_bytes_)) {
    refusal = Overloaded("Too many requests are in flight.");
  }
  if (!refusal.ok()) {
    calls_.Leave(this);
    return Conclude(std::move(refusal));
  }
  asio::co_spawn(executor(), Run(),
                 asio::bind_cancellation_slot(
                     cancel_.slot(), [self = boost::intrusive_ptr<ServerCall>(
                                          this)](std::exception_ptr) {}));
}

Awaitable<void> ServerCall::Run() {
  co_await asio::this_coro::throw_if_cancelled(false);
  absl::Status status;
  try {
    status = co_await Handle(call_);
  } catch (...) {
    status = InternalError();
  }
  while (Writing()) co_await Wait(/*cancellable=*/false);
  calls_.Leave(this);
  if (ended_for_drain_ && !status.ok()) status = Draining();
  Conclude(std::move(status));
}

void ServerCall::Conclude(absl::Status status) {
  concluded_ = true;
  body_.Release();
  if (status.ok()) return SendStatus(grpc::Status::OK);
  if (const auto pushback = RetryPushbackMs(status)) {
    context_->AddTrailingMetadata(kRetryPushbackTrailer, *pushback);
  }
  SendStatus(ToGrpcStatus(status));
}

}  // namespace gateway::rpc
