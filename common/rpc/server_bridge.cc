#include "common/rpc/server_bridge.h"

#include <absl/strings/match.h>
#include <absl/time/clock.h>

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
                       DrainRule drain_rule)
    : Wakeup(bridge.io.Next().get_executor()),
      calls_(bridge.calls),
      context_(context),
      drain_rule_(drain_rule) {
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
  if (call_.Expired(absl::Now())) {
    calls_.Leave(this);
    return Conclude(DeadlineExceeded());
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
  if (status.ok()) return SendStatus(grpc::Status::OK);
  if (const auto pushback = RetryPushbackMs(status)) {
    context_->AddTrailingMetadata(kRetryPushbackTrailer, *pushback);
  }
  SendStatus(ToGrpcStatus(status));
}

}  // namespace gateway::rpc
