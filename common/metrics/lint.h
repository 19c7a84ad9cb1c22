#ifndef GATEWAY_COMMON_METRICS_LINT_H_
#define GATEWAY_COMMON_METRICS_LINT_H_

#include <string>
#include <vector>

#include "common/metrics/export.h"

namespace gateway::metrics {

// A line for each breach of the rules for metrics; empty if all is well. Every
// service's test runs it over what the service exposes.
//
// Names are snake case and begin with agentgw_, gen_ai_ or process_; a counter
// ends in _total, and nothing else does; a histogram or gauge that measures
// time or size ends in its base unit; each has a help text. No label names a
// session, a user, a key, a prompt or a request, and no series stands twice.
std::vector<std::string> Lint(const Families& families);

}  // namespace gateway::metrics

#endif  // GATEWAY_COMMON_METRICS_LINT_H_
