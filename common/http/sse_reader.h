#ifndef GATEWAY_COMMON_HTTP_SSE_READER_H_
#define GATEWAY_COMMON_HTTP_SSE_READER_H_

#include <absl/strings/string_view.h>

#include <cstddef>
#include <string>

namespace gateway::http {

// One event of a stream. The views last until the reader is called again.
struct SseEvent {
  // The value of `event:`, empty if there was none.
  absl::string_view type;
  // The values of the `data:` lines, joined by LF.
  absl::string_view data;
  // The event's bytes as they came, blank line included, without the comments
  // in front of it. Events that came whole in one run lie behind each other in
  // it, so that neighbours can be forwarded as one piece.
  absl::string_view raw;
  // `raw` is whole and made of `event:` and `data:` lines alone, each ended by
  // LF or CRLF: it may be forwarded as it is. Otherwise compose the event anew.
  bool clean = false;
};

// Reads server-sent events from runs of bytes cut anywhere:
//
//   reader.Feed(run);
//   while (reader.Next(event)) ...
//
// Lines end in LF, CR or CRLF; a BOM, comments and blocks without data are read
// over. An event is given out with its last byte, never held for the next one.
// What lies whole in a run is not copied. Thread-compatible.
class SseReader {
 public:
  static constexpr size_t kMaxEventBytes = 8 * 1024 * 1024;

  explicit SseReader(size_t max_event_bytes = kMaxEventBytes)
      : max_event_bytes_(max_event_bytes) {}

  // `run` stays unchanged until Next has returned false.
  void Feed(absl::string_view run);
  bool Next(SseEvent& event);
  // At the clean end of the stream: an event whose blank line is missing. Its
  // last line counts only if it was ended.
  bool Finish(SseEvent& event);

  // An event was larger than allowed; nothing more is given out.
  bool too_large() const { return too_large_; }

 private:
  static constexpr size_t kNone = static_cast<size_t>(-1);

  // One line of `bytes` from `at`: where its text ends and the next begins.
  struct Line {
    size_t end;
    size_t next;
  };
  // `next` is kNone if the line is not ended.
  static Line LineAt(absl::string_view bytes, size_t at, bool has_cr);

  // Reads the lines of a run from at_ until one is empty. Returns where the
  // block ends, or kNone; line_at then is where the unfinished line begins.
  size_t FindBlockEnd(size_t& line_at);
  // Moves bytes from the run behind carry_ until that is a whole block.
  bool CompleteCarry();
  bool ParseBlock(absl::string_view block, bool has_cr, SseEvent& event);

  const size_t max_event_bytes_;
  absl::string_view run_;
  size_t at_ = 0;
  bool has_cr_ = false;
  bool started_ = false;
  // The last byte was a CR that ended a line: a LF now belongs to it.
  bool skip_lf_ = false;
  bool too_large_ = false;

  // The begun block, and where its unfinished line begins.
  std::string carry_;
  size_t carry_line_ = 0;
  // The bytes after a cut BOM, and what the views of a cut event point into.
  std::string first_run_;
  std::string block_;
  std::string joined_;
};

}  // namespace gateway::http

#endif  // GATEWAY_COMMON_HTTP_SSE_READER_H_
