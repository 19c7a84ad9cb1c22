#include "services/session_store/config.h"

#include <absl/strings/str_cat.h>

namespace gateway::session_store {

using process::ReadCount;
using process::ReadDuration;

absl::StatusOr<Options> ReadOptions(const config::v1::Config& config) {
  process::Faults faults;
  Options options;
  auto service = process::ReadServiceOptions(config, "session-store");
  faults.Add(service.status());
  if (service.ok()) options.service = *std::move(service);

  const config::v1::Session& session = config.session();
  SessionTreeOptions& tree = options.tree;
  ReadDuration(session.has_ttl(), session.ttl(), "session.ttl", tree.ttl,
               faults);
  ReadDuration(session.has_lease_timeout(), session.lease_timeout(),
               "session.leaseTimeout", tree.lease_timeout, faults);
  ReadDuration(session.has_clean_interval(), session.clean_interval(),
               "session.cleanInterval", options.cleaner.interval, faults);
  ReadCount(session.has_max_turns(), session.max_turns(), "session.maxTurns",
            tree.max_turns, faults);
  ReadCount(session.has_max_bytes(), session.max_bytes(), "session.maxBytes",
            tree.max_bytes, faults);
  ReadCount(session.has_max_context_bytes(), session.max_context_bytes(),
            "session.maxContextBytes", tree.max_context_bytes, faults);
  ReadCount(session.has_max_sessions(), session.max_sessions(),
            "session.maxSessions", tree.max_sessions, faults);
  // A context crosses the mesh in one message, beside a body.
  const int64_t most = options.service.max_body_bytes;
  if (tree.max_context_bytes > most) {
    faults.Add("session.maxContextBytes",
               absl::StrCat("at most limits.maxBodyBytes, which is ", most));
  }
  absl::Status status = faults.ToStatus();
  if (!status.ok()) return status;
  return options;
}

}  // namespace gateway::session_store
