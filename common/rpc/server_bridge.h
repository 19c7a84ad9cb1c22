#ifndef GATEWAY_COMMON_RPC_SERVER_BRIDGE_H_
#define GATEWAY_COMMON_RPC_SERVER_BRIDGE_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <google/protobuf/message.h>
#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <atomic>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "common/concurrency/io_pool.h"
#include "common/rpc/call.h"
#include "common/rpc/call_tracker.h"
#include "common/rpc/inbox.h"
#include "common/rpc/wakeup.h"
#include "common/status/error.h"

// From gRPC's reactions to flows. A generated CallbackService forwards each
// method in one line:
//
//   grpc::ServerUnaryReactor* PlanBatch(grpc::CallbackServerContext* context,
//                                       const PlanBatchRequest* request,
//                                       PlanBatchResponse* response) override {
//     return rpc::ServeUnary(bridge_, context, *request, response,
//                            [=](rpc::Call& call) {
//                              return service_->PlanBatch(call, *request);
//                            });
//   }
//
// The function is called on an io thread and its awaitable runs there to its
// end. When the client leaves, or its deadline passes, the flow is cancelled;
// a call whose deadline has passed on arrival, or whose request is over the
// bound on bytes held (CallLimits), is answered without running it; of a stream
// of requests, the Read fails that exceeds it. A client
// that takes no message for CallLimits::write_timeout loses its call.
// Reactions post to the io thread and decide nothing. Errors go out with their
// details, and with the trailer `grpc-retry-pushback-ms` where there is advice.
namespace gateway::rpc {

// Where the calls of a server run and are counted. Both outlive the server.
struct ServerBridge {
  IoPool& io;
  CallTracker& calls;
  // Calls carry the client's metadata: for public services only.
  bool expose_metadata = false;
};

// A call on its way through a server; see the templates below.
class ServerCall : public Wakeup, public TrackedCall {
 public:
  // Any thread. Cancels the flow; the client sees UNAVAILABLE `draining`.
  void EndForDrain();

  DrainRule drain_rule() const { return drain_rule_; }

  // gRPC's in-process transport may lose a message that is sent together with
  // the status.
  bool LosesLastMessage() const;

  // For the halves of a stream; the io thread, while the call lives.
  // A message begins its way out.
  void NoteWrite() { write_began_ = std::chrono::steady_clock::now(); }
  // Cancels the call if the newest write takes longer than the limit.
  void WatchWrites();
  // Counts a message of a stream of requests until Release, or in place of the
  // last one; false if that is over the bound.
  bool Hold(const google::protobuf::Message& message);
  void Release() { body_.Release(); }

 protected:
  // `request` is null if it comes as a stream.
  ServerCall(const ServerBridge& bridge, grpc::CallbackServerContext* context,
             DrainRule drain_rule, const google::protobuf::Message* request);
  ~ServerCall() override;

  // The factory's last step; gRPC holds a reference until OnDone.
  void Launch();

  // What the reactions do.
  void ReactToCancel();
  void ReactToDone();

  // The io thread.
  virtual Awaitable<absl::Status> Handle(Call& call) = 0;
  // Whether the status has to wait for a write on its way.
  virtual bool Writing() { return false; }
  // Whether the client has still to take a message.
  virtual bool WriteUnderWay() const { return false; }
  // Exactly once, after Handle, with no write in flight.
  virtual void SendStatus(grpc::Status status) = 0;

 private:
  class ContextMetadata;

  void Begin();
  Awaitable<void> Run();
  void Conclude(absl::Status status);
  bool HoldBytes(int64_t bytes);
  void AwaitWriteTimeout(std::chrono::steady_clock::time_point began,
                         std::shared_ptr<grpc_call> call);
  void OnWriteTimeout(std::shared_ptr<grpc_call> call);

