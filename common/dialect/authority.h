#ifndef GATEWAY_COMMON_DIALECT_AUTHORITY_H_
#define GATEWAY_COMMON_DIALECT_AUTHORITY_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace gateway::dialect {

// Passing a caller's bytes on must not pass the gateway's authority on: the
// provider would do for the gateway's key whatever they ask. What reaches
// beyond the answer itself is found by each dialect's envelope (and typed
// decoder) and refused unless the route allows it. docs/dialects.md lists the
// fields.

// What a field reaches for.
enum class Authority {
  // Keeps data in the provider's account.
  kStore,
  // Names an object in the provider's account: a file, a cache, a voice.
  kProviderObject,
  // Has the provider run tools or searches, which cost extra.
  kServerTool,
  // Buys another tier of service; `value` names it.
  kServiceTier,
  // Has a provider that is itself a gateway choose another model.
  kRouting,
};

// One field that needs to be allowed.
struct AuthorityUse {
  Authority authority;
  // As errors name it, for example `messages[2].content[0].file.file_id`.
  std::string param;
  // Only for kServiceTier.
  std::string value;
};

// What a route allows. The default is what every route allows: nothing.
struct AuthorityPolicy {
  bool allow_store = false;
  bool allow_provider_objects = false;
  bool allow_server_tools = false;
  bool allow_routing = false;
  // Tiers beyond `auto` and `default`.
  std::vector<std::string> service_tiers;
};

// OK if `policy` allows all of `uses`; else INVALID_ARGUMENT
// `unsupported_parameter` for the first that it does not.
absl::Status CheckAuthority(const std::vector<AuthorityUse>& uses,
                            const AuthorityPolicy& policy);

}  // namespace gateway::dialect

#endif  // GATEWAY_COMMON_DIALECT_AUTHORITY_H_
