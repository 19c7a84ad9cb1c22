#include "services/ingress/http_chat.h"

#include <absl/strings/str_cat.h>

#include <boost/asio/this_coro.hpp>
#include <optional>
#include <utility>

#include "common/concurrency/event.h"
#include "common/concurrency/spawn.h"
#include "common/concurrency/task_group.h"
#include "common/dialect/openai_chat/envelope.h"
#include "common/dialect/openai_chat/error_codec.h"
#include "common/http/sse_writer.h"
#include "common/status/error.h"
#include "services/ingress/http_errors.h"

namespace gateway::ingress {
namespace {

using model_router::v1::Frames;
using model_router::v1::RouteEvent;

std::string SseError(const absl::Status& error) {
  std::string event;
  http::AppendSseData(dialect::openai_chat::EncodeError(error), event);
  return event;
}

// The body, read into the call without a copy.
class BodyReader final : public ChatReader {
 public:
  BodyReader(http::Request& request, const Arrival& arrival,
             const DeadlineOptions& deadline)
      : request_(request), arrival_(arrival), deadline_(deadline) {}

  absl::Status Read(ChatCall& call) override {
    const http::Headers& headers = request_.headers;
    auto envelope = dialect::openai_chat::ReadEnvelope(request_.body);
    if (!envelope.ok()) return envelope.status();
    auto session = SessionWishFromHeaders(headers.Find("x-session-id"),
                                          headers.Find("x-session-mode"),
                                          headers.Find("x-session-turn"));
    if (!session.ok()) return session.status();
    call.session = *std::move(session);
    call.stream = envelope->stream;
    call.assistant_anywhere_but_last = envelope->assistant_anywhere_but_last;
    std::optional<absl::Duration> read_timeout;
    if (const auto header = headers.Find("x-stainless-read-timeout")) {
      read_timeout = ParseReadTimeout(*header);
    }
    call.deadline =
        AnswerDeadline(deadline_, arrival_.time, call.stream, read_timeout);
    call.route.set_model(std::move(envelope->model));
    auto& encoded = *call.route.mutable_encoded();
    encoded.set_dialect(dialect::openai_chat::kDialect.data(),
                        dialect::openai_chat::kDialect.size());
    encoded.set_stream(envelope->stream);
    encoded.set_include_usage(envelope->include_usage);
    encoded.set_framing(model_router::v1::FRAMING_SSE);
    encoded.set_body(std::move(request_.body));
    return absl::OkStatus();
  }

 private:
  http::Request& request_;
  const Arrival& arrival_;
  const DeadlineOptions& deadline_;
};

// Both ways to answer: which one it is, the first event tells.
class HttpSink final : public ExchangeSink {
 public:
  HttpSink(const Arrival& arrival, http::ResponseWriter& writer, Clock& clock,
           absl::Duration heartbeat_interval)
      : writer_(writer),
        clock_(clock),
        heartbeat_interval_(heartbeat_interval),
        request_id_(arrival.request_id) {}

  void SessionBegun(const SessionTurn& turn) override { turn_ = &turn; }

  Awaitable<absl::Status> Run(RouteEvent& event) override {
    co_await TakeTurn();
    BeginStream();
    co_return co_await Send(event.frames().data());
  }

  Awaitable<absl::Status> Completed(RouteEvent& event) override {
    co_await StopHeartbeat();
    if (event.has_answer()) {
      http::Headers headers = AnswerHeaders();
      headers.Add("content-type", kJsonType);
      co_return co_await writer_.Respond(200, headers,
                                         event.answer().encoded());
    }
    BeginStream();
    const Frames& run = event.frames();
    const Frames& last = event.completed().last_frames();
    if (run.data().empty()) co_return co_await writer_.Finish(last.data());
    std::string all = absl::StrCat(run.data(), last.data());
    co_return co_await writer_.Finish(all);
  }

