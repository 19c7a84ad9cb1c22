#ifndef GATEWAY_COMMON_DIALECT_OPENAI_CHAT_SPLICE_H_
#define GATEWAY_COMMON_DIALECT_OPENAI_CHAT_SPLICE_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "common/dialect/body_splicer.h"
#include "common/dialect/openai_chat/envelope.h"
#include "common/dialect/openai_chat/message_codec.h"
#include "gateway/chat/v1/chat.pb.h"

namespace gateway::dialect::openai_chat {

// What must differ between the caller's body and the one for the provider.
struct SpliceOptions {
  // The provider's name of the model.
  absl::string_view model;
  // Ask for the usage at the end of a stream. Ignored unless the body asks for
  // a stream.
  bool force_include_usage = false;
  // For servers that refuse `stream_options`: the member is cut out. Goes
  // before force_include_usage.
  bool drop_stream_options = false;
  // A lower bound of the answer's tokens than the body's replaces it; if it
  // names none, it is put in. 0: leave as it is.
  int64_t max_output_tokens = 0;
  absl::string_view max_tokens_field = "max_completion_tokens";
  // Stored messages, oldest first. They go between the system messages with
  // which the list begins and what follows, so that the request's own system
  // text stays first.
  absl::Span<const chat::v1::Message* const> stored;
  // Goes first of all if the body has no system message anywhere.
  absl::string_view system_text;
  // For `stored`.
  MessageEncoding messages;
};

// `body` with those changes and every other byte as it came. `envelope` is the
// body's. INVALID_ARGUMENT if a stored message has no place in the dialect.
absl::StatusOr<SplicedBody> Splice(absl::string_view body,
                                   const Envelope& envelope,
                                   const SpliceOptions& options);

}  // namespace gateway::dialect::openai_chat

#endif  // GATEWAY_COMMON_DIALECT_OPENAI_CHAT_SPLICE_H_
