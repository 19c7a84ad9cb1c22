#ifndef GATEWAY_COMMON_RPC_CLIENT_BRIDGE_H_
#define GATEWAY_COMMON_RPC_CLIENT_BRIDGE_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <grpcpp/client_context.h>
#include <grpcpp/support/client_callback.h>

#include <atomic>
#include <boost/asio/cancellation_signal.hpp>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "common/rpc/call.h"
#include "common/rpc/inbox.h"
#include "common/rpc/wakeup.h"
#include "common/status/error.h"

// From flows to gRPC's reactions. A client is one line a method:
//
//   Awaitable<absl::Status> Route(rpc::Call& call, const RouteRequest& request,
//                                 rpc::Sink<RouteEvent>& sink) override {
//     return rpc::CallServerStream(*stub_->async(), &Stub::Route, call,
//     request,
//                                  sink);
//   }
//
// The flow stays on its io thread. It fails at once if the peer cannot be
// reached, carries the call's deadline, and when it is cancelled so is the
// call, without waiting for the peer. Errors come back with their details.
namespace gateway::rpc {

// A call on its way to a peer; see the templates below. Outlives its flow until
// gRPC is done with it.
class ClientCall : public Wakeup {
 public:
  ClientCall(boost::asio::any_io_executor executor, const Call& call);

  grpc::ClientContext& context() { return context_; }

  // OK if the call may start: the flow is not cancelled and has time left.
  static Awaitable<absl::Status> Admit(const Call& call);

  bool done() const { return done_.load(std::memory_order_acquire); }
  // What the peer said. Only once done().
  absl::Status result() const;

 protected:
  void ReactToDone(const grpc::Status& status);

 private:
  grpc::ClientContext context_;
  grpc::Status status_;
  std::atomic<bool> done_{false};
};

// Gives up on the call when the flow leaves before its end.
template <class T>
class ClientCallHandle {
 public:
  explicit ClientCallHandle(T* call) : call_(call) {}
  ClientCallHandle(const ClientCallHandle&) = delete;
  ClientCallHandle& operator=(const ClientCallHandle&) = delete;
  ~ClientCallHandle() {
    if (started_ && !call_->done()) call_->Abandon();
  }

  // gRPC holds a reference until OnDone.
  void Start() {
    started_ = true;
    call_->Ref();
    call_->StartCall();
  }

  T* operator->() const { return call_.get(); }
  T& operator*() const { return *call_; }

 private:
  const boost::intrusive_ptr<T> call_;
  bool started_ = false;
};

template <class Response>
class UnaryClientCall final : public ClientCall,
                              public grpc::ClientUnaryReactor {
 public:
  using ClientCall::ClientCall;

  Response response;

  void Abandon() { context().TryCancel(); }
  void OnDone(const grpc::Status& status) override { ReactToDone(status); }
};

// The reading half of a client's stream: what has arrived goes to the sink in
// runs.
template <class Derived, class Response>
class ClientReader {
 public:
  // Hands over what has arrived. Returns an error of the sink; OK with `idle`
  // set if there was nothing to hand over.
  Awaitable<absl::Status> Deliver(Sink<Response>& sink, bool& idle) {
    bool ended = false;
    idle = !inbox_.Take(batch_, ended);
    if (idle) co_return absl::OkStatus();
    absl::Status written;
    if (batch_.size() == 1) {
      written = co_await sink.Write(std::move(batch_.front()));
    } else {
      written = co_await sink.WriteMany(std::span<Response>(batch_));
    }
    batch_.clear();
    if (inbox_.Release()) {
      Derived& self = static_cast<Derived&>(*this);
      self.StartRead(&inbox_.slot());
      self.RemoveHold();
    }
    co_return written;
  }

  // The peer will send nothing more.
  bool ended() const { return ended_.load(); }

 protected:
  void StartReading() {
    static_cast<Derived&>(*this).StartRead(&inbox_.slot());
  }

  void StopReading() {
    if (inbox_.Close()) static_cast<Derived&>(*this).RemoveHold();
  }

  void ReactToRead(bool ok) {
    Derived& self = static_cast<Derived&>(*this);
    if (!ok) {
      ended_.store(true);
    } else if (inbox_.Add([&] { self.AddHold(); })) {
      self.StartRead(&inbox_.slot());
    }
    self.Wake();
  }

 private:
  Inbox<Response> inbox_;
  std::atomic<bool> ended_{false};
  // The flow's thread.
  std::vector<Response> batch_;
};

// The writing half of a client's stream: a flow of its own beside the caller's,
// which moves messages from the source to the peer. gRPC's OnDone waits for it.
class ClientPump {
 public:
  ClientPump(const boost::asio::any_io_executor& executor);

  // The flow's thread.
  // Cancels a pending Read of the source.
  void StopPump();
  // Returns once the source is not used any more. For calls abandoned before:
  // a write on its way is waited for.
  Awaitable<void> JoinPump(ClientCall& call);
  // Why the source failed; OK if it did not.
  const absl::Status& source_status() const { return source_status_; }

