#ifndef GATEWAY_COMMON_DIALECT_PROVIDER_ERROR_H_
#define GATEWAY_COMMON_DIALECT_PROVIDER_ERROR_H_

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace gateway::dialect {

// What a provider's error means for the next step, whatever its dialect.
enum class ProviderErrorKind {
  // 408, 5xx: the same target may work the next time.
  kTransient,
  // 529, or a 503 that says so: only another target helps.
  kOverloaded,
  // 429: not before `retry_after`.
  kRateLimited,
  // The gateway's own account is out of money: its key is dead.
  kOutOfQuota,
  // 401, 403: the gateway's own key is refused.
  kKeyRefused,
  // Only a target with a larger context helps.
  kContextLength,
  // The provider's policy refused the prompt.
  kContentFilter,
  // Any other 4xx: it would be refused everywhere.
  kRejected,
  // The answer cannot be read, is cut, or lacks its end.
  kBrokenAnswer,
};

// "transient", "overloaded", ...: for metrics and receipts.
absl::string_view ProviderErrorKindName(ProviderErrorKind kind);

struct ProviderError {
  ProviderErrorKind kind = ProviderErrorKind::kTransient;
  // As the provider gave it, or as its code says; 0 if neither.
  int http_status = 0;
  // The provider's advice.
  std::optional<absl::Duration> retry_after;
  // The provider's own code or type, at most 64 bytes. Empty if none.
  std::string code;
  // For the caller, with its ErrorDetail. Names nothing of the gateway's
  // account, and no 401 or 403: those are about the gateway's key.
  absl::Status status;
};

// What a decoder of a dialect has found in an error.
struct ProviderErrorFacts {
  // 0 if not known.
  int http_status = 0;
  absl::string_view code;
  absl::string_view type;
  absl::string_view message;
  absl::string_view param;
  std::optional<absl::Duration> retry_after;
};
ProviderError ClassifyProviderError(const ProviderErrorFacts& facts);

// An answer that cannot be read or has no end; `what` completes "The provider".
ProviderError BrokenAnswer(absl::string_view what);

// `retry-after-ms`, else `retry-after` (seconds or a date), as the headers
// spell them. nullopt if neither says anything usable.
std::optional<absl::Duration> ParseRetryAfter(absl::string_view retry_after_ms,
                                              absl::string_view retry_after,
                                              absl::Time now);

}  // namespace gateway::dialect

#endif  // GATEWAY_COMMON_DIALECT_PROVIDER_ERROR_H_
