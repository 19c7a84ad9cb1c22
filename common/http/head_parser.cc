#include "common/http/head_parser.h"

#include <absl/strings/ascii.h>
#include <absl/strings/match.h>

#include <array>
#include <cstring>

namespace gateway::http {
namespace {

enum : uint8_t { kToken = 1, kValue = 2, kTarget = 4 };

constexpr std::array<uint8_t, 256> MakeTable() {
  std::array<uint8_t, 256> table{};
  for (int c = 0x21; c < 0x100; ++c) {
    if (c == 0x7f) continue;
    table[c] |= kValue;
    if (c < 0x7f) table[c] |= kTarget;
  }
  table[' '] |= kValue;
  table['\t'] |= kValue;
  for (int c = '0'; c <= '9'; ++c) table[c] |= kToken;
  for (int c = 'a'; c <= 'z'; ++c) table[c] |= kToken;
  for (int c = 'A'; c <= 'Z'; ++c) table[c] |= kToken;
  for (char c : {'!', '#', '$', '%', '&', '\'', '*', '+', '-', '.', '^', '_',
                 '`', '|', '~'}) {
    table[static_cast<unsigned char>(c)] |= kToken;
  }
  return table;
}
constexpr std::array<uint8_t, 256> kTable = MakeTable();

bool Is(char c, uint8_t kind) {
  return (kTable[static_cast<unsigned char>(c)] & kind) != 0;
}

bool AllAre(absl::string_view text, uint8_t kind) {
  for (const char c : text) {
    if (!Is(c, kind)) return false;
  }
  return true;
}

absl::string_view Trim(absl::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) {
    text.remove_prefix(1);
  }
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) {
    text.remove_suffix(1);
  }
  return text;
}

// Calls `visit` with each element of a comma-separated list.
template <class F>
void ForEachElement(absl::string_view list, F visit) {
  while (true) {
    const size_t comma = list.find(',');
    const absl::string_view element = Trim(list.substr(0, comma));
    if (!element.empty()) visit(element);
    if (comma == absl::string_view::npos) return;
    list.remove_prefix(comma + 1);
  }
}

bool ParseLength(absl::string_view text, uint64_t& length) {
  if (text.empty() || text.size() > 18) return false;
  length = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return false;
    length = length * 10 + static_cast<uint64_t>(c - '0');
  }
  return true;
}

}  // namespace

HeadParser::State HeadParser::Find(absl::string_view bytes) {
  // A head ends at the first line that is empty. Each LF is looked at once:
  // scanned_ stands behind the last one seen.
  while (!complete_ && scanned_ < bytes.size()) {
    const char* from = bytes.data() + scanned_;
    const auto* lf = static_cast<const char*>(
        std::memchr(from, '\n', bytes.size() - scanned_));
    if (lf == nullptr) return State::kIncomplete;
    const size_t line = lf - from;
    if (line == 0 || lf[-1] != '\r') {
      Fail("a line does not end in CRLF");
      return State::kBad;
    }
    scanned_ += line + 1;
    complete_ = line == 1;
  }
  return complete_ ? State::kComplete : State::kIncomplete;
}

bool HeadParser::Fail(absl::string_view error, int status) {
  error_ = error;
  error_status_ = status;
  return false;
}

bool HeadParser::ReadFact(absl::string_view name, absl::string_view value,
                          Facts& facts) {
  switch (name.size()) {
    case 4:
      if (absl::EqualsIgnoreCase(name, "host")) ++facts.hosts;
      return true;
    case 10:
      if (!absl::EqualsIgnoreCase(name, "connection")) return true;
      ForEachElement(value, [&](absl::string_view option) {
        if (absl::EqualsIgnoreCase(option, "close")) facts.close = true;
        if (absl::EqualsIgnoreCase(option, "keep-alive")) {
          facts.keep_alive = true;
        }
      });
      return true;
    case 14: {
      if (!absl::EqualsIgnoreCase(name, "content-length")) return true;
      uint64_t length = 0;
      if (!ParseLength(value, length) ||
          (facts.length.has_value() && *facts.length != length)) {
        return Fail("bad content-length");
      }
      facts.length = length;
      return true;
    }
    case 17:
      if (!absl::EqualsIgnoreCase(name, "transfer-encoding")) return true;
      if (facts.chunked || !absl::EqualsIgnoreCase(value, "chunked")) {
        return Fail("unsupported transfer-encoding", 501);
      }
      facts.chunked = true;
      return true;
    default:
      return true;
  }
}