 protected:
  // `self` holds the call while the flow runs.
  void Spawn(boost::intrusive_ptr<ClientCall> self, Awaitable<void> flow);
  Awaitable<void> AwaitWrite();
  void EndPump(ClientCall& call);
  void ReactToWrite(bool ok);

  // The flow's thread.
  bool pumping_ = false;
  bool stopped_ = false;
  absl::Status source_status_;
  // Any thread.
  std::atomic<bool> writing_{false};
  std::atomic<bool> failed_{false};

 private:
  // The pump sleeps apart from the caller's flow.
  const boost::intrusive_ptr<Wakeup> wakeup_;
  boost::asio::cancellation_signal cancel_;
};

template <class Derived, class Request>
class ClientWriter : public ClientPump {
 public:
  using ClientPump::ClientPump;

  // After Start(). `source` outlives the pump.
  void StartPump(Source<Request>& source) {
    Spawn(&static_cast<Derived&>(*this), Pump(source));
  }

 private:
  Awaitable<void> Pump(Source<Request>& source) {
    Derived& self = static_cast<Derived&>(*this);
    while (!stopped_ && !failed_.load()) {
      absl::StatusOr<std::optional<Request>> read = co_await source.Read();
      co_await AwaitWrite();
      if (!read.ok()) {
        source_status_ = std::move(read).status();
        break;
      }
      if (stopped_ || failed_.load()) break;
      if (!read->has_value()) {
        self.StartWritesDone();
        break;
      }
      message_ = **std::move(read);
      writing_.store(true);
      self.StartWrite(&message_);
    }
    co_await AwaitWrite();
    EndPump(self);
    self.RemoveHold();
  }

