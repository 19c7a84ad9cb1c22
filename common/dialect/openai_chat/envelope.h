#ifndef GATEWAY_COMMON_DIALECT_OPENAI_CHAT_ENVELOPE_H_
#define GATEWAY_COMMON_DIALECT_OPENAI_CHAT_ENVELOPE_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "common/dialect/authority.h"
#include "common/dialect/envelope.h"

namespace gateway::dialect::openai_chat {

// The dialect's name in contracts, metrics and OpaquePart.
inline constexpr absl::string_view kDialect = "openai_chat";

// The envelope of a body of POST /v1/chat/completions. All spans are of values
// in that body, with their quotes or brackets; empty if the member is missing.
struct Envelope : dialect::Envelope {
  // Just after the body's opening brace: where a new member may be put.
  size_t members_begin = 0;
  ByteSpan model_value;
  ByteSpan stream_options;
  // Where its key begins.
  size_t stream_options_key = 0;
  // Within stream_options.
  ByteSpan include_usage_value;
  bool stream_options_has_members = false;
  ByteSpan max_tokens;
  ByteSpan max_completion_tokens;
  // The array.
  ByteSpan messages;
  // The first message.
  size_t first_message = 0;
  // The system and developer messages with which the list begins, and the first
  // message after them; equal to messages.end if there is none.
  int32_t leading_system_count = 0;
  size_t first_after_system = 0;
};

struct EnvelopeLimits {
  int32_t max_messages = 65536;
  int32_t max_tools = 4096;
};

// Reads `body` in one strict pass. Unknown members are looked at for their
// syntax only. Fails with INVALID_ARGUMENT:
//   invalid_json                 the body is not JSON, not UTF-8 or too deep
//   missing_required_parameter   no model, no messages, a message without role
//   invalid_type, invalid_value  `param` names the member
//   duplicate_key                a member that is read stands there twice,
//                                however spelled
absl::StatusOr<Envelope> ReadEnvelope(absl::string_view body,
                                      const EnvelopeLimits& limits = {});

// A top-level member that the envelope reads.
struct EnvelopeField {
  absl::string_view name;
  // Set if the member needs to be allowed by the route.
  bool refused_by_default = false;
};
// For the check of docs/dialects.md.
absl::Span<const EnvelopeField> EnvelopeFields();

}  // namespace gateway::dialect::openai_chat

#endif  // GATEWAY_COMMON_DIALECT_OPENAI_CHAT_ENVELOPE_H_
