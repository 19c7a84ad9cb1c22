#ifndef GATEWAY_COMMON_CLIENTS_REQUEST_ID_H_
#define GATEWAY_COMMON_CLIENTS_REQUEST_ID_H_

#include <string>

namespace gateway {

// For the context of a call that nobody named yet: `req_` and 32 random
// lower-case hex digits. Thread-safe.
std::string NewRequestId();

}  // namespace gateway

#endif  // GATEWAY_COMMON_CLIENTS_REQUEST_ID_H_