  // Set at construction.
  CallTracker& calls_;
  grpc::CallbackServerContext* const context_;
  const DrainRule drain_rule_;
  const int64_t request_bytes_;
  std::unique_ptr<ContextMetadata> metadata_;
  // The io thread.
  Call call_;
  boost::asio::cancellation_signal cancel_;
  bool ended_for_drain_ = false;
  bool concluded_ = false;
  ConcurrencyLimit::Permit body_;
  std::chrono::steady_clock::time_point write_began_;
  // Made by the first write that has to wait.
  std::optional<boost::asio::steady_timer> write_watch_;
  // Any thread.
  std::atomic<bool> watching_{false};
  std::atomic<bool> done_{false};
};

// Messages that are larger wait for their reader, even as the first.
inline constexpr size_t kMaxUnwatchedBytes = 64 * 1024;

// The writing half of a server's stream. One message is on its way at a time;
// the newest waits for the end of this turn of the io thread, so that a flow
// that ends right behind its last message sends both in one piece.
template <class Derived, class Response>
class ServerSink : public Sink<Response> {
 public:
  Awaitable<absl::Status> Write(Response message) final {
    Derived& self = static_cast<Derived&>(*this);
    Flush();
    while (true) {
      const auto flow = co_await boost::asio::this_coro::cancellation_state;
      if (failed_.load() || FlowCancelled(flow)) {
        co_return ClientClosed().Build();
      }
      if (!writing()) break;
      self.WatchWrites();
      co_await self.WriteWakeup().Wait();
    }
    message_ = std::move(message);
    held_ = true;
    PostTo(self.executor(),
           [call = boost::intrusive_ptr<Derived>(&self)] { call->Flush(); });
    co_return absl::OkStatus();
  }

 protected:
  void ReactToWrite(bool ok) {
    Derived& self = static_cast<Derived&>(*this);
    if (!ok) failed_.store(true);
    writing_.store(false, std::memory_order_release);
    if (&self.WriteWakeup() != &self) self.WriteWakeup().Wake();
    self.Wake();
  }

  // Where a writer sleeps. A call that reads and writes at once has two flows,
  // and hides this.
  Wakeup& WriteWakeup() { return static_cast<Derived&>(*this); }

  bool writing() const { return writing_.load(std::memory_order_acquire); }

  bool EndWrites() {
    if (held_ && static_cast<Derived&>(*this).LosesLastMessage()) Flush();
    return writing();
  }

  void SendLast(grpc::Status status) {
    Derived& self = static_cast<Derived&>(*this);
    if (std::exchange(held_, false) && !failed_.load()) {
      self.NoteWrite();
      if (message_.ByteSizeLong() > kMaxUnwatchedBytes) self.WatchWrites();
      self.StartWriteAndFinish(&message_, grpc::WriteOptions(),
                               std::move(status));
    } else {
      self.Finish(std::move(status));
    }
  }

 private:
  void Flush() {
    if (!std::exchange(held_, false)) return;
    static_cast<Derived&>(*this).NoteWrite();
    writing_.store(true);
    static_cast<Derived&>(*this).StartWrite(&message_);
  }

  // The io thread; gRPC's while `writing_`.
  Response message_;
  bool held_ = false;
  // Any thread.
  std::atomic<bool> writing_{false};
  std::atomic<bool> failed_{false};
};

// The reading half of a server's stream.
template <class Derived, class Request>
class ServerSource : public Source<Request> {
 public:
  Awaitable<absl::StatusOr<std::optional<Request>>> Read() final {
    Derived& self = static_cast<Derived&>(*this);
    self.LetGo();
    while (next_ == batch_.size()) {
      batch_.clear();
      next_ = 0;
      if (inbox_.Release()) self.StartRead(&inbox_.slot());
      bool ended = false;
      if (inbox_.Take(batch_, ended)) break;
      if (ended) {
        const bool whole = co_await self.EndedWhole();
        if (whole) co_return std::nullopt;
        co_return ClientClosed().Build();
      }
      const auto flow = co_await boost::asio::this_coro::cancellation_state;
      if (FlowCancelled(flow)) {
        co_return ClientClosed().Build();
      }
      co_await self.Wait();
    }
    if (!self.Keep(batch_[next_])) {
      co_return Overloaded("Too many requests are in flight.").Build();
    }
    co_return std::move(batch_[next_++]);
  }

 protected:
  // Before the status goes out.
  void StopReading() { inbox_.Close(); }

  void StartReading() {
    static_cast<Derived&>(*this).StartRead(&inbox_.slot());
  }

