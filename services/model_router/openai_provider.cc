#include "services/model_router/openai_provider.h"

#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "common/concurrency/spawn.h"
#include "common/dialect/openai_chat/answer_codec.h"
#include "common/dialect/openai_chat/error_codec.h"
#include "common/dialect/openai_chat/request_codec.h"
#include "common/dialect/openai_chat/splice.h"
#include "common/dialect/openai_chat/usage.h"
#include "common/log/log.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "services/model_router/context_fit.h"
#include "services/model_router/openai_stream.h"

namespace gateway::model_router {
namespace {

namespace openai_chat = dialect::openai_chat;

// The typed request with the stored messages behind its leading system text.
chat::v1::ChatRequest WithStored(const ProviderCall& call) {
  const chat::v1::ChatRequest& asked = call.request->typed().chat();
  chat::v1::ChatRequest chat = asked;
  if (!call.stored.empty() || !call.system_text.empty()) {
    chat.clear_messages();
    if (!call.system_text.empty()) {
      chat::v1::Message& system = *chat.add_messages();
      system.set_role(chat::v1::ROLE_SYSTEM);
      system.add_content()->mutable_text()->set_text(
          std::string(call.system_text));
    }
    int next = 0;
    while (next < asked.messages_size() && IsSystemText(asked.messages(next))) {
      *chat.add_messages() = asked.messages(next++);
    }
    for (const chat::v1::Message* message : call.stored) {
      *chat.add_messages() = *message;
    }
    while (next < asked.messages_size()) {
      *chat.add_messages() = asked.messages(next++);
    }
  }
  const int64_t granted = call.max_output_tokens;
  if (granted > 0 &&
      (!chat.has_max_output_tokens() || chat.max_output_tokens() > granted)) {
    chat.set_max_output_tokens(granted);
  }
  return chat;
}

// What goes out, in pieces that the call or this owns.
struct OutgoingBody {
  dialect::SplicedBody spliced;
  std::string encoded;
  absl::string_view whole;
  std::span<const absl::string_view> segments;
};

absl::Status BuildBody(const ProviderCall& call, bool with_stream_options,
                       OutgoingBody& body) {
  const Provider& provider = *call.target->provider;
  openai_chat::MessageEncoding messages;
  messages.reasoning_field = provider.reasoning_field;
  messages.developer_as_system = provider.developer_as_system;
  if (call.envelope == nullptr) {
    openai_chat::RequestEncoding encoding;
    encoding.model = call.target->model;
    encoding.max_tokens_field = provider.max_tokens_field;
    encoding.messages = messages;
    encoding.stream = call.stream;
    encoding.include_usage = call.stream && with_stream_options;
    ASSIGN_OR_RETURN(body.encoded,
                     openai_chat::EncodeRequest(WithStored(call), encoding,
                                                call.target->row->allow));
    body.whole = body.encoded;
    body.segments = std::span(&body.whole, 1);
    return absl::OkStatus();
  }
  openai_chat::SpliceOptions options;
  options.model = call.target->model;
  options.force_include_usage = with_stream_options;
  options.drop_stream_options = !with_stream_options;
  options.max_output_tokens = call.max_output_tokens;
  options.stored = call.stored;
  options.system_text = call.system_text;
  options.max_tokens_field = provider.max_tokens_field;
  options.messages = messages;
  ASSIGN_OR_RETURN(body.spliced,
                   openai_chat::Splice(call.request->encoded().body(),
                                       *call.envelope, options));
  body.segments = body.spliced.segments();
  return absl::OkStatus();
}

absl::Status Take(dialect::ProviderError error, Answer& answer) {
  answer.other_target = OtherTargetFor(error.kind);
  return std::move(error.status);
}

// What a failure below HTTP means for the caller.
absl::Status TransportFailure(const absl::Status& status,
                              const ProviderCall& call, absl::Time now,
                              Answer& answer) {
  using http::TransportError;
  if (absl::IsCancelled(status)) return ClientClosed();
  const auto kind = http::TransportErrorOf(status);
  // Not of the transport: the resend was refused, and says why.
  if (!kind && DetailOf(status)) return status;
  answer.other_target = OtherTarget::kYes;
  LOG_WARNING_EVERY(absl::Seconds(1), "provider", "attempt failed",
                    {{"target", call.target->id},
                     {"error", kind ? http::Name(*kind) : "other"},
                     {"detail", status.message()}});
  if (!kind) return InternalError();
  switch (*kind) {
    case TransportError::kTimeoutConnect:
      answer.billable = false;
      if (now >= call.limits->deadline()) return call.limits->TimeoutError();
      [[fallthrough]];
    case TransportError::kResolve:
    case TransportError::kConnect:
      answer.billable = false;
      return MakeError(reason::kUpstreamUnavailable,
                       "the model provider cannot be reached");
    case TransportError::kTls:
      answer.billable = false;
      return MakeError(reason::kUpstreamUnavailable,
                       "no trusted connection to the model provider can be "
                       "made");
    case TransportError::kTimeoutHeaders:
    case TransportError::kTimeoutRead:
      return call.limits->TimeoutError();
    case TransportError::kReset:
      return MakeError(reason::kUpstreamBadResponse,
                       "the model provider closed the connection without an "
                       "answer");
    case TransportError::kBadResponse:
      return MakeError(reason::kUpstreamBadResponse,
                       "the model provider's answer is not HTTP as it should "
                       "be");
    case TransportError::kTruncated:
      return MakeError(reason::kUpstreamBadResponse,
                       "the model provider's answer was cut off");
    case TransportError::kBodyTooLarge:
      answer.other_target = OtherTarget::kNo;
      return TooLargeToDeliver();
  }
  return InternalError();
}

absl::string_view HeaderOf(const http::ResponseStream& response,
                           absl::string_view name) {
  return response.headers().Find(name).value_or(absl::string_view());
}

// Reads what is left behind the last event, so that the connection can be used
// again, without making anybody wait for it.
Awaitable<void> Drain(http::ResponseStream response, absl::Time deadline) {
  for (;;) {
    const auto rest = co_await response.Read(deadline);
    if (!rest.ok() || rest->empty()) co_return;
  }
}

// An answer that is no 2xx. `blames_stream_options`: it says that it is they
// that are not liked.
Awaitable<absl::Status> ReadError(http::ResponseStream& response,
                                  const ProviderCall& call, Clock& clock,
                                  Answer& answer, bool& blames_stream_options) {
  answer.billable = false;
  const auto body = co_await response.ReadAll(call.limits->deadline(),
                                              OpenAiProvider::kMaxErrorBytes);
  if (absl::IsCancelled(body.status())) co_return ClientClosed();
  openai_chat::ProviderReply reply;
  reply.http_status = response.status();
  if (body.ok()) reply.body = *body;
  reply.retry_after = HeaderOf(response, "retry-after");
  reply.retry_after_ms = HeaderOf(response, "retry-after-ms");
  reply.now = clock.Now();
  blames_stream_options =
      (reply.http_status == 400 || reply.http_status == 422) &&
      openai_chat::IsAbout(reply, "stream_options");
  co_return Take(openai_chat::DecodeError(reply), answer);
}

// Of a 2xx body that is no answer as it should be: its tokens are paid for all
// the same.
void BookUnusable(absl::string_view body, Answer& answer) {
  std::optional<chat::v1::Usage> usage = openai_chat::FindUsage(body);
  answer.has_usage = usage.has_value();
  if (usage) answer.usage = *std::move(usage);
}

// A whole answer as the caller's bytes.
absl::Status PassAnswer(std::string body, const ProviderCall& call,
                        Answer& answer) {
  auto read = openai_chat::SummarizeAnswer(body);
  if (auto* error = std::get_if<dialect::ProviderError>(&read)) {
    BookUnusable(body, answer);
    return Take(std::move(*error), answer);
  }
  auto& summary = std::get<openai_chat::AnswerSummary>(read);
  answer.id = std::move(summary.id);
  answer.model = std::move(summary.model);
  answer.finish_reason = summary.finish_reason;
  answer.has_usage = summary.usage.has_value();
  if (summary.usage) answer.usage = *std::move(summary.usage);
  answer.output_estimate = EstimateTokens(body.size());
  if (call.want_turn) {
    auto decoded = openai_chat::DecodeAnswer(body);
    if (auto* error = std::get_if<dialect::ProviderError>(&decoded)) {
      return Take(std::move(*error), answer);
    }
    auto& response = std::get<chat::v1::ChatResponse>(decoded);
    if (response.choices_size() > 0) {
      answer.message =
          std::move(*response.mutable_choices(0)->mutable_message());
    }
  }
  answer.last_run.mutable_answer()->set_encoded(std::move(body));
  return absl::OkStatus();
}

// A whole answer in typed form.
absl::Status TranslateAnswer(const std::string& body, const ProviderCall& call,
                             Answer& answer) {
  auto read = openai_chat::DecodeAnswer(body);
  if (auto* error = std::get_if<dialect::ProviderError>(&read)) {
    BookUnusable(body, answer);
    return Take(std::move(*error), answer);
  }
  auto& response = std::get<chat::v1::ChatResponse>(read);
  answer.id = response.id();
  answer.model = response.model();
  answer.has_usage = response.has_usage();
  answer.usage = response.usage();
  answer.output_estimate = EstimateTokens(body.size());
  if (response.choices_size() > 0) {
    answer.finish_reason = response.choices(0).finish_reason();
    if (call.want_turn) answer.message = response.choices(0).message();
  }
  *answer.last_run.mutable_answer()->mutable_typed() = std::move(response);
  return absl::OkStatus();
}

Awaitable<absl::Status> ReadWhole(http::ResponseStream& response,
                                  const ProviderCall& call, Clock& clock,
                                  Answer& answer) {
  auto body =
      co_await response.ReadAll(call.limits->deadline(), call.max_answer_bytes);
  if (!body.ok()) {
    co_return TransportFailure(body.status(), call, clock.Now(), answer);
  }
  if (call.envelope != nullptr) {
    co_return PassAnswer(*std::move(body), call, answer);
  }
  co_return TranslateAnswer(*body, call, answer);
}

// HTTP 200, but no stream: an error in some form, or a server that does not
// know how to stream.
Awaitable<absl::Status> ReadNoStream(http::ResponseStream& response,
                                     const ProviderCall& call, Clock& clock,
                                     Answer& answer) {
  const auto body =
      co_await response.ReadAll(call.limits->deadline(), call.max_answer_bytes);
  if (!body.ok()) {
    co_return TransportFailure(body.status(), call, clock.Now(), answer);
  }
  BookUnusable(*body, answer);
  auto read = openai_chat::SummarizeAnswer(*body);
  if (auto* error = std::get_if<dialect::ProviderError>(&read)) {
    co_return Take(std::move(*error), answer);
  }
  answer.output_estimate = EstimateTokens(body->size());
  co_return Take(dialect::BrokenAnswer("did not stream its answer"), answer);
}

}  // namespace

absl::StatusOr<std::unique_ptr<OpenAiProvider>> OpenAiProvider::Create(
    const Provider& config, Options options, IoPool& io, Clock* clock) {
  std::string path;
  ASSIGN_OR_RETURN(http::Origin origin,
                   http::ParseOrigin(config.base_url, &path));
  std::shared_ptr<const http::TlsTrust> trust;
  if (origin.tls) {
    ASSIGN_OR_RETURN(trust, http::TlsTrust::Create(config.ca_file));
  }
  const std::shared_ptr<http::Resolver> resolver = options.resolver;
  const std::shared_ptr<http::ClientStats> stats = options.stats;
  std::unique_ptr<OpenAiProvider> provider(new OpenAiProvider(
      std::move(origin), absl::StrCat(path, "/chat/completions"),
      std::move(options), io, clock));
  http::ClientOptions client;
  client.max_idle_per_origin = static_cast<size_t>(config.max_idle_connections);
  client.max_connections_per_origin =
      static_cast<size_t>(config.max_connections);
  for (size_t i = 0; i < io.size(); ++i) {
    provider->clients_.push_back(std::make_unique<http::Client>(
        io.At(i), client, trust, resolver, stats));
  }
  return provider;
}

OpenAiProvider::OpenAiProvider(http::Origin origin, std::string target,
                               Options options, IoPool& io, Clock* clock)
    : origin_(std::move(origin)),
      target_(std::move(target)),
      coalesce_(options.coalesce),
      refused_until_(options.target_count),
      io_(io),
      clock_(*clock) {
  for (http::Headers* headers : {&whole_headers_, &stream_headers_}) {
    headers->Add("content-type", "application/json");
    headers->Add("accept", headers == &whole_headers_ ? "application/json"
                                                      : "text/event-stream");
    headers->Add("user-agent", "agent-gateway");
    if (!options.key.empty()) {
      headers->Add("authorization", absl::StrCat("Bearer ", options.key));
    }
  }
}

OpenAiProvider::~OpenAiProvider() {
  for (size_t i = 0; i < clients_.size(); ++i) {
    boost::asio::post(io_.At(i), [client = std::move(clients_[i])] {});
  }
}

Awaitable<absl::Status> OpenAiProvider::Call(const ProviderCall& call,
                                             AnswerSink& sink, Answer& answer) {
  const bool refuses =
      absl::ToUnixSeconds(clock_.Now()) <
      refused_until_[call.target->index].load(std::memory_order_relaxed);
  Sending sending{.with_stream_options = call.stream && !refuses};
  absl::Status status = co_await Send(call, sink, answer, sending);
  if (!sending.blamed_stream_options) co_return status;
  sending.before = std::move(status);
  answer.other_target = OtherTarget::kNo;
  sending.with_stream_options = false;
  co_return co_await Send(call, sink, answer, sending);
}

void OpenAiProvider::RememberRefusal(const Target& target) {
  refused_until_[target.index].store(
      absl::ToUnixSeconds(clock_.Now() + kRefusalMemory),
      std::memory_order_relaxed);
  LOG_INFO("provider", "target takes no stream_options, so tells no usage",
           {{"target", target.id}});
}

Awaitable<absl::Status> OpenAiProvider::Send(const ProviderCall& call,
                                             AnswerSink& sink, Answer& answer,
                                             Sending& sending) {
  OutgoingBody body;
  CO_RETURN_IF_ERROR(BuildBody(call, sending.with_stream_options, body));

  http::Headers headers = call.stream ? stream_headers_ : whole_headers_;
  headers.Add("x-request-id", call.request->context().request_id());
  http::ClientRequest request;
  request.origin = &origin_;
  request.target = target_;
  request.headers = &headers;
  request.body = body.segments;
  request.connect_timeout = call.limits->connect_timeout();
  request.deadline = call.limits->deadline();
  const std::function<absl::Status()> before_resend = [&call] {
    return call.before_send(
        MakeError(reason::kUpstreamBadResponse,
                  "a kept connection was closed under the request"));
  };
  request.before_resend = &before_resend;

  CO_RETURN_IF_ERROR(call.before_send(sending.before));
  answer.billable = true;
  http::Client& client = *clients_[IoPool::CurrentIndex().value_or(0)];
  auto response = co_await client.Send(request);
  if (!response.ok()) {
    co_return TransportFailure(response.status(), call, clock_.Now(), answer);
  }
  if (response->status() < 200 || response->status() > 299) {
    bool blames_stream_options = false;
    const absl::Status error = co_await ReadError(
        *response, call, clock_, answer, blames_stream_options);
    sending.blamed_stream_options =
        sending.with_stream_options && blames_stream_options;
    co_return error;
  }
  if (sending.blamed_stream_options) RememberRefusal(*call.target);
  call.limits->OnHead();
  if (!call.stream) {
    co_return co_await ReadWhole(*response, call, clock_, answer);
  }
  if (!absl::StartsWithIgnoreCase(HeaderOf(*response, "content-type"),
                                  "text/event-stream")) {
    co_return co_await ReadNoStream(*response, call, clock_, answer);
  }
  co_return co_await RelayStream(*response, call, sink, answer);
}

Awaitable<absl::Status> OpenAiProvider::RelayStream(
    http::ResponseStream& response, const ProviderCall& call, AnswerSink& sink,
    Answer& answer) {
  OpenAiStream stream(call, answer);
  while (!stream.over()) {
    const auto bytes = co_await response.Read(call.limits->deadline());
    if (!bytes.ok()) {
      co_return TransportFailure(bytes.status(), call, clock_.Now(), answer);
    }
    if (bytes->empty()) {
      stream.FeedEnd();
      break;
    }
    bool token = false;
    if (stream.Feed(*bytes, token)) {
      call.limits->OnEvents(clock_.Now(), token);
    }
    if (stream.over()) break;
    v1::RouteEvent run = stream.TakeRun();
    if (run.run_case() == v1::RouteEvent::RUN_NOT_SET) continue;
    CO_RETURN_IF_ERROR(co_await sink.Write(std::move(run), token));
    if (coalesce_ > absl::ZeroDuration()) {
      co_await clock_.SleepFor(coalesce_);
      const bool cancelled = co_await IsCancelled();
      if (cancelled) co_return ClientClosed();
    }
    call.limits->OnResumed(clock_.Now());
  }
  const absl::Status finished = stream.Finish();
  if (finished.ok() && !response.complete()) {
    SpawnDetached(co_await boost::asio::this_coro::executor,
                  Drain(std::move(response), clock_.Now() + absl::Seconds(1)));
  }
  co_return finished;
}

}  // namespace gateway::model_router
