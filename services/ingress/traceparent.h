#ifndef GATEWAY_SERVICES_INGRESS_TRACEPARENT_H_
#define GATEWAY_SERVICES_INGRESS_TRACEPARENT_H_

#include <absl/strings/string_view.h>

#include <string>

namespace gateway::ingress {

// `traceparent` as W3C trace context writes it (version 00, ids not all zero);
// empty for anything else.
std::string ValidTraceparent(absl::string_view traceparent);

}  // namespace gateway::ingress

#endif  // GATEWAY_SERVICES_INGRESS_TRACEPARENT_H_
