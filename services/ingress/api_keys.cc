#include "services/ingress/api_keys.h"

#include <absl/strings/ascii.h>
#include <absl/strings/match.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "common/status/error.h"

namespace gateway::ingress {
namespace {

constexpr char kOpenTenant[] = "default";

// Looking an algorithm up costs more than hashing a key with it.
const EVP_MD* Algorithm() {
  static const EVP_MD* const algorithm =
      EVP_MD_fetch(nullptr, "SHA256", nullptr);
  return algorithm;
}

struct HashContext {
  HashContext() : context(EVP_MD_CTX_new()) {}
  ~HashContext() { EVP_MD_CTX_free(context); }
  EVP_MD_CTX* const context;
};

std::optional<int> HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return std::nullopt;
}

}  // namespace

Sha256Digest Sha256(absl::string_view text) {
  thread_local HashContext hash;
  Sha256Digest digest = {};
  EVP_DigestInit_ex2(hash.context, Algorithm(), nullptr);
  EVP_DigestUpdate(hash.context, text.data(), text.size());
  EVP_DigestFinal_ex(hash.context, digest.data(), nullptr);
  return digest;
}

std::optional<Sha256Digest> ParseSha256(absl::string_view hex) {
  Sha256Digest digest;
  if (hex.size() != 2 * digest.size()) return std::nullopt;
  for (size_t i = 0; i < digest.size(); ++i) {
    const auto high = HexDigit(hex[2 * i]);
    const auto low = HexDigit(hex[2 * i + 1]);
    if (!high || !low) return std::nullopt;
    digest[i] = static_cast<uint8_t>(*high << 4 | *low);
  }
  return digest;
}

ApiKey::ApiKey(ApiKeyOptions options)
    : options_(std::move(options)),
      models_(options_.models.begin(), options_.models.end()),
      limit_(options_.max_concurrency) {}

ApiKeys::ApiKeys(std::vector<ApiKeyOptions> keys) { Replace(std::move(keys)); }

void ApiKeys::Replace(std::vector<ApiKeyOptions> keys) {
  auto table = std::make_unique<Table>();
  if (keys.empty()) {
    table->open = true;
    ApiKeyOptions everybody;
    everybody.tenant = kOpenTenant;
    keys.push_back(std::move(everybody));
  }
  for (ApiKeyOptions& key : keys) {
    table->keys.push_back(FindOrMake(std::move(key)));
  }
  table_.store(table.get());
  tables_.push_back(std::move(table));
}

ApiKey* ApiKeys::FindOrMake(ApiKeyOptions options) {
  for (const auto& key : keys_) {
    if (key->options_ == options) return key.get();
  }
  keys_.push_back(std::make_unique<ApiKey>(std::move(options)));
  return keys_.back().get();
}

absl::StatusOr<ApiKey*> ApiKeys::Authenticate(
    absl::string_view credential) const {
  const Table& table = *table_.load();
  if (table.open) return table.keys.front();
  if (credential.empty()) {
    return MakeError(reason::kInvalidApiKey,
                     "No API key was sent. Send it as `Authorization: Bearer "
                     "KEY`, `x-api-key` or `api-key`.")
        .Build();
  }
  const Sha256Digest digest = Sha256(credential);
  ApiKey* found = nullptr;
  // Through all of them, so that the time tells nothing about a near hit.
  for (ApiKey* key : table.keys) {
    const Sha256Digest& known = key->options_.sha256;
    if (CRYPTO_memcmp(known.data(), digest.data(), digest.size()) == 0) {
      found = key;
    }
  }
  if (found == nullptr) {
    return MakeError(reason::kInvalidApiKey, "The API key is not valid.")
        .Build();
  }
  return found;
}

absl::string_view BearerToken(absl::string_view authorization) {
  constexpr absl::string_view kScheme = "bearer ";
  if (!absl::StartsWithIgnoreCase(authorization, kScheme)) return {};
  return absl::StripAsciiWhitespace(authorization.substr(kScheme.size()));
}

}  // namespace gateway::ingress
