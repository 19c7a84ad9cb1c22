#include "services/ingress/admission.h"

#include <utility>

#include "common/status/error.h"

namespace gateway::ingress {

absl::StatusOr<Admission::Permit> Admission::Admit(ApiKey& key) {
  if (draining()) return Draining().Build();
  auto everybody = limit_.TryAcquire();
  if (!everybody) {
    return Overloaded("The gateway has too many requests in flight.").Build();
  }
  auto own = key.limit().TryAcquire();
  if (!own) {
    return MakeError(reason::kRateLimitExceeded,
                     "This API key has too many requests in flight.")
        .Build();
  }
  return Permit{*std::move(everybody), *std::move(own)};
}

absl::Status Admission::CheckModel(const ApiKey& key, absl::string_view model) {
  if (key.Allows(model)) return absl::OkStatus();
  return ModelNotAllowed(model);
}

}  // namespace gateway::ingress
