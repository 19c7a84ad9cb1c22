#ifndef GATEWAY_COMMON_DIALECT_OPENAI_CHAT_REQUEST_CODEC_H_
#define GATEWAY_COMMON_DIALECT_OPENAI_CHAT_REQUEST_CODEC_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "common/dialect/authority.h"
#include "common/dialect/openai_chat/envelope.h"
#include "common/dialect/openai_chat/message_codec.h"
#include "gateway/chat/v1/chat.pb.h"

namespace gateway::dialect::openai_chat {

struct DecodedRequest {
  Envelope envelope;
  chat::v1::ChatRequest chat;
};

// A body of POST /v1/chat/completions in typed form. What that has no place for
// is kept as an OpaquePart of this dialect. The errors of ReadEnvelope, and
// INVALID_ARGUMENT invalid_type or invalid_value for the other members.
absl::StatusOr<DecodedRequest> DecodeRequest(absl::string_view body);

// The messages alone, of a body that has this envelope: cheaper where the rest
// goes on as bytes.
absl::StatusOr<google::protobuf::RepeatedPtrField<chat::v1::Message>>
DecodeMessages(absl::string_view body, const Envelope& envelope);

// What differs between providers of this dialect.
struct RequestEncoding {
  // The provider's name of the model. Empty: the request's.
  std::string model;
  bool stream = false;
  // Only with `stream`.
  bool include_usage = false;
  // `max_tokens` for servers that do not know its successor.
  std::string max_tokens_field = "max_completion_tokens";
  MessageEncoding messages;
};

// The body for a provider. INVALID_ARGUMENT if `chat` holds what the dialect
// has no place for, an opaque part that is not JSON or that names a member
// twice, or what `policy` does not allow.
absl::StatusOr<std::string> EncodeRequest(const chat::v1::ChatRequest& chat,
                                          const RequestEncoding& encoding,
                                          const AuthorityPolicy& policy);

// How a top-level member of a request is treated in typed form.
enum class FieldUse {
  kTyped,   // has a place in ChatRequest
  kMapped,  // read, and written anew by the gateway
  kOpaque,  // kept as it is
};
struct RequestField {
  absl::string_view name;
  FieldUse use;
  bool refused_by_default = false;
};
// All that are known, in the order of docs/dialects.md.
absl::Span<const RequestField> RequestFields();

}  // namespace gateway::dialect::openai_chat

#endif  // GATEWAY_COMMON_DIALECT_OPENAI_CHAT_REQUEST_CODEC_H_
