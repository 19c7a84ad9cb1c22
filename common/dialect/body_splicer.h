#ifndef GATEWAY_COMMON_DIALECT_BODY_SPLICER_H_
#define GATEWAY_COMMON_DIALECT_BODY_SPLICER_H_

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "common/dialect/envelope.h"

namespace gateway::dialect {

// A body to send: the caller's bytes with pieces of ours between them, never
// copied into one. Movable; thread-compatible.
class SplicedBody {
 public:
  // In order. Valid while this and the caller's body live.
  const std::vector<absl::string_view>& segments() const { return segments_; }
  // Of all segments, in bytes.
  size_t size() const { return size_; }
  std::string Flatten() const;

 private:
  friend class BodySplicer;

  std::vector<absl::string_view> segments_;
  size_t size_ = 0;
  // What was put in, back to back. Behind a pointer, so that moving this does
  // not move the bytes.
  std::unique_ptr<std::string> owned_;
};

// Collects what is to change in a body. Thread-compatible.
class BodySplicer {
 public:
  // `body` must outlive this and the result.
  explicit BodySplicer(absl::string_view body) : body_(body) {}

  // Edits may come in any order but must not overlap; insertions at one place
  // keep theirs.
  void Insert(size_t at, absl::string_view text) { Replace({at, at}, text); }
  void Replace(ByteSpan span, absl::string_view text);

  SplicedBody Finish();

 private:
  struct Edit {
    ByteSpan span;
    size_t text_begin;
    size_t text_end;
  };

  absl::string_view body_;
  std::vector<Edit> edits_;
  std::string text_;
};

}  // namespace gateway::dialect

#endif  // GATEWAY_COMMON_DIALECT_BODY_SPLICER_H_