bool HeadParser::ParseFields(absl::string_view head, size_t at,
                             Headers& headers, Facts& facts) {
  // The fields point into one copy of the whole head.
  headers.Clear();
  headers.text_.assign(head.data(), head.size());
  const size_t end = head.size() - 2;
  while (at < end) {
    const size_t name_at = at;
    while (Is(head[at], kToken)) ++at;
    if (at == name_at || head[at] != ':') return Fail("bad header name");
    const absl::string_view name = head.substr(name_at, at - name_at);
    ++at;
    const size_t line_at = at;
    while (Is(head[at], kValue)) ++at;
    if (head[at] != '\r' || head[at + 1] != '\n') {
      return Fail("bad header value");
    }
    const absl::string_view value = Trim(head.substr(line_at, at - line_at));
    at += 2;
    headers.fields_.push_back(
        {static_cast<uint32_t>(name_at), static_cast<uint32_t>(name.size()),
         static_cast<uint32_t>(value.data() - head.data()),
         static_cast<uint32_t>(value.size())});
    if (!ReadFact(name, value, facts)) return false;
  }
  if (facts.chunked && facts.length.has_value()) {
    return Fail("both content-length and transfer-encoding");
  }
  return true;
}

bool HeadParser::ParseRequest(absl::string_view head, Request& request,
                              Framing& framing) {
  const size_t line_end = head.find('\r');
  const absl::string_view line = head.substr(0, line_end);
  const size_t method_end = line.find(' ');
  const size_t target_end = line.rfind(' ');
  if (head[line_end + 1] != '\n' || method_end == absl::string_view::npos ||
      method_end == 0 || target_end <= method_end + 1) {
    return Fail("bad request line");
  }
  const absl::string_view method = line.substr(0, method_end);
  const absl::string_view target =
      line.substr(method_end + 1, target_end - method_end - 1);
  const absl::string_view version = line.substr(target_end + 1);
  if (!AllAre(method, kToken) || !AllAre(target, kTarget)) {
    return Fail("bad request line");
  }
  if (version == "HTTP/1.1") {
    request.minor_version = 1;
  } else if (version == "HTTP/1.0") {
    request.minor_version = 0;
  } else if (absl::StartsWith(version, "HTTP/")) {
    return Fail("unsupported HTTP version", 505);
  } else {
    return Fail("bad request line");
  }
  Facts facts;
  if (!ParseFields(head, line_end + 2, request.headers, facts)) return false;
  if (facts.hosts > 1 || (facts.hosts == 0 && request.minor_version == 1)) {
    return Fail("no single host header");
  }
  if (facts.chunked && request.minor_version == 0) {
    return Fail("transfer-encoding in HTTP/1.0");
  }
  request.method.assign(method.data(), method.size());
  request.target.assign(target.data(), target.size());
  request.keep_alive =
      !facts.close && (request.minor_version == 1 || facts.keep_alive);
  request.content_length = facts.length;
  if (facts.chunked) {
    framing = {Framing::Kind::kChunked, 0};
  } else if (facts.length.value_or(0) > 0) {
    framing = {Framing::Kind::kLength, *facts.length};
  } else {
    framing = {Framing::Kind::kNone, 0};
    request.content_length = 0;
  }
  return true;
}

bool HeadParser::ParseResponse(absl::string_view head, bool to_head,
                               int& status, Headers& headers, Framing& framing,
                               bool& keep_alive) {
  const size_t line_end = head.find('\r');
  const absl::string_view line = head.substr(0, line_end);
  // "HTTP/1.x NNN", then nothing or a space and any text.
  const bool shaped =
      head[line_end + 1] == '\n' && line.size() >= 12 &&
      absl::StartsWith(line, "HTTP/1.") && (line[7] == '0' || line[7] == '1') &&
      line[8] == ' ' && line[9] >= '1' && line[9] <= '9' &&
      absl::ascii_isdigit(line[10]) && absl::ascii_isdigit(line[11]) &&
      (line.size() == 12 || line[12] == ' ') && AllAre(line, kValue);
  if (!shaped) return Fail("bad status line");
  status = (line[9] - '0') * 100 + (line[10] - '0') * 10 + (line[11] - '0');
  Facts facts;
  if (!ParseFields(head, line_end + 2, headers, facts)) return false;
  const bool old = line[7] == '0';
  keep_alive = !facts.close && (!old || facts.keep_alive);
  if (to_head || status < 200 || status == 204 || status == 304) {
    framing = {Framing::Kind::kNone, 0};
  } else if (facts.chunked) {
    framing = {Framing::Kind::kChunked, 0};
  } else if (facts.length.has_value()) {
    framing = {
        *facts.length == 0 ? Framing::Kind::kNone : Framing::Kind::kLength,
        *facts.length};
  } else {
    framing = {Framing::Kind::kUntilClose, 0};
    keep_alive = false;
  }
  return true;
}

}  // namespace gateway::http
