#ifndef GATEWAY_COMMON_DIALECT_OPENAI_CHAT_ERROR_CODEC_H_
#define GATEWAY_COMMON_DIALECT_OPENAI_CHAT_ERROR_CODEC_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/dialect/json_ref.h"
#include "common/dialect/provider_error.h"

namespace gateway::dialect::openai_chat {

// A provider's answer that is no 2xx.
struct ProviderReply {
  int http_status = 0;
  // Whatever came: this dialect's error object, `{"error":"text"}`, codes that
  // are numbers, HTML, nothing.
  absl::string_view body;
  // Headers, empty if absent.
  absl::string_view retry_after;
  absl::string_view retry_after_ms;
  absl::Time now;
};
ProviderError DecodeError(const ProviderReply& reply);

// Whether the error is about this member of the request: names it as its
// `param` or in its words. Not if it only repeats what it was sent.
bool IsAbout(const ProviderReply& reply, absl::string_view member);

// The value of an `error` member that came with HTTP 200, in a stream or as a
// whole answer. A code that is an HTTP status counts as one.
ProviderError DecodeErrorValue(JsonRef error);

// The body of an error answer: `{"error":{...}}` with its four members. In a
// stream it is an event of its own, after which nothing follows.
std::string EncodeError(const absl::Status& status);

}  // namespace gateway::dialect::openai_chat

#endif  // GATEWAY_COMMON_DIALECT_OPENAI_CHAT_ERROR_CODEC_H_
