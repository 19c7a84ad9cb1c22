#include "tests/fakes/provider/http.h"

#include <strings.h>

#include <algorithm>
#include <charconv>

namespace fake_provider {
namespace {

constexpr size_t kMaxHead = 64 << 10;
constexpr size_t kMaxBody = 64 << 20;
constexpr size_t kMaxLine = 4 << 10;

bool EqualsIgnoringCase(std::string_view a, std::string_view b) {
  return a.size() == b.size() && strncasecmp(a.data(), b.data(), a.size()) == 0;
}

std::string_view Trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) {
    text.remove_prefix(1);
  }
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) {
    text.remove_suffix(1);
  }
  return text;
}

}  // namespace

std::string_view Request::Header(std::string_view name) const {
  std::string_view rest = head;
  for (size_t at = rest.find("\r\n"); at != std::string_view::npos;
       at = rest.find("\r\n")) {
    rest.remove_prefix(at + 2);
    std::string_view line = rest.substr(0, rest.find("\r\n"));
    if (line.size() > name.size() && line[name.size()] == ':' &&
        EqualsIgnoringCase(line.substr(0, name.size()), name)) {
      return Trim(line.substr(name.size() + 1));
    }
  }
  return {};
}

size_t RequestParser::Feed(const char* data, size_t size) {
  size_t used = 0;
  while (used < size && !done() && error_ == 0) {
    const char* at = data + used;
    size_t left = size - used;
    switch (state_) {
      case State::kHead:
        used += FeedHead(at, left);
        break;
      case State::kBody:
      case State::kChunkData: {
        size_t n = std::min(left, remaining_);
        request_.body.append(at, n);
        remaining_ -= n;
        used += n;
        if (remaining_ == 0) {
          state_ = state_ == State::kBody ? State::kDone : State::kChunkEnd;
        }
        break;
      }
      case State::kChunkSize:
      case State::kChunkEnd:
      case State::kTrailer:
        used += FeedLine(at, left);
        break;
      case State::kDone:
        break;
    }
  }
  return used;
}

size_t RequestParser::FeedHead(const char* data, size_t size) {
  std::string& head = request_.head;
  size_t before = head.size();
  // The end may have begun in the bytes of an earlier call.
  size_t from = before < 3 ? 0 : before - 3;
  size_t end = std::string_view(data, size).find("\r\n\r\n");
  if (before == 0 && end != std::string_view::npos) {
    head.assign(data, end + 4);
  } else {
    head.append(data, std::min(size, kMaxHead + 4 - before));
    end = head.find("\r\n\r\n", from);
    if (end != std::string::npos) head.resize(end + 4);
  }
  if (head.size() > kMaxHead) return Fail(431);
  if (end == std::string::npos) return head.size() - before;
  size_t used = head.size() - before;
  if (!ParseHead() && error_ == 0) Fail(400);
  return used;
}

bool RequestParser::ParseHead() {
  std::string_view line =
      std::string_view(request_.head).substr(0, request_.head.find("\r\n"));
  size_t first = line.find(' ');
  size_t second = line.rfind(' ');
  if (first == std::string_view::npos || second <= first) return false;
  std::string_view version = line.substr(second + 1);
  if (version != "HTTP/1.1" && version != "HTTP/1.0") return false;
  request_.method = line.substr(0, first);
  request_.target = line.substr(first + 1, second - first - 1);
  request_.http10 = version == "HTTP/1.0";
  std::string_view connection = request_.Header("connection");
  request_.keep_alive = request_.http10
                            ? EqualsIgnoringCase(connection, "keep-alive")
                            : !EqualsIgnoringCase(connection, "close");
  expect_continue_ =
      EqualsIgnoringCase(request_.Header("expect"), "100-continue");
  if (EqualsIgnoringCase(request_.Header("transfer-encoding"), "chunked")) {
    state_ = State::kChunkSize;
    return true;
  }
  std::string_view length = request_.Header("content-length");
  if (length.empty() || length == "0") {
    state_ = State::kDone;
    return true;
  }
  const char* end = length.data() + length.size();
  auto parsed = std::from_chars(length.data(), end, remaining_);
  if (parsed.ec != std::errc() || parsed.ptr != end) return false;
  if (remaining_ > kMaxBody) return Fail(413), false;
  request_.body.reserve(remaining_);
  state_ = State::kBody;
  return true;
}

size_t RequestParser::FeedLine(const char* data, size_t size) {
  std::string_view bytes(data, size);
  size_t newline = bytes.find('\n');
  size_t used = newline == std::string_view::npos ? size : newline + 1;
  if (line_.size() + used > kMaxLine) return Fail(400);
  line_.append(data, used);
  if (newline != std::string_view::npos) {
    line_.pop_back();
    if (!line_.empty() && line_.back() == '\r') line_.pop_back();
    ParseLine();
    line_.clear();
  }
  return used;
}

void RequestParser::ParseLine() {
  if (state_ == State::kChunkEnd) {
    if (!line_.empty()) Fail(400);
    state_ = State::kChunkSize;
  } else if (state_ == State::kTrailer) {
    if (line_.empty()) state_ = State::kDone;
  } else {
    auto parsed = std::from_chars(line_.data(), line_.data() + line_.size(),
                                  remaining_, 16);
    if (parsed.ec != std::errc()) {
      Fail(400);
    } else if (remaining_ > kMaxBody - request_.body.size()) {
      Fail(413);
    } else {
      state_ = remaining_ == 0 ? State::kTrailer : State::kChunkData;
    }
  }
}

bool RequestParser::TakeExpectContinue() {
  bool wanted = expect_continue_ && !done() && request_.body.empty();
  expect_continue_ = false;
  return wanted;
}

void RequestParser::Reset() {
  state_ = State::kHead;
  request_ = Request();
  line_.clear();
  remaining_ = 0;
  expect_continue_ = false;
  error_ = 0;
}

size_t RequestParser::Fail(int status) {
  error_ = status;
  return 0;
}

std::string_view ReasonPhrase(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 402:
      return "Payment Required";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 413:
      return "Content Too Large";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 502:
      return "Bad Gateway";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    default:
      return "Unknown";
  }
}

void AppendHead(int status, std::string_view content_type, long content_length,
                bool keep_alive, std::string_view extra, std::string* out) {
  out->append("HTTP/1.1 ");
  out->append(std::to_string(status));
  out->append(" ");
  out->append(ReasonPhrase(status));
  out->append("\r\nserver: fake-provider\r\ncontent-type: ");
  out->append(content_type);
  if (content_length >= 0) {
    out->append("\r\ncontent-length: ");
    out->append(std::to_string(content_length));
  }
  out->append(keep_alive ? "\r\nconnection: keep-alive\r\n"
                         : "\r\nconnection: close\r\n");
  out->append(extra);
  out->append("\r\n");
}

void AppendChunk(std::string_view data, std::string* out) {
  char size[18];
  char* end = std::to_chars(size, size + 16, data.size(), 16).ptr;
  *end++ = '\r';
  *end++ = '\n';
  out->append(size, end - size);
  out->append(data);
  out->append("\r\n");
}

}  // namespace fake_provider