  // The flow's thread; gRPC's while a write is on its way.
  Request message_;
};

template <class Response>
class ServerStreamClientCall final
    : public ClientCall,
      public grpc::ClientReadReactor<Response>,
      public ClientReader<ServerStreamClientCall<Response>, Response> {
 public:
  using ClientCall::ClientCall;

  void StartCall() {
    this->StartReading();
    grpc::ClientReadReactor<Response>::StartCall();
  }
  void Abandon() {
    context().TryCancel();
    this->StopReading();
  }

  void OnReadDone(bool ok) override { this->ReactToRead(ok); }
  void OnDone(const grpc::Status& status) override { ReactToDone(status); }
};

template <class Request, class Response>
class ClientStreamClientCall final
    : public ClientCall,
      public grpc::ClientWriteReactor<Request>,
      public ClientWriter<ClientStreamClientCall<Request, Response>, Request> {
 public:
  ClientStreamClientCall(boost::asio::any_io_executor executor,
                         const Call& call)
      : ClientCall(executor, call),
        ClientWriter<ClientStreamClientCall, Request>(executor) {}

  Response response;

  void StartCall() {
    this->AddHold();
    grpc::ClientWriteReactor<Request>::StartCall();
  }
  void Abandon() { context().TryCancel(); }

  // The peer answers, or the call has failed. A server of ours sends no head
  // before it has read all or wants no more, and gRPC tells no other way.
  bool answered() const { return answered_.load(); }

  void OnReadInitialMetadataDone(bool) override {
    answered_.store(true);
    Wake();
  }
  void OnWriteDone(bool ok) override { this->ReactToWrite(ok); }
  void OnDone(const grpc::Status& status) override { ReactToDone(status); }

 private:
  std::atomic<bool> answered_{false};
};

template <class Request, class Response>
class BidiClientCall final
    : public ClientCall,
      public grpc::ClientBidiReactor<Request, Response>,
      public ClientReader<BidiClientCall<Request, Response>, Response>,
      public ClientWriter<BidiClientCall<Request, Response>, Request> {
 public:
  BidiClientCall(boost::asio::any_io_executor executor, const Call& call)
      : ClientCall(executor, call),
        ClientWriter<BidiClientCall, Request>(executor) {}

  void StartCall() {
    this->AddHold();
    this->StartReading();
    grpc::ClientBidiReactor<Request, Response>::StartCall();
  }
  void Abandon() {
    context().TryCancel();
    this->StopReading();
  }

  void OnReadDone(bool ok) override { this->ReactToRead(ok); }
  void OnWriteDone(bool ok) override { this->ReactToWrite(ok); }
  void OnDone(const grpc::Status& status) override { ReactToDone(status); }
};

// `stub` is `stub->async()` of the generated stub; `method` its member that
// takes a reactor: `&Service::StubInterface::async_interface::Method`.
template <class Stub, class Request, class Response>
Awaitable<absl::StatusOr<Response>> CallUnary(
    std::type_identity_t<Stub>* stub,
    void (Stub::*method)(grpc::ClientContext*, const Request*, Response*,
                         grpc::ClientUnaryReactor*),
    const Call& call, const Request& request) {
  const auto executor = co_await boost::asio::this_coro::executor;
  absl::Status admitted = co_await ClientCall::Admit(call);
  if (!admitted.ok()) co_return admitted;

  ClientCallHandle rpc(new UnaryClientCall<Response>(executor, call));
  (stub->*method)(&rpc->context(), &request, &rpc->response, &*rpc);
  rpc.Start();
  while (!rpc->done()) {
    const auto flow = co_await boost::asio::this_coro::cancellation_state;
    if (FlowCancelled(flow)) co_return ClientClosed().Build();
    co_await rpc->Wait();
  }
  absl::Status result = rpc->result();
  if (!result.ok()) co_return result;
  co_return std::move(rpc->response);
}

// Messages reach `sink` in order, those that arrived together in one WriteMany.
// An error of the sink cancels the call and is returned.
template <class Stub, class Request, class Response>
Awaitable<absl::Status> CallServerStream(
    std::type_identity_t<Stub>* stub,
    void (Stub::*method)(grpc::ClientContext*, const Request*,
                         grpc::ClientReadReactor<Response>*),
    const Call& call, const Request& request, Sink<Response>& sink) {
  const auto executor = co_await boost::asio::this_coro::executor;
  absl::Status admitted = co_await ClientCall::Admit(call);
  if (!admitted.ok()) co_return admitted;

  ClientCallHandle rpc(new ServerStreamClientCall<Response>(executor, call));
  (stub->*method)(&rpc->context(), &request, &*rpc);
  rpc.Start();
  while (true) {
    const bool done = rpc->done();
    bool idle = false;
    absl::Status written = co_await rpc->Deliver(sink, idle);
    if (!written.ok()) co_return written;
    if (idle && done) co_return rpc->result();
    const auto flow = co_await boost::asio::this_coro::cancellation_state;
    if (FlowCancelled(flow)) co_return ClientClosed().Build();
    if (idle) co_await rpc->Wait();
  }
}

// An error of `source` cancels the call and is returned. A peer that answers
// before the source has ended cancels a pending Read.
template <class Stub, class Request, class Response>
Awaitable<absl::StatusOr<Response>> CallClientStream(
    std::type_identity_t<Stub>* stub,
    void (Stub::*method)(grpc::ClientContext*, Response*,
                         grpc::ClientWriteReactor<Request>*),
    const Call& call, Source<Request>& source) {
  const auto executor = co_await boost::asio::this_coro::executor;
  absl::Status admitted = co_await ClientCall::Admit(call);
  if (!admitted.ok()) co_return admitted;

  ClientCallHandle rpc(
      new ClientStreamClientCall<Request, Response>(executor, call));
  (stub->*method)(&rpc->context(), &rpc->response, &*rpc);
  rpc.Start();
  rpc->StartPump(source);
  absl::Status failed;
  while (failed.ok() && !rpc->done()) {
    const auto flow = co_await boost::asio::this_coro::cancellation_state;
    if (FlowCancelled(flow)) {
      failed = ClientClosed();
    } else if (!rpc->source_status().ok() && !rpc->answered()) {
      failed = rpc->source_status();
    } else {
      if (rpc->answered()) rpc->StopPump();
      co_await rpc->Wait();
    }
  }
  if (!failed.ok()) {
    rpc->Abandon();
    co_await rpc->JoinPump(*rpc);
    co_return failed;
  }
  absl::Status result = rpc->result();
  if (!result.ok()) co_return result;
  co_return std::move(rpc->response);
}

// Both at once. An error of `source` or `sink` cancels the call and is
// returned. A peer that ends its stream first cancels a pending Read.
template <class Stub, class Request, class Response>
Awaitable<absl::Status> CallBidi(
    std::type_identity_t<Stub>* stub,
    void (Stub::*method)(grpc::ClientContext*,
                         grpc::ClientBidiReactor<Request, Response>*),
    const Call& call, Source<Request>& source, Sink<Response>& sink) {
  const auto executor = co_await boost::asio::this_coro::executor;
  absl::Status admitted = co_await ClientCall::Admit(call);
  if (!admitted.ok()) co_return admitted;

  ClientCallHandle rpc(new BidiClientCall<Request, Response>(executor, call));
  (stub->*method)(&rpc->context(), &*rpc);
  rpc.Start();
  rpc->StartPump(source);
  absl::Status failed;
  while (failed.ok()) {
    const bool done = rpc->done();
    bool idle = false;
    failed = co_await rpc->Deliver(sink, idle);
    if (!failed.ok()) break;
    if (idle && done) co_return rpc->result();
    const auto flow = co_await boost::asio::this_coro::cancellation_state;
    if (FlowCancelled(flow)) {
      failed = ClientClosed();
    } else if (!rpc->source_status().ok() && !rpc->ended()) {
      failed = rpc->source_status();
    } else if (idle) {
      if (rpc->ended()) rpc->StopPump();
      co_await rpc->Wait();
    }
  }
  rpc->Abandon();
  co_await rpc->JoinPump(*rpc);
  co_return failed;
}

}  // namespace gateway::rpc

#endif  // GATEWAY_COMMON_RPC_CLIENT_BRIDGE_H_
