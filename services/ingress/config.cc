#include "services/ingress/config.h"

#include <absl/container/flat_hash_set.h>
#include <absl/strings/ascii.h>
#include <absl/strings/str_cat.h>

#include <algorithm>
#include <optional>
#include <utility>

namespace gateway::ingress {
namespace {

using process::Faults;
using process::ReadCount;
using process::ReadDuration;

// A shorter limit of time is a slip.
constexpr absl::Duration kLeast = absl::Milliseconds(1);

constexpr size_t kMaxKeyIdBytes = 64;

bool IsKeyId(absl::string_view id) {
  return !id.empty() && id.size() <= kMaxKeyIdBytes &&
         absl::ascii_isalnum(id.front()) &&
         std::all_of(id.begin(), id.end(), [](char c) {
           return absl::ascii_isalnum(c) || c == '_' || c == '.' || c == '-';
         });
}

std::vector<ApiKeyOptions> ReadKeys(const config::v1::Config& config,
                                    Faults& faults) {
  std::vector<ApiKeyOptions> keys;
  absl::flat_hash_set<std::string> ids;
  absl::flat_hash_set<std::string> hashes;
  for (int i = 0; i < config.keys_size(); ++i) {
    const config::v1::ApiKey& from = config.keys(i);
    const std::string where = absl::StrCat("keys[", i, "]");
    ApiKeyOptions key;
    key.id = from.id();
    if (!IsKeyId(key.id)) {
      faults.Add(absl::StrCat(where, ".id"),
                 "1 to 64 letters, digits, '_', '.' and '-', the first a "
                 "letter or digit");
    } else if (!ids.insert(key.id).second) {
      faults.Add(absl::StrCat(where, ".id"), "stands there twice");
    }
    const std::optional<Sha256Digest> sha256 = ParseSha256(from.sha256());
    if (!sha256) {
      faults.Add(absl::StrCat(where, ".sha256"),
                 "64 hex digits, from `printf %s KEY | sha256sum`");
    } else {
      key.sha256 = *sha256;
      if (!hashes.insert(absl::AsciiStrToLower(from.sha256())).second) {
        faults.Add(absl::StrCat(where, ".sha256"),
                   "the same key stands there twice");
      }
    }
    key.tenant = from.tenant();
    if (key.tenant.empty() || key.tenant.size() > 256) {
      faults.Add(absl::StrCat(where, ".tenant"), "1 to 256 bytes");
    }
    key.models.assign(from.models().begin(), from.models().end());
    key.max_concurrency = from.max_concurrency();
    if (key.max_concurrency < 0) {
      faults.Add(absl::StrCat(where, ".maxConcurrency"), "0 or more");
    }
    keys.push_back(std::move(key));
  }
  return keys;
}

// Without keys whoever reaches a listener spends the owner's money.
void CheckOpenMode(const config::v1::Config& config,
                   const process::ServiceOptions& service, Faults& faults) {
  if (config.keys_size() > 0) return;
  if (service.grpc.IsLoopback() && service.http.IsLoopback()) return;
  const bool only_mock =
      std::all_of(config.providers().begin(), config.providers().end(),
                  [](const auto& named) {
                    return named.second.dialect() == config::v1::DIALECT_MOCK;
                  });
  if (only_mock) return;
  faults.Add("keys",
             "none are configured, so anybody who reaches this gateway could "
             "use its providers: add keys, or bind listen.http and "
             "listen.grpc to 127.0.0.1");
}

void ReadLimits(const config::v1::Limits& limits, Options& options,
                Faults& faults) {
  HttpLimits& http = options.http;
  ReadCount(limits.has_max_header_bytes(), limits.max_header_bytes(),
            "limits.maxHeaderBytes", http.max_header_bytes, faults);
  ReadCount(limits.has_max_connections(), limits.max_connections(),
            "limits.maxConnections", http.max_connections, faults);
  ReadCount(limits.has_max_requests_in_flight(),
            limits.max_requests_in_flight(), "limits.maxRequestsInFlight",
            options.admission.max_requests_in_flight, faults);
  ReadDuration(limits.has_header_timeout(), limits.header_timeout(),
               "limits.headerTimeout", http.header_timeout, faults, kLeast);
  ReadDuration(limits.has_idle_timeout(), limits.idle_timeout(),
               "limits.idleTimeout", http.idle_timeout, faults, kLeast);
}

void ReadStream(const config::v1::Stream& stream, Options& options,
                Faults& faults) {
  ReadDuration(stream.has_max_duration(), stream.max_duration(),
               "stream.maxDuration", options.deadline.max_stream, faults,
               kLeast);
  ReadDuration(stream.has_heartbeat_interval(), stream.heartbeat_interval(),
               "stream.heartbeatInterval", options.heartbeat_interval, faults,
               kLeast);
  ReadDuration(stream.has_idle_timeout(), stream.idle_timeout(),
               "stream.idleTimeout", options.idle_timeout, faults, kLeast);
}

Contents ReadContents(config::v1::Contents contents) {
  switch (contents) {
    case config::v1::CONTENTS_ERRORS:
      return Contents::kErrors;
    case config::v1::CONTENTS_ALL:
      return Contents::kAll;
    default:
      return Contents::kOff;
  }
}

void ReadMonitoring(const config::v1::Monitoring& monitoring, Options& options,
                    Faults& faults) {
  options.exchange.covert = monitoring.has_enabled() && !monitoring.enabled();
  options.exchange.contents = ReadContents(monitoring.contents());
  ReadCount(monitoring.has_queue_size(), monitoring.queue_size(),
            "monitoring.queueSize", options.telemetry_queue_size, faults);
}

}  // namespace

absl::StatusOr<Options> ReadOptions(const config::v1::Config& config,
                                    absl::string_view section) {
  Faults faults;
  Options options;
  options.section = std::string(section);
  auto service = process::ReadServiceOptions(config, section);
  faults.Add(service.status());
  if (service.ok()) {
    options.service = *std::move(service);
    CheckOpenMode(config, options.service, faults);
  }
  options.peers.model_router = process::TargetOf(config, "model-router");
  options.peers.session_store = process::TargetOf(config, "session-store");
  options.peers.batch_aggregator =
      process::TargetOf(config, "batch-aggregator");
  options.peers.metrics_collector =
      process::TargetOf(config, "metrics-collector");
  options.keys = ReadKeys(config, faults);
  ReadLimits(config.limits(), options, faults);
  ReadStream(config.stream(), options, faults);
  ReadMonitoring(config.monitoring(), options, faults);
  if (config.has_streaming()) options.exchange.streaming = config.streaming();
  absl::Status status = faults.ToStatus();
  if (!status.ok()) return status;
  return options;
}

}  // namespace gateway::ingress
