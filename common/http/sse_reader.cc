#include "common/http/sse_reader.h"

#include <absl/strings/match.h>
#include <absl/strings/strip.h>

#include <cstring>

namespace gateway::http {
namespace {

constexpr absl::string_view kBom = "\xEF\xBB\xBF";

size_t FindByte(absl::string_view bytes, size_t at, char c) {
  if (at >= bytes.size()) return static_cast<size_t>(-1);
  const void* found = std::memchr(bytes.data() + at, c, bytes.size() - at);
  if (found == nullptr) return static_cast<size_t>(-1);
  return static_cast<const char*>(found) - bytes.data();
}

}  // namespace

SseReader::Line SseReader::LineAt(absl::string_view bytes, size_t at,
                                  bool has_cr) {
  const size_t lf = FindByte(bytes, at, '\n');
  if (has_cr) {
    const size_t cr = FindByte(bytes.substr(0, lf), at, '\r');
    if (cr != kNone) return {cr, cr + 1 == lf ? lf + 1 : cr + 1};
  }
  if (lf == kNone) return {bytes.size(), kNone};
  return {lf, lf + 1};
}

void SseReader::Feed(absl::string_view run) {
  if (!started_) {
    if (!carry_.empty()) {
      // A BOM may be cut as anything else.
      first_run_ = carry_;
      first_run_.append(run.data(), run.size());
      carry_.clear();
      run = first_run_;
    }
    if (run.size() < kBom.size() && absl::StartsWith(kBom, run)) {
      carry_.assign(run.data(), run.size());
      run_ = absl::string_view();
      at_ = 0;
      return;
    }
    started_ = true;
    absl::ConsumePrefix(&run, kBom);
  }
  run_ = run;
  at_ = 0;
  if (run.empty()) return;
  if (skip_lf_) {
    skip_lf_ = false;
    if (run[0] == '\n') {
      at_ = 1;
      if (!carry_.empty()) {
        carry_.push_back('\n');
        carry_line_ = carry_.size();
      }
    }
  }
  has_cr_ = FindByte(run, 0, '\r') != kNone;
}

size_t SseReader::FindBlockEnd(size_t& line_at) {
  size_t at = at_;
  while (at < run_.size()) {
    const Line line = LineAt(run_, at, has_cr_);
    if (line.next == kNone) break;
    if (line.next == run_.size() && run_.back() == '\r') skip_lf_ = true;
    if (line.end == at) return line.next;
    at = line.next;
  }
  line_at = at;
  return kNone;
}

bool SseReader::CompleteCarry() {
  while (at_ < run_.size()) {
    const Line line = LineAt(run_, at_, has_cr_);
    const size_t next = line.next == kNone ? run_.size() : line.next;
    // The line is empty if it neither began in an earlier run nor here.
    const bool empty = carry_line_ == carry_.size() && line.end == at_;
    carry_.append(run_.data() + at_, next - at_);
    at_ = next;
    if (line.next == kNone) return false;
    if (next == run_.size() && run_.back() == '\r') skip_lf_ = true;
    if (empty) return true;
    carry_line_ = carry_.size();
  }
  return false;
}

bool SseReader::Next(SseEvent& event) {
  while (at_ < run_.size() && !too_large_) {
    absl::string_view block;
    bool has_cr = has_cr_;
    if (carry_.empty()) {
      size_t line_at = 0;
      const size_t end = FindBlockEnd(line_at);
      if (end == kNone) {
        carry_.assign(run_.data() + at_, run_.size() - at_);
        carry_line_ = line_at - at_;
        at_ = run_.size();
        too_large_ = carry_.size() > max_event_bytes_;
        return false;
      }
      block = run_.substr(at_, end - at_);
      at_ = end;
    } else {
      const bool whole = CompleteCarry();
      if (carry_.size() > max_event_bytes_) {
        too_large_ = true;
        return false;
      }
      if (!whole) return false;
      block_.swap(carry_);
      carry_.clear();
      carry_line_ = 0;
      block = block_;
      has_cr = true;
    }
    if (block.size() > max_event_bytes_) {
      too_large_ = true;
      return false;
    }
    if (ParseBlock(block, has_cr, event)) return true;
  }
  return false;
}

bool SseReader::Finish(SseEvent& event) {
  if (too_large_ || !started_) return false;
  block_.swap(carry_);
  carry_.clear();
  const absl::string_view lines =
      absl::string_view(block_).substr(0, carry_line_);
  carry_line_ = 0;
  if (lines.empty() || !ParseBlock(lines, true, event)) return false;
  event.clean = false;
  return true;
}

bool SseReader::ParseBlock(absl::string_view block, bool has_cr,
                           SseEvent& event) {
  event.type = absl::string_view();
  event.data = absl::string_view();
  event.clean = true;
  int data_lines = 0;
  bool fields = false;
  size_t begin = 0;
  size_t at = 0;
  while (at < block.size()) {
    const Line line = LineAt(block, at, has_cr);
    const absl::string_view text = block.substr(at, line.end - at);
    if (block[line.next - 1] == '\r') event.clean = false;
    at = line.next;
    if (text.empty()) break;
    if (text[0] == ':') {
      if (fields) {
        event.clean = false;
      } else {
        begin = at;
      }
      continue;
    }
    fields = true;
    const size_t colon = FindByte(text, 0, ':');
    const absl::string_view name = text.substr(0, colon);
    absl::string_view value;
    if (colon != kNone) {
      value = text.substr(colon + 1);
      absl::ConsumePrefix(&value, " ");
    }
    if (name == "data") {
      if (data_lines == 0) {
        event.data = value;
      } else {
        if (data_lines == 1) {
          joined_.assign(event.data.data(), event.data.size());
        }
        joined_.push_back('\n');
        joined_.append(value.data(), value.size());
      }
      ++data_lines;
    } else if (name == "event") {
      event.type = value;
    } else {
      event.clean = false;
    }
  }
  if (data_lines > 1) event.data = joined_;
  event.raw = block.substr(begin);
  return data_lines > 0;
}

}  // namespace gateway::http
