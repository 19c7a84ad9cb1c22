#ifndef GATEWAY_COMMON_DIALECT_OPENAI_CHAT_STREAM_ENCODER_H_
#define GATEWAY_COMMON_DIALECT_OPENAI_CHAT_STREAM_ENCODER_H_

#include <cstdint>
#include <set>
#include <string>

#include "absl/strings/string_view.h"
#include "common/dialect/openai_chat/message_codec.h"
#include "gateway/chat/v1/chat.pb.h"
#include "gateway/model_router/v1/model_router.pb.h"

namespace gateway::dialect::openai_chat {

struct StreamEncoding {
  // The same in each chunk.
  std::string id;
  std::string model;
  // Unix seconds.
  int64_t created = 0;
  // The caller asked for the usage: each chunk says null until the last.
  bool include_usage = false;
  model_router::v1::Framing framing = model_router::v1::FRAMING_SSE;
  MessageEncoding messages;
};

// Composes a stream of chunks from deltas. The first chunk of a choice names
// the role. What no chunk can carry (signatures, whole parts of other kinds) is
// left out. Thread-compatible.
class StreamEncoder {
 public:
  explicit StreamEncoder(StreamEncoding encoding);

  void Append(const chat::v1::ChatDelta& delta,
              model_router::v1::Frames* frames);
  // Nothing unless include_usage.
  void AppendUsage(const chat::v1::Usage& usage,
                   model_router::v1::Frames* frames);
  // After a true end only.
  void AppendDone(model_router::v1::Frames* frames);

 private:
  StreamEncoding encoding_;
  // `"id":…,"object":…,"created":…,"model":…,`
  std::string head_;
  // Choices whose role has been given.
  std::set<int32_t> begun_;
};

// An error in a stream that has begun. Nothing may follow it.
void AppendErrorEvent(const absl::Status& status,
                      model_router::v1::Framing framing,
                      model_router::v1::Frames* frames);

}  // namespace gateway::dialect::openai_chat

#endif  // GATEWAY_COMMON_DIALECT_OPENAI_CHAT_STREAM_ENCODER_H_
