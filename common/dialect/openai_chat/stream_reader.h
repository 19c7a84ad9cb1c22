#ifndef GATEWAY_COMMON_DIALECT_OPENAI_CHAT_STREAM_READER_H_
#define GATEWAY_COMMON_DIALECT_OPENAI_CHAT_STREAM_READER_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "common/dialect/json_scan.h"
#include "common/dialect/provider_error.h"
#include "common/dialect/tool_call_numbering.h"
#include "gateway/chat/v1/chat.pb.h"

namespace gateway::dialect::openai_chat {

struct StreamReaderOptions {
  // The caller asked for the extra usage chunk; else it is not to be forwarded.
  bool forward_usage_chunk = false;
};

// What one event is and what to do with it.
struct StreamEvent {
  enum class Kind {
    kChunk,
    // [DONE]. Finish tells whether it came too early.
    kDone,
    // The provider's error: see StreamReader::error. Ends the stream.
    kError,
    // No valid JSON, or not of this dialect: skipped and counted.
    kInvalid,
  };
  Kind kind = Kind::kChunk;
  // The event's bytes go on as they came.
  bool forward = true;
  // Carries text, reasoning, a refusal or a tool call; the first one that does
  // ends the wait for the first token.
  bool has_token = false;
};

// Follows a provider's stream, event by event, whether its bytes go on as they
// are or as deltas. Each event is checked as a whole, but most differ from the
// one before in one string only: then that string alone is read. Holds what an
// answer needs at its end, never its text. Thread-compatible.
class StreamReader {
 public:
  explicit StreamReader(StreamReaderOptions options) : options_(options) {}

  // `data` is the payload of one event (SSE: its data lines). `event` is its
  // name, empty if it has none. Deltas are appended to `deltas` unless that is
  // null; tool calls are numbered as ToolCallNumbering does, and one without an
  // id gets one.
  StreamEvent Read(absl::string_view data, absl::string_view event,
                   std::vector<chat::v1::ChatDelta>* deltas);

  // The provider's stream is over: by [DONE] or the clean end of the body
  // (`clean`), or cut. nullopt if the answer is complete, that is if each
  // choice seen has a finish reason and there is one.
  std::optional<ProviderError> Finish(bool clean) const;

  // Set by an event of kind kError.
  const std::optional<ProviderError>& error() const { return error_; }

  // As the provider spells them; empty until seen.
  const std::string& id() const { return id_; }
  const std::string& model() const { return model_; }
  // Unix seconds; 0 until seen.
  int64_t created() const { return created_; }
  // The newest: providers that report usage in each chunk report sums.
  const std::optional<chat::v1::Usage>& usage() const { return usage_; }
  // Of the lowest choice; unspecified until seen.
  chat::v1::FinishReason finish_reason() const;
  // All choices seen are finished, and one is there: what follows is only the
  // usage and the end.
  bool finished() const;
  int64_t invalid_events() const { return invalid_events_; }
  // Events with a token, and bytes of their texts as spelled: for an estimate
  // where the provider gives no usage.
  int64_t token_events() const { return token_events_; }
  int64_t token_bytes() const { return token_bytes_; }

 private:
  struct Choice {
    int32_t index = 0;
    chat::v1::FinishReason finish = chat::v1::FINISH_REASON_UNSPECIFIED;
    ToolCallNumbering calls;
  };

  // A part of an event, held until all of the event is seen to be valid.
  struct Piece {
    enum class Kind { kText, kReasoning, kRefusal, kCall, kFinish, kLogprobs };
    Kind kind = Kind::kText;
    int32_t choice = 0;
    // The text, a call's arguments or a finish reason.
    JsonString text;
    // Only of calls.
    std::optional<int64_t> call_index;
    JsonString id;
    JsonString name;
    JsonString signature;
    bool custom = false;
    // Logprobs, or arguments that are no string.
    absl::string_view raw;
  };

  bool ReadKnownShape(absl::string_view data);
  bool ReadChunk(absl::string_view data);
  bool ReadChoices(JsonScanner* scan);
  bool ReadChoice(JsonScanner* scan);
  bool ReadDelta(JsonScanner* scan);
  bool ReadText(JsonScanner* scan, Piece::Kind kind);
  bool ReadToolCalls(JsonScanner* scan);
  bool ReadToolCall(JsonScanner* scan);
  bool ReadFunction(JsonScanner* scan, Piece* piece);
  void RememberShape(absl::string_view data);

  Choice* FindChoice(int32_t index);
  // Takes pieces_ into the state. False if they end the stream in error_.
  bool Commit(std::vector<chat::v1::ChatDelta>* deltas);
  void CommitCall(const Piece& piece, Choice* choice,
                  std::vector<chat::v1::ChatDelta>* deltas);
  StreamEvent Fail(ProviderError error);

  const StreamReaderOptions options_;
  std::optional<ProviderError> error_;
  std::string id_;
  std::string model_;
  int64_t created_ = 0;
  std::optional<chat::v1::Usage> usage_;
  std::vector<Choice> choices_;
  int64_t invalid_events_ = 0;
  int64_t token_events_ = 0;
  int64_t token_bytes_ = 0;

  // Of the event being read; views into it.
  std::vector<Piece> pieces_;
  bool has_token_ = false;
  // Where the pieces of the delta being read begin.
  size_t delta_first_ = 0;
  int32_t choice_index_ = 0;
  int32_t choice_count_ = 0;
  absl::string_view usage_raw_;
  absl::string_view error_raw_;
  JsonString id_raw_;
  JsonString model_raw_;
  absl::string_view created_raw_;

  // The last event that held one text and nothing else of note: all before and
  // all after that text, and what it was.
  std::string shape_begin_;
  std::string shape_end_;
  Piece shape_piece_;
};

}  // namespace gateway::dialect::openai_chat

#endif  // GATEWAY_COMMON_DIALECT_OPENAI_CHAT_STREAM_READER_H_
