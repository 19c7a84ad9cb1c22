#include "common/dialect/body_splicer.h"

#include <algorithm>
#include <utility>

namespace gateway::dialect {

std::string SplicedBody::Flatten() const {
  std::string all;
  all.reserve(size_);
  for (absl::string_view segment : segments_) {
    all.append(segment.data(), segment.size());
  }
  return all;
}

void BodySplicer::Replace(ByteSpan span, absl::string_view text) {
  const size_t begin = text_.size();
  text_.append(text.data(), text.size());
  edits_.push_back({span, begin, text_.size()});
}

SplicedBody BodySplicer::Finish() {
  std::stable_sort(
      edits_.begin(), edits_.end(),
      [](const Edit& a, const Edit& b) { return a.span.begin < b.span.begin; });
  SplicedBody result;
  result.owned_ = std::make_unique<std::string>(std::move(text_));
  result.segments_.reserve(2 * edits_.size() + 1);
  const auto add = [&result](absl::string_view segment) {
    if (segment.empty()) return;
    result.segments_.push_back(segment);
    result.size_ += segment.size();
  };
  size_t at = 0;
  for (const Edit& edit : edits_) {
    add(body_.substr(at, edit.span.begin - at));
    add(absl::string_view(*result.owned_)
            .substr(edit.text_begin, edit.text_end - edit.text_begin));
    at = edit.span.end;
  }
  add(body_.substr(at));
  edits_.clear();
  return result;
}

}  // namespace gateway::dialect
