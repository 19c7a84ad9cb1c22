#include "services/ingress/http_api.h"

#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>

#include <optional>
#include <string>
#include <utility>

#include "common/clients/request_id.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "services/ingress/http_errors.h"
#include "services/ingress/models_json.h"

namespace gateway::ingress {
namespace {

constexpr absl::string_view kChatPath = "/v1/chat/completions";
constexpr absl::string_view kModelsPath = "/v1/models";
constexpr absl::string_view kModelPrefix = "/v1/models/";

// Bodies up to this size are read before their key is looked at: once.
constexpr uint64_t kTrustedBodyBytes = 16 * 1024;

absl::string_view HeaderOr(const http::Headers& headers,
                           absl::string_view name) {
  const auto value = headers.Find(name);
  return value ? *value : absl::string_view();
}

absl::string_view Credential(const http::Headers& headers) {
  if (const auto authorization = headers.Find("authorization")) {
    const absl::string_view token = BearerToken(*authorization);
    if (!token.empty()) return token;
  }
  const absl::string_view key = HeaderOr(headers, "x-api-key");
  return key.empty() ? HeaderOr(headers, "api-key") : key;
}

Method MethodOf(absl::string_view path) {
  if (path == kChatPath) return Method::kChatCompletions;
  if (path == kModelsPath || absl::StartsWith(path, kModelPrefix)) {
    return Method::kModels;
  }
  return Method::kOther;
}

absl::string_view VerbOf(Method method) {
  return method == Method::kChatCompletions ? "POST" : "GET";
}

bool IsVerbOf(Method method, absl::string_view verb) {
  return verb == VerbOf(method) ||
         (method == Method::kModels && verb == "HEAD");
}

absl::Status UnknownPath(absl::string_view verb, absl::string_view path) {
  return MakeError(reason::kNotFound,
                   absl::StrCat("There is nothing at ", verb, " ", path, "."));
}

absl::Status WrongVerb(absl::string_view verb, absl::string_view path) {
  return MakeError(reason::kMethodNotAllowed,
                   absl::StrCat(verb, " is not allowed on ", path, "."));
}

Arrival ArrivalOf(const http::Request& request, Method method,
                  const Clock& clock) {
  const http::Headers& headers = request.headers;
  Arrival arrival;
  arrival.protocol = Protocol::kHttp;
  arrival.method = method;
  arrival.request_id = NewRequestId();
  arrival.time = clock.Now();
  arrival.credential = Credential(headers);
  arrival.user = HeaderOr(headers, "x-user-id");
  arrival.client_request_id = HeaderOr(headers, "x-client-request-id");
  arrival.traceparent = HeaderOr(headers, "traceparent");
  return arrival;
}

}  // namespace

std::optional<http::Response> HttpApi::OnHead(const http::Request& request) {
  const bool small = request.content_length
                         ? *request.content_length <= kTrustedBodyBytes
                         : !request.headers.Has("transfer-encoding");
  if (small && !request.headers.Has("expect")) return std::nullopt;
  const Method method = MethodOf(request.path());
  absl::Status refusal;
  if (method == Method::kOther) {
    refusal = UnknownPath(request.method, request.path());
  } else if (!IsVerbOf(method, request.method)) {
    refusal = WrongVerb(request.method, request.path());
  } else {
    refusal =
        services_->keys->Authenticate(Credential(request.headers)).status();
  }
  if (refusal.ok()) return std::nullopt;
  services_->metrics->RequestEnded(Protocol::kHttp, method,
                                   EndClassOf(refusal));
  http::Response response = ErrorResponse(refusal, NewRequestId());
  if (response.status == 405) {
    response.headers.Add("allow", VerbOf(method));
  }
  return response;
}

Awaitable<void> HttpApi::Handle(http::Request& request,
                                http::ResponseWriter& writer) {
  const Method method = MethodOf(request.path());
  const Arrival arrival = ArrivalOf(request, method, *services_->clock);
  if (method == Method::kChatCompletions && request.method == "POST") {
    co_await chat_.Handle(arrival, request, writer);
    co_return;
  }
  const http::Response response = Answer(arrival, request);
  (void)co_await writer.Respond(response.status, response.headers,
                                response.body);
}

http::Response HttpApi::Answer(const Arrival& arrival,
                               const http::Request& request) {
  absl::StatusOr<std::string> body;
  common::v1::CallContext context;
  if (arrival.method == Method::kOther) {
    body = UnknownPath(request.method, request.path());
  } else if (!IsVerbOf(arrival.method, request.method)) {
    body = WrongVerb(request.method, request.path());
  } else {
    body = Models(arrival, request.path(), context);
  }
  services_->metrics->RequestEnded(arrival.protocol, arrival.method,
                                   EndClassOf(body.status()));
  if (context.has_account()) {
    services_->reporter->Add(
        services_->RecordOf(arrival, context.account(), body.status()));
  }
  if (!body.ok()) {
    http::Response response = ErrorResponse(body.status(), arrival.request_id);
    if (response.status == 405) {
      response.headers.Add("allow", VerbOf(arrival.method));
    }
    return response;
  }
  http::Response response;
  response.headers.Add("content-type", kJsonType);
  response.headers.Add("x-request-id", arrival.request_id);
  response.body = *std::move(body);
  return response;
}

absl::StatusOr<std::string> HttpApi::Models(const Arrival& arrival,
                                            absl::string_view path,
                                            common::v1::CallContext& context) {
  ASSIGN_OR_RETURN(ApiKey* const caller,
                   services_->Recognise(arrival, context));
  const auto catalogue = services_->catalogue->snapshot();
  if (catalogue == nullptr) {
    return MakeError(reason::kUnavailable,
                     "The models are not known yet. Please try again.")
        .Build();
  }
  if (path == kModelsPath) return ModelsJson(catalogue->Visible(*caller));
  const std::string name = DecodePath(path.substr(kModelPrefix.size()));
  const auto* model = catalogue->Find(name);
  // A model that the key may not use is not there for it.
  if (model == nullptr || !caller->Allows(name))
    return ModelNotFound(name).Build();
  return ModelJson(*model);
}

}  // namespace gateway::ingress
