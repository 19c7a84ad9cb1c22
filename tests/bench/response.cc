#include "tests/bench/response.h"

#include <strings.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>

namespace bench {
namespace {

// The value of a header in a head, case of the name ignored.
std::string_view Header(std::string_view head, std::string_view name) {
  for (size_t at = head.find("\r\n"); at != std::string_view::npos;
       at = head.find("\r\n")) {
    head.remove_prefix(at + 2);
    if (head.size() <= name.size() || head[name.size()] != ':' ||
        strncasecmp(head.data(), name.data(), name.size()) != 0) {
      continue;
    }
    std::string_view value = head.substr(name.size() + 1);
    value = value.substr(0, value.find("\r\n"));
    while (!value.empty() && value.front() == ' ') value.remove_prefix(1);
    return value;
  }
  return {};
}

bool Is(std::string_view value, std::string_view word) {
  return value.size() == word.size() &&
         strncasecmp(value.data(), word.data(), word.size()) == 0;
}

bool Has(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

// Whether `key` stands in the JSON text with a string that is not empty.
bool HasText(std::string_view json, std::string_view key) {
  size_t at = json.find(key);
  if (at == std::string_view::npos) return false;
  json.remove_prefix(at + key.size());
  while (!json.empty() && (json.front() == ' ' || json.front() == ':')) {
    json.remove_prefix(1);
  }
  return json.size() > 1 && json[0] == '"' && json[1] != '"';
}

}  // namespace

void Response::Feed(const char* data, size_t size) {
  has_bytes_ = true;
  input_.append(data, size);
  std::string_view line;
  while (!ended_) {
    switch (state_) {
      case State::kHead:
        if (!Has(std::string_view(input_).substr(at_), "\r\n\r\n")) return;
        ReadHead();
        break;
      case State::kChunkSize:
        if (!TakeLine(&line)) return;
        ReadChunkSize(line);
        break;
      case State::kTrailer:
        if (!TakeLine(&line)) return;
        if (line.empty()) ended_ = true;
        break;
      case State::kLength:
      case State::kChunkData:
      case State::kToEnd: {
        size_t n = input_.size() - at_;
        if (state_ != State::kToEnd) n = std::min(n, remaining_);
        Body(std::string_view(input_).substr(at_, n));
        at_ += n;
        remaining_ -= n;
        if (state_ == State::kToEnd) remaining_ = 1;
        if (remaining_ > 0) {
          input_.clear();
          at_ = 0;
          return;
        }
        if (state_ == State::kLength) ended_ = true;
        state_ = State::kChunkSize;
        break;
      }
    }
  }
  if (at_ != input_.size()) Broken("bytes after the end");
}

void Response::ReadHead() {
  size_t end = input_.find("\r\n\r\n", at_);
  std::string_view head = std::string_view(input_).substr(at_, end + 2 - at_);
  at_ = end + 4;
  status_ = head.size() > 12 ? std::atoi(head.data() + 9) : 0;
  if (Is(Header(head, "connection"), "close")) must_close_ = true;
  std::string_view length = Header(head, "content-length");
  if (Is(Header(head, "transfer-encoding"), "chunked")) {
    state_ = State::kChunkSize;
  } else if (!length.empty()) {
    state_ = State::kLength;
    remaining_ = std::strtoul(length.data(), nullptr, 10);
    ended_ = remaining_ == 0;
  } else {
    state_ = State::kToEnd;
    must_close_ = true;
    remaining_ = 1;
  }
}

bool Response::TakeLine(std::string_view* line) {
  size_t end = input_.find("\r\n", at_);
  if (end == std::string::npos) return false;
  *line = std::string_view(input_).substr(at_, end - at_);
  at_ = end + 2;
  return true;
}

void Response::ReadChunkSize(std::string_view line) {
  if (line.empty()) return;  // the end of the chunk before
  auto parsed =
      std::from_chars(line.data(), line.data() + line.size(), remaining_, 16);
  if (parsed.ec != std::errc()) return Broken("bad chunk");
  state_ = remaining_ == 0 ? State::kTrailer : State::kChunkData;
}

void Response::Body(std::string_view bytes) {
  if (!streamed_) {
    begun_ = begun_ || !bytes.empty();
    text_.append(bytes);
    return;
  }
  while (!bytes.empty()) {
    size_t newline = bytes.find('\n');
    if (newline == std::string_view::npos) {
      text_.append(bytes);
      return;
    }
    if (text_.empty()) {
      EventLine(bytes.substr(0, newline));
    } else {
      text_.append(bytes.substr(0, newline));
      EventLine(text_);
      text_.clear();
    }
    bytes.remove_prefix(newline + 1);
  }
}

void Response::EventLine(std::string_view line) {
  if (line.substr(0, 5) != "data:") return;
  line.remove_prefix(5);
  if (Has(line, "[DONE]")) {
    done_ = true;
  } else if (HasText(line, "\"content\"")) {
    ++events_;
    begun_ = true;
  } else if (HasText(line, "\"finish_reason\"")) {
    finish_ = true;
  } else if (Has(line, "\"error\"")) {
    error_ = true;
  }
}

void Response::FeedEnd() {
  must_close_ = true;
  if (!ended_ && state_ != State::kToEnd) Broken("truncated");
  ended_ = true;
}

void Response::Broken(std::string_view fault) {
  broken_ = fault;
  ended_ = true;
  must_close_ = true;
}

std::string_view Response::Fault() const {
  if (!broken_.empty()) return broken_;
  if (status_ != 200) return "status";
  if (!streamed_) {
    return HasText(text_, "\"finish_reason\"") ? "" : "no finish reason";
  }
  if (error_) return "error event";
  if (!finish_) return "no finish reason";
  if (!done_) return "no [DONE]";
  if (content_events_ >= 0 && events_ != content_events_) {
    return "wrong number of events";
  }
  return "";
}

void Response::Reset() {
  state_ = State::kHead;
  input_.clear();
  at_ = 0;
  text_.clear();
  remaining_ = 0;
  ended_ = must_close_ = begun_ = has_bytes_ = false;
  status_ = events_ = 0;
  finish_ = done_ = error_ = false;
  broken_ = {};
}

}  // namespace bench
