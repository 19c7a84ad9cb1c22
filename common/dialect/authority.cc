#include "common/dialect/authority.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/status/error.h"

namespace gateway::dialect {
namespace {

bool Allowed(const AuthorityUse& use, const AuthorityPolicy& policy) {
  switch (use.authority) {
    case Authority::kStore:
      return policy.allow_store;
    case Authority::kProviderObject:
      return policy.allow_provider_objects;
    case Authority::kServerTool:
      return policy.allow_server_tools;
    case Authority::kRouting:
      return policy.allow_routing;
    case Authority::kServiceTier:
      return std::find(policy.service_tiers.begin(), policy.service_tiers.end(),
                       use.value) != policy.service_tiers.end();
  }
  return false;
}

absl::string_view Explain(Authority authority) {
  switch (authority) {
    case Authority::kStore:
      return "keeping data at the provider";
    case Authority::kProviderObject:
      return "naming objects of the provider's account";
    case Authority::kServerTool:
      return "tools that the provider runs";
    case Authority::kServiceTier:
      return "this service tier";
    case Authority::kRouting:
      return "letting the provider choose the model";
  }
  return "this";
}

}  // namespace

absl::Status CheckAuthority(const std::vector<AuthorityUse>& uses,
                            const AuthorityPolicy& policy) {
  for (const AuthorityUse& use : uses) {
    if (Allowed(use, policy)) continue;
    return MakeError(reason::kUnsupportedParameter,
                     absl::StrCat("'", use.param,
                                  "' is refused: ", Explain(use.authority),
                                  " is not allowed for this model."))
        .Param(use.param);
  }
  return absl::OkStatus();
}

}  // namespace gateway::dialect
