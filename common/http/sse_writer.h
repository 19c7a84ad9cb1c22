#ifndef GATEWAY_COMMON_HTTP_SSE_WRITER_H_
#define GATEWAY_COMMON_HTTP_SSE_WRITER_H_

#include <absl/strings/string_view.h>

#include <string>

#include "common/http/message.h"

namespace gateway::http {

// Keeps a silent stream open. A comment with one newline is no event: the blank
// line of a second one would make some SDKs read an empty event. Only between
// events.
inline constexpr absl::string_view kSseHeartbeat = ": ping\n";

// Appends the lines `data: ` of one event, without its end. Text with line
// breaks takes one line for each of its own.
inline void AppendSseDataLines(absl::string_view data, std::string& out) {
  while (true) {
    const size_t end = data.find_first_of("\r\n");
    const absl::string_view line = data.substr(0, end);
    out.append("data: ");
    out.append(line.data(), line.size());
    out.push_back('\n');
    if (end == absl::string_view::npos) return;
    const bool crlf = data.substr(end, 2) == "\r\n";
    data.remove_prefix(end + (crlf ? 2 : 1));
  }
}

// Appends a whole event of data alone.
inline void AppendSseData(absl::string_view data, std::string& out) {
  AppendSseDataLines(data, out);
  out.push_back('\n');
}

// Appends a whole event with its type, which has no line break.
inline void AppendSseEvent(absl::string_view type, absl::string_view data,
                           std::string& out) {
  out.append("event: ");
  out.append(type.data(), type.size());
  out.push_back('\n');
  AppendSseData(data, out);
}

// Adds what the response of a stream carries.
inline void AddSseHeaders(Headers& headers) {
  headers.Set("content-type", "text/event-stream; charset=utf-8");
  headers.Set("cache-control", "no-cache");
  headers.Set("x-accel-buffering", "no");
}

}  // namespace gateway::http

#endif  // GATEWAY_COMMON_HTTP_SSE_WRITER_H_
