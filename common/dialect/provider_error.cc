#include "common/dialect/provider_error.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/status/error.h"

namespace gateway::dialect {
namespace {

using Facts = ProviderErrorFacts;
using Kind = ProviderErrorKind;

constexpr size_t kMaxMessageBytes = 2048;
constexpr size_t kMaxCodeBytes = 64;

bool Is(const Facts& facts, absl::string_view name) {
  return facts.code == name || facts.type == name;
}

bool Says(const Facts& facts, absl::string_view words) {
  return absl::StrContains(absl::AsciiStrToLower(facts.message), words);
}

// Servers agree on no code; these are the ones seen.
bool IsContextLength(const Facts& facts) {
  if (Is(facts, "context_length_exceeded") ||
      Is(facts, "exceed_context_size_error")) {
    return true;
  }
  if (facts.http_status == 429) return false;
  return Says(facts, "maximum context length") ||
         Says(facts, "exceeds the available context size") ||
         Says(facts, "prompt is too long") || Says(facts, "context window of");
}

bool IsContentFilter(const Facts& facts) {
  return Is(facts, "content_filter") || Is(facts, "content_policy_violation");
}

bool IsOutOfQuota(const Facts& facts) {
  return facts.http_status == 402 || Is(facts, "insufficient_quota") ||
         Is(facts, "billing_hard_limit_reached") ||
         Is(facts, "billing_not_active") || Is(facts, "billing_error") ||
         Is(facts, "enforced_spend_limit_reached");
}

bool IsKeyRefused(const Facts& facts) {
  return facts.http_status == 401 || facts.http_status == 403 ||
         Is(facts, "invalid_api_key") || Is(facts, "authentication_error") ||
         Is(facts, "permission_error");
}

bool IsOverloaded(const Facts& facts) {
  return facts.http_status == 529 || Is(facts, "overloaded_error") ||
         Is(facts, "overloaded") || Is(facts, "slow_down") ||
         Is(facts, "server_overloaded") ||
         (facts.http_status == 503 && Says(facts, "overloaded"));
}

Kind KindOf(const Facts& facts) {
  if (IsContextLength(facts)) return Kind::kContextLength;
  if (IsContentFilter(facts)) return Kind::kContentFilter;
  if (IsOutOfQuota(facts)) return Kind::kOutOfQuota;
  if (IsKeyRefused(facts)) return Kind::kKeyRefused;
  if (IsOverloaded(facts)) return Kind::kOverloaded;
  if (facts.http_status == 429 || Is(facts, "rate_limit_exceeded") ||
      Is(facts, "rate_limit_error")) {
    return Kind::kRateLimited;
  }
  if (facts.http_status == 408) return Kind::kTransient;
  if (facts.http_status >= 400 && facts.http_status < 500) {
    return Kind::kRejected;
  }
  if (facts.http_status == 0 && Is(facts, "invalid_request_error")) {
    return Kind::kRejected;
  }
  return Kind::kTransient;
}

std::string Cut(absl::string_view text, size_t size) {
  if (text.size() <= size) return std::string(text);
  // Not inside a character.
  while (size > 0 && (static_cast<unsigned char>(text[size]) & 0xC0) == 0x80) {
    --size;
  }
  return absl::StrCat(text.substr(0, size), "…");
}

// The provider's words where they are about the caller's request.
std::string Words(const Facts& facts, absl::string_view otherwise) {
  return facts.message.empty() ? std::string(otherwise)
                               : Cut(facts.message, kMaxMessageBytes);
}

std::string WithStatus(absl::string_view text, const Facts& facts) {
  return facts.http_status == 0
             ? absl::StrCat(text, ".")
             : absl::StrCat(text, " (HTTP ", facts.http_status, ").");
}

absl::Status RejectedStatus(const Facts& facts) {
  switch (facts.http_status) {
    case 0:
    case 400:
    case 422: {
      // A reason that both sides know keeps its name.
      const ReasonInfo* known = FindReason(facts.code);
      const bool usable = known != nullptr && known->http_status == 400;
      ErrorBuilder error = MakeError(
          usable ? known->reason : absl::string_view(reason::kUpstreamRejected),
          Words(facts, "The provider refused the request."));
      if (facts.http_status == 422) error.HttpStatus(422);
      return error.Param(Cut(facts.param, kMaxCodeBytes));
    }
    case 413:
      return MakeError(reason::kRequestTooLarge,
                       Words(facts,
                             "The request is too large for the model's "
                             "provider."));
    default:
      // 404, 405, 415, ...: the gateway asked the wrong thing.
      return MakeError(reason::kUpstreamBadResponse,
                       WithStatus("The provider does not serve this model as "
                                  "configured",
                                  facts))
          .NoRetry()
          .Remedy(common::v1::REMEDY_ASK_OPERATOR);
  }
}

absl::Status TransientStatus(const Facts& facts) {
  switch (facts.http_status) {
    case 408:
    case 504:
      return MakeError(reason::kUpstreamTimeout,
                       WithStatus("The provider timed out", facts));
    case 503: {
      ErrorBuilder error =
          MakeError(reason::kUpstreamUnavailable,
                    WithStatus("The provider is not available", facts));
      if (facts.retry_after.has_value()) error.RetryAfter(*facts.retry_after);
      return error;
    }
    default:
      return MakeError(reason::kUpstreamBadResponse,
                       WithStatus("The provider failed", facts));
  }
}

absl::Status StatusOf(Kind kind, const Facts& facts) {
  switch (kind) {
    case Kind::kTransient:
      return TransientStatus(facts);
    case Kind::kOverloaded: {
      ErrorBuilder error = MakeError(reason::kUpstreamUnavailable,
                                     "The provider is overloaded.");
      if (facts.retry_after.has_value()) error.RetryAfter(*facts.retry_after);
      return error;
    }
    case Kind::kRateLimited: {
      ErrorBuilder error = MakeError(reason::kRateLimitExceeded,
                                     "The provider limits the rate of calls.");
      error.Fault(common::v1::FAULT_PROVIDER);
      if (facts.retry_after.has_value()) error.RetryAfter(*facts.retry_after);
      return error;
    }
    case Kind::kOutOfQuota:
    case Kind::kKeyRefused:
      return MakeError(reason::kUpstreamBadResponse,
                       "The provider refused the gateway's access.")
          .NoRetry()
          .Remedy(common::v1::REMEDY_ASK_OPERATOR);
    case Kind::kContextLength:
      return MakeError(reason::kContextLengthExceeded,
                       Words(facts,
                             "The prompt does not fit the model's "
                             "context."))
          .Param(Cut(facts.param, kMaxCodeBytes));
    case Kind::kContentFilter:
      return MakeError(reason::kContentFilter,
                       Words(facts,
                             "The provider's content policy refused the "
                             "prompt."))
          .Param(Cut(facts.param, kMaxCodeBytes));
    case Kind::kRejected:
      return RejectedStatus(facts);
    case Kind::kBrokenAnswer:
      break;
  }
  return MakeError(reason::kUpstreamBadResponse,
                   "The provider's answer is broken.");
}

}  // namespace

absl::string_view ProviderErrorKindName(ProviderErrorKind kind) {
  switch (kind) {
    case Kind::kTransient:
      return "transient";
    case Kind::kOverloaded:
      return "overloaded";
    case Kind::kRateLimited:
      return "rate_limited";
    case Kind::kOutOfQuota:
      return "out_of_quota";
    case Kind::kKeyRefused:
      return "key_refused";
    case Kind::kContextLength:
      return "context_length";
    case Kind::kContentFilter:
      return "content_filter";
    case Kind::kRejected:
      return "rejected";
    case Kind::kBrokenAnswer:
      return "broken_answer";
  }
  return "unknown";
}

ProviderError ClassifyProviderError(const ProviderErrorFacts& facts) {
  ProviderError error;
  error.kind = KindOf(facts);
  error.http_status = facts.http_status;
  error.retry_after = facts.retry_after;
  error.code = Cut(facts.code.empty() ? facts.type : facts.code, kMaxCodeBytes);
  error.status = StatusOf(error.kind, facts);
  return error;
}

ProviderError BrokenAnswer(absl::string_view what) {
  ProviderError error;
  error.kind = Kind::kBrokenAnswer;
  error.status = MakeError(reason::kUpstreamBadResponse,
                           absl::StrCat("The provider ", what, "."));
  return error;
}

std::optional<absl::Duration> ParseRetryAfter(absl::string_view retry_after_ms,
                                              absl::string_view retry_after,
                                              absl::Time now) {
  // A day: longer is no advice.
  constexpr double kMaxSeconds = 86400;
  double number;
  if (absl::SimpleAtod(retry_after_ms, &number) && number >= 0 &&
      number <= kMaxSeconds * 1000) {
    return absl::Milliseconds(number);
  }
  if (absl::SimpleAtod(retry_after, &number)) {
    if (number >= 0 && number <= kMaxSeconds) return absl::Seconds(number);
    return std::nullopt;
  }
  absl::Time when;
  std::string error;
  if (!retry_after.empty() &&
      absl::ParseTime("%a, %d %b %Y %H:%M:%S GMT", retry_after,
                      absl::UTCTimeZone(), &when, &error)) {
    const absl::Duration wait = when - now;
    if (wait > absl::Seconds(kMaxSeconds)) return std::nullopt;
    return std::max(absl::ZeroDuration(), wait);
  }
  return std::nullopt;
}

}  // namespace gateway::dialect
