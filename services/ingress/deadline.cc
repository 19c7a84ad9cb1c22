#include "services/ingress/deadline.h"

#include <absl/strings/numbers.h>

#include <algorithm>
#include <cmath>

namespace gateway::ingress {

std::optional<absl::Duration> ParseReadTimeout(absl::string_view header) {
  double seconds = 0;
  if (!absl::SimpleAtod(header, &seconds) || !std::isfinite(seconds) ||
      seconds <= 0) {
    return std::nullopt;
  }
  return absl::Seconds(seconds);
}

absl::Time AnswerDeadline(const DeadlineOptions& options, absl::Time start,
                          bool stream,
                          std::optional<absl::Duration> read_timeout,
                          absl::Time client) {
  if (stream) return std::min(client, start + options.max_stream);
  absl::Duration patience = options.max_whole_answer;
  if (read_timeout) patience = std::min(patience, *read_timeout);
  return std::min(client, start + patience);
}

}  // namespace gateway::ingress
