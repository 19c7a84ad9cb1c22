#ifndef GATEWAY_SERVICES_INGRESS_API_KEYS_H_
#define GATEWAY_SERVICES_INGRESS_API_KEYS_H_

#include <absl/container/flat_hash_set.h>
#include <absl/status/statusor.h>
#include <absl/strings/string_view.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/resilience/concurrency_limit.h"

namespace gateway::ingress {

using Sha256Digest = std::array<uint8_t, 32>;

Sha256Digest Sha256(absl::string_view text);

// 64 hex digits; nullopt for anything else.
std::optional<Sha256Digest> ParseSha256(absl::string_view hex);

struct ApiKeyOptions {
  // Names the key in logs and bills. Empty in open mode.
  std::string id;
  Sha256Digest sha256 = {};
  std::string tenant;
  // Models it may use. Empty: all.
  std::vector<std::string> models;
  // Requests at once. 0: only the global bound.
  int64_t max_concurrency = 0;

  friend bool operator==(const ApiKeyOptions&, const ApiKeyOptions&) = default;
};

// Who calls: a key and what it may do. Thread-safe.
class ApiKey {
 public:
  explicit ApiKey(ApiKeyOptions options);

  const std::string& id() const { return options_.id; }
  const std::string& tenant() const { return options_.tenant; }
  const std::vector<std::string>& models() const { return options_.models; }
  bool Allows(absl::string_view model) const {
    return models_.empty() || models_.contains(model);
  }
  ConcurrencyLimit& limit() { return limit_; }

 private:
  friend class ApiKeys;

  const ApiKeyOptions options_;
  const absl::flat_hash_set<std::string> models_;
  ConcurrencyLimit limit_;
};

// The keys of the config. Only their SHA-256 is known. Thread-safe; the keys it
// gives out live as long as it does.
class ApiKeys {
 public:
  // None: open mode, everybody is the tenant `default`.
  explicit ApiKeys(std::vector<ApiKeyOptions> keys);

  bool open() const { return table_.load()->open; }

  // Others from here on. A key that is as it was goes on counting its requests;
  // one that has changed begins anew. By one thread at a time.
  void Replace(std::vector<ApiKeyOptions> keys);

  // `credential`: the key as the client sent it; empty if it sent none.
  // UNAUTHENTICATED `invalid_api_key`. Takes the same time for every wrong key.
  absl::StatusOr<ApiKey*> Authenticate(absl::string_view credential) const;

 private:
  struct Table {
    // Open mode: one, whose credential nobody needs.
    bool open = false;
    std::vector<ApiKey*> keys;
  };

  ApiKey* FindOrMake(ApiKeyOptions options);

  // Those in use and all before them: a request may still hold one.
  std::vector<std::unique_ptr<ApiKey>> keys_;
  std::vector<std::unique_ptr<const Table>> tables_;
  std::atomic<const Table*> table_;
};

// The key in `Authorization: Bearer K`; empty for any other scheme.
absl::string_view BearerToken(absl::string_view authorization);

}  // namespace gateway::ingress

#endif  // GATEWAY_SERVICES_INGRESS_API_KEYS_H_
