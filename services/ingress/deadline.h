#ifndef GATEWAY_SERVICES_INGRESS_DEADLINE_H_
#define GATEWAY_SERVICES_INGRESS_DEADLINE_H_

#include <absl/strings/string_view.h>
#include <absl/time/time.h>

#include <optional>

namespace gateway::ingress {

struct DeadlineOptions {
  // The longest a whole answer may take.
  absl::Duration max_whole_answer = absl::Seconds(600);
  // The longest a stream may take.
  absl::Duration max_stream = absl::Hours(1);
};

// `x-stainless-read-timeout`: seconds, maybe with a fraction. nullopt for what
// is no positive number.
std::optional<absl::Duration> ParseReadTimeout(absl::string_view header);

// When the caller stops waiting for an answer that is asked for at `start`.
// `read_timeout` is what a client allows between two bytes: it bounds a whole
// answer, while the heartbeats of a stream keep its client waiting. `client` is
// the client's own deadline, which bounds both.
absl::Time AnswerDeadline(const DeadlineOptions& options, absl::Time start,
                          bool stream,
                          std::optional<absl::Duration> read_timeout,
                          absl::Time client = absl::InfiniteFuture());

}  // namespace gateway::ingress

#endif  // GATEWAY_SERVICES_INGRESS_DEADLINE_H_
