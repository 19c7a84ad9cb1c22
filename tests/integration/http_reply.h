#ifndef GATEWAY_TESTS_INTEGRATION_HTTP_REPLY_H_
#define GATEWAY_TESTS_INTEGRATION_HTTP_REPLY_H_

#include <absl/strings/ascii.h>
#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_split.h>

#include <map>
#include <string>

namespace gateway {

// An answer as a client reads it off the wire.
struct HttpReply {
  int status = 0;
  // Lower-case names.
  std::map<std::string, std::string> headers;
  // Decoded if it came in chunks.
  std::string body;
  // A chunked body had its end.
  bool whole = true;

  std::string header(const std::string& name) const {
    const auto it = headers.find(name);
    return it == headers.end() ? "" : it->second;
  }
};

inline HttpReply ParseReply(const std::string& bytes) {
  HttpReply reply;
  const size_t head = bytes.find("\r\n\r\n");
  if (head == std::string::npos) return reply;
  const std::vector<std::string> lines =
      absl::StrSplit(bytes.substr(0, head), "\r\n");
  const std::vector<std::string> first = absl::StrSplit(lines[0], ' ');
  if (first.size() > 1) (void)absl::SimpleAtoi(first[1], &reply.status);
  for (size_t i = 1; i < lines.size(); ++i) {
    const std::pair<std::string, std::string> field =
        absl::StrSplit(lines[i], absl::MaxSplits(": ", 1));
    reply.headers[absl::AsciiStrToLower(field.first)] = field.second;
  }
  std::string rest = bytes.substr(head + 4);
  if (reply.header("transfer-encoding") != "chunked") {
    reply.body = std::move(rest);
    return reply;
  }
  reply.whole = false;
  while (true) {
    const size_t line = rest.find("\r\n");
    if (line == std::string::npos) return reply;
    const size_t size = std::stoul(rest.substr(0, line), nullptr, 16);
    if (size == 0) {
      reply.whole = true;
      return reply;
    }
    if (rest.size() < line + 2 + size + 2) return reply;
    reply.body += rest.substr(line + 2, size);
    rest.erase(0, line + 2 + size + 2);
  }
}

}  // namespace gateway

#endif  // GATEWAY_TESTS_INTEGRATION_HTTP_REPLY_H_