  Awaitable<void> Failed(const absl::Status& error) override {
    co_await StopHeartbeat();
    if (writer_.head_sent()) {
      // No [DONE]: a broken answer must not look like a whole one.
      const std::string event = SseError(error);
      (void)co_await writer_.Finish(event);
      co_return;
    }
    const http::Response response = ErrorResponse(error, request_id_);
    (void)co_await writer_.Respond(response.status, response.headers,
                                   response.body);
  }

  bool begun() const override { return writer_.head_sent(); }

  // The heartbeat starts; the end stops it.
  Awaitable<void> StreamOpened() override {
    const auto executor = co_await boost::asio::this_coro::executor;
    idle_.emplace(executor);
    heartbeat_.emplace(executor, /*max_parallel=*/1);
    last_write_ = clock_.Now();
    heartbeat_->Start(Beat());
  }

  // Idempotent. Waits for a heartbeat that is on its way.
  Awaitable<void> StopHeartbeat() {
    if (!heartbeat_) co_return;
    const bool cancelled = co_await IsCancelled();
    if (cancelled) heartbeat_->Cancel();
    co_await TakeTurn();
    heartbeat_->Cancel();
    co_await heartbeat_->Join();
    writing_ = false;
  }

 private:
  Awaitable<void> Beat() {
    while (true) {
      const absl::Time due = last_write_ + heartbeat_interval_;
      const bool slept = co_await clock_.SleepUntil(due);
      if (!slept) co_return;
      // A run on its way is no silence, even if the client is slow to take it.
      if (writing_) last_write_ = clock_.Now();
      if (writing_ || clock_.Now() < last_write_ + heartbeat_interval_) {
        continue;
      }
      writing_ = true;
      BeginStream();
      const absl::Status sent = co_await Send(http::kSseHeartbeat);
      if (!sent.ok()) co_return;
    }
  }

  // Waits until no heartbeat is on its way and keeps further ones away.
  Awaitable<void> TakeTurn() {
    while (writing_) co_await idle_->Wait();
    writing_ = true;
  }

  Awaitable<absl::Status> Send(absl::string_view data) {
    absl::Status sent = co_await writer_.Write(data);
    last_write_ = clock_.Now();
    writing_ = false;
    if (idle_) idle_->Pulse();
    co_return sent;
  }

  void BeginStream() {
    if (std::exchange(stream_begun_, true)) return;
    http::Headers headers = AnswerHeaders();
    http::AddSseHeaders(headers);
    writer_.StartStream(200, headers);
  }

  // But for what they say of the content.
  http::Headers AnswerHeaders() const {
    http::Headers headers;
    headers.Add("x-request-id", request_id_);
    if (turn_ != nullptr) {
      headers.Add("x-session-id", turn_->session_id());
      headers.Add("x-session-mode", SessionModeName(turn_->mode()));
      headers.Add("x-session-turn", absl::StrCat(turn_->turn_count()));
    }
    return headers;
  }

  http::ResponseWriter& writer_;
  Clock& clock_;
  const absl::Duration heartbeat_interval_;
  const std::string& request_id_;
  const SessionTurn* turn_ = nullptr;
  bool stream_begun_ = false;
  // Of streams only.
  std::optional<TaskGroup> heartbeat_;
  std::optional<Event> idle_;
  absl::Time last_write_;
  // A run or a heartbeat is on its way, or none may be any more.
  bool writing_ = false;
};

}  // namespace

Awaitable<void> HttpChat::Handle(const Arrival& arrival, http::Request& request,
                                 http::ResponseWriter& writer) {
  BodyReader reader(request, arrival, options_.deadline);
  HttpSink sink(arrival, writer, *services_->clock,
                options_.heartbeat_interval);
  Exchange exchange(*services_, arrival, sink);
  (void)co_await exchange.Run(reader);
  co_await sink.StopHeartbeat();
}

}  // namespace gateway::ingress
