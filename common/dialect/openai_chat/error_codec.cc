#include "common/dialect/openai_chat/error_codec.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/dialect/json_write.h"
#include "common/status/error.h"

namespace gateway::dialect::openai_chat {
namespace {

// What stands in an error object, where its strings live.
struct ErrorText {
  std::string message;
  std::string type;
  std::string code;
  std::string param;
  // From a code that is a number.
  int http_status = 0;
};

// One element of FastAPI's `detail`: `{"loc":["body","messages",0],"msg":...}`.
void ReadDetail(JsonRef detail, ErrorText* text) {
  text->message = detail.Get("msg").AsString().value_or("");
  text->type = detail.Get("type").AsString().value_or("");
  for (const JsonRef place : detail.Get("loc").Elements()) {
    const std::string name =
        place.AsString().value_or(std::string(place.raw()));
    if (name == "body" && text->param.empty()) continue;
    absl::StrAppend(&text->param, text->param.empty() ? "" : ".", name);
  }
}

ErrorText ReadErrorValue(JsonRef error) {
  ErrorText text;
  if (std::optional<std::string> message = error.AsString();
      message.has_value()) {
    text.message = *std::move(message);
    return text;
  }
  if (const std::vector<JsonRef> details = error.Get("detail").Elements();
      !details.empty()) {
    ReadDetail(details.front(), &text);
    return text;
  }
  const JsonRef code = error.Get("code");
  text.message = error.Get("message").AsString().value_or("");
  text.type = error.Get("type").AsString().value_or("");
  text.param = error.Get("param").AsString().value_or("");
  text.code = code.AsString().value_or("");
  int64_t number = code.AsInt64().value_or(0);
  // "429" as well as 429.
  if (number == 0 && absl::SimpleAtoi(text.code, &number)) text.code.clear();
  if (number >= 400 && number < 600) {
    text.http_status = static_cast<int>(number);
  }
  return text;
}

ErrorText ReadErrorBody(absl::string_view body) {
  std::optional<JsonRef> json = ParseJson(body);
  if (!json.has_value()) return ErrorText();
  // Some wrap the object in a list.
  if (json->is(JsonType::kArray)) {
    const std::vector<JsonRef> elements = json->Elements();
    if (!elements.empty()) json = elements.front();
  }
  const JsonRef error = json->Get("error");
  // Others put the members at the top.
  return ReadErrorValue(error.absent() ? *json : error);
}

// Up to where it repeats the request, as the validator of many servers does.
absl::string_view OwnWords(absl::string_view message) {
  size_t end = message.size();
  for (absl::string_view mark : {"'input'", "\"input\"", "input_value="}) {
    end = std::min(end, message.find(mark));
  }
  return message.substr(0, end);
}

ProviderError Classify(const ErrorText& text, int http_status,
                       std::optional<absl::Duration> retry_after) {
  ProviderErrorFacts facts;
  facts.http_status = http_status;
  facts.code = text.code;
  facts.type = text.type;
  facts.message = text.message;
  facts.param = text.param;
  facts.retry_after = retry_after;
  return ClassifyProviderError(facts);
}

}  // namespace

ProviderError DecodeError(const ProviderReply& reply) {
  return Classify(
      ReadErrorBody(reply.body), reply.http_status,
      ParseRetryAfter(reply.retry_after_ms, reply.retry_after, reply.now));
}

bool IsAbout(const ProviderReply& reply, absl::string_view member) {
  const ErrorText text = ReadErrorBody(reply.body);
  return text.param == member ||
         absl::StartsWith(text.param, absl::StrCat(member, ".")) ||
         absl::StrContains(OwnWords(text.message), member);
}

ProviderError DecodeErrorValue(JsonRef error) {
  const ErrorText text = ReadErrorValue(error);
  return Classify(text, text.http_status, std::nullopt);
}

std::string EncodeError(const absl::Status& status) {
  const ErrorDetail detail = DetailOrDefault(status);
  const ReasonInfo* info = FindReason(detail.reason());
  std::string body;
  {
    JsonObject object(&body);
    JsonObject error(object.Member("error"));
    error.String("message", status.message());
    error.String("type", info == nullptr ? "server_error" : info->type);
    if (detail.param().empty()) {
      error.Null("param");
    } else {
      error.String("param", detail.param());
    }
    error.String("code", detail.reason());
  }
  return body;
}

}  // namespace gateway::dialect::openai_chat