  void ReactToRead(bool ok) {
    Derived& self = static_cast<Derived&>(*this);
    if (!ok) {
      inbox_.End();
    } else if (inbox_.Add([] {})) {
      self.StartRead(&inbox_.slot());
    }
    self.Wake();
  }

 private:
  Inbox<Request> inbox_;
  // The io thread.
  std::vector<Request> batch_;
  size_t next_ = 0;
};

template <class Response, class Function>
class UnaryServerCall final : public ServerCall,
                              public grpc::ServerUnaryReactor {
 public:
  UnaryServerCall(const ServerBridge& bridge,
                  grpc::CallbackServerContext* context,
                  const google::protobuf::Message& request, Response* response,
                  Function function)
      : ServerCall(bridge, context, DrainRule::kFinish, &request),
        response_(response),
        function_(std::move(function)) {
    Launch();
  }

  void OnCancel() override { ReactToCancel(); }
  void OnDone() override { ReactToDone(); }

 private:
  Awaitable<absl::Status> Handle(Call& call) override {
    absl::StatusOr<Response> response = co_await function_(call);
    if (response.ok()) *response_ = *std::move(response);
    co_return response.status();
  }
  void SendStatus(grpc::Status status) override {
    NoteWrite();
    if (response_->ByteSizeLong() > kMaxUnwatchedBytes) WatchWrites();
    Finish(std::move(status));
  }

  Response* const response_;
  Function function_;
};

template <class Response, class Function>
class ServerStreamServerCall final
    : public ServerCall,
      public grpc::ServerWriteReactor<Response>,
      public ServerSink<ServerStreamServerCall<Response, Function>, Response> {
 public:
  ServerStreamServerCall(const ServerBridge& bridge,
                         grpc::CallbackServerContext* context,
                         const google::protobuf::Message& request,
                         Function function, DrainRule drain_rule)
      : ServerCall(bridge, context, drain_rule, &request),
        function_(std::move(function)) {
    Launch();
  }

  void OnCancel() override { ReactToCancel(); }
  void OnDone() override { ReactToDone(); }
  void OnWriteDone(bool ok) override { this->ReactToWrite(ok); }

 private:
  Awaitable<absl::Status> Handle(Call& call) override {
    return function_(call, static_cast<Sink<Response>&>(*this));
  }
  bool Writing() override { return this->EndWrites(); }
  bool WriteUnderWay() const override { return this->writing(); }
  void SendStatus(grpc::Status status) override {
    this->SendLast(std::move(status));
  }

  Function function_;
};

template <class Request, class Response, class Function>
class ClientStreamServerCall final
    : public ServerCall,
      public grpc::ServerReadReactor<Request>,
      public ServerSource<ClientStreamServerCall<Request, Response, Function>,
                          Request> {
 public:
  ClientStreamServerCall(const ServerBridge& bridge,
                         grpc::CallbackServerContext* context,
                         Response* response, Function function,
                         DrainRule drain_rule)
      : ServerCall(bridge, context, drain_rule, nullptr),
        response_(response),
        function_(std::move(function)) {
    this->StartReading();
    Launch();
  }

  void OnCancel() override { ReactToCancel(); }
  void OnDone() override { ReactToDone(); }
  void OnReadDone(bool ok) override { this->ReactToRead(ok); }
  void OnSendInitialMetadataDone(bool ok) override {
    head_.store(ok ? kSent : kFailed);
    Wake();
  }

  // gRPC does not tell a client that has said all from one that has left. Only
  // the former still takes the response's head.
  Awaitable<bool> EndedWhole() {
    if (head_.load() == kNone) {
      head_.store(kSending);
      this->StartSendInitialMetadata();
    }
    while (head_.load() == kSending) co_await Wait(/*cancellable=*/false);
    co_return head_.load() == kSent;
  }
  // A message is counted from its Read to the next one.
  bool Keep(const Request& request) { return Hold(request); }
  void LetGo() { Release(); }

 private:
  enum Head { kNone, kSending, kSent, kFailed };

  Awaitable<absl::Status> Handle(Call& call) override {
    absl::StatusOr<Response> response =
        co_await function_(call, static_cast<Source<Request>&>(*this));
    if (response.ok()) *response_ = *std::move(response);
    co_return response.status();
  }
  void SendStatus(grpc::Status status) override {
    this->StopReading();
    this->Finish(std::move(status));
  }

  Response* const response_;
  Function function_;
  std::atomic<Head> head_{kNone};
};

template <class Request, class Response, class Function>
class BidiServerCall final
    : public ServerCall,
      public grpc::ServerBidiReactor<Request, Response>,
      public ServerSource<BidiServerCall<Request, Response, Function>, Request>,
      public ServerSink<BidiServerCall<Request, Response, Function>, Response> {
 public:
  BidiServerCall(const ServerBridge& bridge,
                 grpc::CallbackServerContext* context, Function function,
                 DrainRule drain_rule)
      : ServerCall(bridge, context, drain_rule, nullptr),
        function_(std::move(function)) {
    this->StartReading();
    Launch();
  }

  void OnCancel() override { ReactToCancel(); }
  void OnDone() override { ReactToDone(); }
  void OnReadDone(bool ok) override { this->ReactToRead(ok); }
  void OnWriteDone(bool ok) override { this->ReactToWrite(ok); }

  Awaitable<bool> EndedWhole() { co_return true; }
  // Many may be in hand at once, and for long: the function counts them.
  bool Keep(const Request&) { return true; }
  void LetGo() {}

 private:
  Awaitable<absl::Status> Handle(Call& call) override {
    return function_(call, static_cast<Source<Request>&>(*this),
                     static_cast<Sink<Response>&>(*this));
  }
  bool Writing() override { return this->EndWrites(); }
  bool WriteUnderWay() const override { return this->writing(); }
  void SendStatus(grpc::Status status) override {
    this->StopReading();
    this->SendLast(std::move(status));
  }

  friend class ServerSink<BidiServerCall<Request, Response, Function>,
                          Response>;

  class WriterWakeup final : public Wakeup {
   public:
    using Wakeup::Wakeup;
  };
  Wakeup& WriteWakeup() { return *write_wakeup_; }

  Function function_;
  const boost::intrusive_ptr<WriterWakeup> write_wakeup_{
      new WriterWakeup(executor())};
};

// `function`: Awaitable<absl::StatusOr<Response>>(Call&). The response of an
// error is not sent.
template <class Response, class Function>
grpc::ServerUnaryReactor* ServeUnary(const ServerBridge& bridge,
                                     grpc::CallbackServerContext* context,
                                     const google::protobuf::Message& request,
                                     Response* response, Function function) {
  return new UnaryServerCall<Response, Function>(bridge, context, request,
                                                 response, std::move(function));
}

// `function`: Awaitable<absl::Status>(Call&, Sink<Response>&).
template <class Response, class Function>
grpc::ServerWriteReactor<Response>* ServeServerStream(
    const ServerBridge& bridge, grpc::CallbackServerContext* context,
    const google::protobuf::Message& request, Function function,
    DrainRule drain_rule = DrainRule::kFinish) {
  return new ServerStreamServerCall<Response, Function>(
      bridge, context, request, std::move(function), drain_rule);
}

// `function`: Awaitable<absl::StatusOr<Response>>(Call&, Source<Request>&). The
// source ends with nullopt only if the client has said all; if it left, Read
// returns CANCELLED.
template <class Request, class Response, class Function>
grpc::ServerReadReactor<Request>* ServeClientStream(
    const ServerBridge& bridge, grpc::CallbackServerContext* context,
    Response* response, Function function,
    DrainRule drain_rule = DrainRule::kFinish) {
  return new ClientStreamServerCall<Request, Response, Function>(
      bridge, context, response, std::move(function), drain_rule);
}

// `function`: Awaitable<absl::Status>(Call&, Source<Request>&,
// Sink<Response>&). When the client leaves, the source may end with nullopt
// just before the flow is cancelled. What is read is not counted against
// CallLimits::bodies: the function knows how long it holds each message.
template <class Request, class Response, class Function>
grpc::ServerBidiReactor<Request, Response>* ServeBidi(
    const ServerBridge& bridge, grpc::CallbackServerContext* context,
    Function function, DrainRule drain_rule = DrainRule::kFinish) {
  return new BidiServerCall<Request, Response, Function>(
      bridge, context, std::move(function), drain_rule);
}

}  // namespace gateway::rpc

#endif  // GATEWAY_COMMON_RPC_SERVER_BRIDGE_H_
