#ifndef GATEWAY_SERVICES_INGRESS_TYPED_CHAT_H_
#define GATEWAY_SERVICES_INGRESS_TYPED_CHAT_H_

#include <absl/status/status.h>
#include <absl/strings/string_view.h>
#include <absl/time/time.h>

#include <cstdint>
#include <optional>
#include <string>

#include "gateway/agent/v1/agent.pb.h"
#include "services/ingress/deadline.h"
#include "services/ingress/exchange.h"

// How gRPC's messages become a chat call, and a chat call's events become
// gRPC's messages.
namespace gateway::ingress {

// What bounds a typed request.
struct TypedOptions {
  DeadlineOptions deadline;
  // Of the chat as a message.
  int64_t max_body_bytes = 32 << 20;
};

// Reads a typed request. Everything outlives it.
class TypedReader final : public ChatReader {
 public:
  // `session` is null without one. `client_deadline` is the call's own.
  TypedReader(const chat::v1::ChatRequest& chat,
              const agent::v1::SessionRef* session, bool stream,
              const TypedOptions& options, absl::Time start,
              absl::Time client_deadline)
      : chat_(chat),
        session_(session),
        stream_(stream),
        options_(options),
        start_(start),
        client_deadline_(client_deadline) {}

  absl::Status Read(ChatCall& call) override;

 private:
  const chat::v1::ChatRequest& chat_;
  const agent::v1::SessionRef* const session_;
  const bool stream_;
  const TypedOptions& options_;
  const absl::Time start_;
  const absl::Time client_deadline_;
};

// Fills one whole answer.
class TypedAnswerSink final : public ExchangeSink {
 public:
  TypedAnswerSink(absl::string_view request_id,
                  agent::v1::ChatResponse& response)
      : request_id_(request_id), response_(response) {}

  void SessionBegun(const SessionTurn& turn) override { turn_ = &turn; }
  void Started(const model_router::v1::Started& started) override;
  Awaitable<absl::Status> Run(model_router::v1::RouteEvent& event) override;
  Awaitable<absl::Status> Completed(
      model_router::v1::RouteEvent& event) override;
  Awaitable<void> Failed(const absl::Status&) override { co_return; }
  // The answer and the status of a unary call go out together.
  bool begun() const override { return false; }

 private:
  const absl::string_view request_id_;
  agent::v1::ChatResponse& response_;
  const SessionTurn* turn_ = nullptr;
  int64_t dropped_turns_ = 0;
};

// Turns a stream's events into those of gRPC; a derived class sends them.
class TypedStreamSink : public ExchangeSink {
 public:
  using Events = google::protobuf::RepeatedPtrField<agent::v1::ChatEvent>;

  explicit TypedStreamSink(absl::string_view request_id)
      : request_id_(request_id) {}

  void SessionBegun(const SessionTurn& turn) override { turn_ = &turn; }
  void Started(const model_router::v1::Started& started) override;
  Awaitable<absl::Status> Run(model_router::v1::RouteEvent& event) override;
  Awaitable<absl::Status> Completed(
      model_router::v1::RouteEvent& event) override;
  bool begun() const override { return begun_; }

 protected:
  // Sends events, one or more, in order.
  virtual Awaitable<absl::Status> Send(Events events) = 0;

  static agent::v1::ChatEvent FailedEvent(const absl::Status& error);

 private:
  void AddStarted(Events& events);

  const absl::string_view request_id_;
  const SessionTurn* turn_ = nullptr;
  // Sent together with the first run.
  std::optional<agent::v1::ChatEvent> started_;
  int64_t dropped_turns_ = 0;
  bool begun_ = false;
};

}  // namespace gateway::ingress

#endif  // GATEWAY_SERVICES_INGRESS_TYPED_CHAT_H_
